"""Doubts: is one heat-map worth reading? Where doubt begins, what is measured without torch, and the words.

``explain`` (``explanation/scorecard/doubts.py``) and serving (``serving/doubting.py``) judge maps by this and nothing
else, so that one map has one flag wherever it is shown.
"""

from cxrlens.doubts.reasons import HEADLINE, LIMITS, SHORT, Doubts, Limits, reasons_of

__all__ = ["HEADLINE", "LIMITS", "SHORT", "Doubts", "Limits", "reasons_of"]
