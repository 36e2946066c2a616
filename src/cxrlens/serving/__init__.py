"""Serving: an exported model in one folder, and answers from it without torch.

``predictor.py`` judges images, ``stream.py`` many of them in constant memory, ``verify.py`` checks an installation.
Only what makes such a folder (``export.py``, ``graph.py``, ``class_maps.py``, ``golden.py``, ``int8.py``) needs more.
"""
