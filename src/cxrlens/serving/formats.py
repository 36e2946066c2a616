"""How rows of predictions are written: a table to read, JSON lines, or CSV. One row at a time, nothing kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from cxrlens import RESEARCH_ONLY
from cxrlens.doubts import HEADLINE
from cxrlens.errors import printable
from cxrlens.serving.prediction import Prediction


class Writer(Protocol):
    """Turns predictions into text, line ends included."""

    def head(self) -> str:
        """What stands before the first row."""
        ...

    def row(self, prediction: Prediction) -> str:
        """One prediction."""
        ...

    def foot(self) -> str:
        """What stands after the last row."""
        ...


class JsonLines:
    """One JSON object a line, the keys of :meth:`Prediction.to_dict`."""

    def __init__(self, classes: Sequence[str], measured_on: str) -> None:
        del classes, measured_on

    def head(self) -> str:
        """Nothing."""
        return ""

    def row(self, prediction: Prediction) -> str:
        """One line."""
        return json.dumps(prediction.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"

    def foot(self) -> str:
        """Nothing."""
        return ""


class Csv:
    """One row an image: ``image, status, label``, a column a class, ``prediction_set, reason, warnings, gate, cam,
    map_flagged, map_reasons, risk, model, hash, measured_on, notice``; several values in a cell are joined by ``;``.
    ``map_flagged`` is blank where no map was made."""

    def __init__(self, classes: Sequence[str], measured_on: str) -> None:
        del measured_on
        self._classes = tuple(classes)

    def head(self) -> str:
        """Names of the columns."""
        columns = ("image", "status", "label", *(f"p_{name}" for name in self._classes), "prediction_set", "reason")
        more = ("warnings", "gate", "cam", "map_flagged", "map_reasons", "risk")
        return _csv_line((*columns, *more, "model", "hash", "measured_on", "notice"))

    def row(self, prediction: Prediction) -> str:
        """One line."""
        p, shares = prediction, prediction.probabilities or {}
        cells = [p.image, p.status, p.label or ""]
        cells += [f"{shares[name]:.6f}" if name in shares else "" for name in self._classes]
        cells += [";".join(p.prediction_set or ()), p.reason, ";".join(p.warnings)]
        cells += [str(p.gate["status"]) if p.gate else "", p.cam or ""]
        doubts = p.judged_map.doubts if p.judged_map else None
        cells += ["", ""] if doubts is None else ["yes" if doubts.flagged else "no", ";".join(doubts.reasons.values())]
        cells += [f"{p.risk.share:.6f}" if p.risk else "", p.model["name"], p.model["hash"]]
        return _csv_line((*cells, p.measured_on, RESEARCH_ONLY))

    def foot(self) -> str:
        """Nothing."""
        return ""


class Table:
    """Columns for a reader, the reason and the warnings below the row they belong to."""

    def __init__(self, classes: Sequence[str], measured_on: str) -> None:
        self._classes = tuple(classes)
        self._measured_on = measured_on
        self._wide = max(map(len, (*self._classes, "answered by")))
        self._told: set[str] = set()

    def head(self) -> str:
        """Names of the columns."""
        names = "  ".join(f"{name:>{max(5, len(name))}}" for name in self._classes)
        return f"{'answer':<{self._wide}}  {names}  image\n"

    def row(self, prediction: Prediction) -> str:
        """One line, and an indented one for each thing besides."""
        p = prediction
        shares = p.probabilities
        cells = [
            f"{shares[name]:>{max(5, len(name))}.3f}" if shares else f"{'–':>{max(5, len(name))}}"
            for name in self._classes
        ]
        lines = [f"{p.label or p.status:<{self._wide}}  {'  '.join(cells)}  {printable(p.image)}"]
        if p.reason:
            lines.append(f"    {p.status}: {p.reason}")
        if p.prediction_set is not None and p.status == "answered" and p.prediction_set != (p.label,):
            lines.append(f"    prediction set: {', '.join(p.prediction_set) or 'empty'}")
        lines += [f"    warning: {text}" for text in p.warnings if self._is_news(text)]
        if p.cam:
            lines.append(f"    heat-map: {printable(p.cam)}")
        if p.judged_map and p.judged_map.doubts.flagged:
            lines.append(f"    {HEADLINE.lower()}: {'; '.join(p.judged_map.doubts.reasons.values())}")
        return "\n".join(lines) + "\n"

    def foot(self) -> str:
        """What the figures rest on."""
        return f"\n{self._measured_on}\n{RESEARCH_ONLY}\n"

    def _is_news(self, text: str) -> bool:
        """What concerns the model is said once, what concerns the image each time."""
        if text.startswith("the image "):
            return True
        fresh = text not in self._told
        self._told.add(text)
        return fresh


FORMATS: Mapping[str, Callable[[Sequence[str], str], Writer]] = MappingProxyType(
    {"table": Table, "jsonl": JsonLines, "csv": Csv}
)
"""By the names that ``--format`` takes."""


def _csv_line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()
