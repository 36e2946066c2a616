"""The gate: is this a chest radiograph that the model may judge? Refusal with the reason, or a repaired image.

What judges one image is exported here; what fits (``fit.py``) and measures (``measure.py``) a gate is not.
"""

from cxrlens.gate.answer import Answer
from cxrlens.gate.gate import Gate
from cxrlens.gate.saved import load_gate
from cxrlens.gate.views import View

__all__ = ["Answer", "Gate", "View", "load_gate"]
