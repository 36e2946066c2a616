"""The Grad-CAM gallery and the scores of the maps themselves, as ``cxrlens explain`` left them."""

from __future__ import annotations

from typing import Any

from cxrlens.report.naming import Namer
from cxrlens.report.records import RunRecord


def gallery_of(record: RunRecord, namer: Namer) -> Any:
    return None
