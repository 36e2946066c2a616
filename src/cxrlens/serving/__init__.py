"""Serving: an exported model in one folder, and answers from it without torch.

``predictor.py`` judges images, ``stream.py`` many of them in constant memory, ``verify.py`` checks an installation.
Only what makes such a folder (``export.py``, ``graph.py``, ``class_maps.py``, ``golden.py``, ``int8.py``) needs more.
"""

import os

# From 1.29 on ONNX Runtime tells its maker of every model and session, under an identifier that it keeps on the disk,
# unless it is told not to before it is first imported. Nothing of a film or of a model leaves this machine by itself.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
