"""The gate: is this a chest radiograph that the model may judge? Refusal with the reason, or a repaired image.

What judges one image is exported here; what fits (``fit.py``) and measures (``measure.py``) a gate is not. Only a gate
read from a run folder (``saved.py``, ``features.py``, ``network.py``) needs torch: it is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from cxrlens.gate.answer import Answer
from cxrlens.gate.gate import Gate
from cxrlens.gate.views import View

if TYPE_CHECKING:
    from cxrlens.gate.saved import load_gate

__all__ = ["Answer", "Gate", "View", "load_gate"]


def __getattr__(name: str) -> Any:
    if name == "load_gate":
        from cxrlens.gate.saved import load_gate

        return load_gate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
