"""The explanations' own scorecard, as ``cxrlens explain --scorecard`` or the audit left it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrlens.audit.verdict import Status
from cxrlens.errors import CxrlensError
from cxrlens.explanation.scorecard.card import FIGURE, FILE
from cxrlens.folders import read_json
from cxrlens.report.figures import Measured, parse
from cxrlens.report.pictures import Picture, from_file
from cxrlens.report.records import RunRecord

COLUMNS: dict[str, str] = {
    "weights": "Depends on the weights",
    "deletion": "Hiding it hurts most",
    "real": "On real lesions",
    "phantom": "On phantom lesions",
    "lungs": "In the lungs",
    "shifts": "Same when moved",
    "seeds": "Same when trained again",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One question, one method."""

    question: str
    status: Status
    sentence: str
    figure: Measured | None


@dataclass(frozen=True, slots=True)
class MethodRow:
    """One method: its answers in the order of the columns."""

    title: str
    layer: str
    default: bool
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class ScorecardView:
    """What the section shows.

    Args:
        foreign: the scorecard is another model's; nothing else is filled in then.
        meaning: which films.
        synthetic: they are phantoms.
        metric: the main metric, and why.
        columns: heads of the table.
        rows: methods, the one that is shown by default first.
        verdict: how the methods compare.
        flag: what the flag on single maps is worth.
        picture: all of it drawn.
    """

    foreign: bool
    meaning: str = ""
    synthetic: bool = False
    metric: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[MethodRow, ...] = ()
    verdict: str = ""
    flag: str = ""
    picture: Picture | None = None


def scorecard_view(record: RunRecord) -> ScorecardView | None:
    """``None`` before the scorecard was made, or where its file is torn."""
    folder = record.folder.explanations
    try:
        said = read_json(folder / FILE)
        if said["model"] != (record.model or {}).get("weights_sha256"):
            return ScorecardView(foreign=True)
        answered = [key for key in COLUMNS if any(_answer(b, key).status != "unanswered" for b in _methods(said))]
        rows = tuple(
            MethodRow(
                title=str(block["title"]),
                layer=str(block["layer"]),
                default=name == said["default"],
                answers=tuple(_answer(block, key) for key in answered),
            )
            for name, block in said["methods"].items()
        )
        return ScorecardView(
            foreign=False,
            meaning=str(said["meaning"]),
            synthetic=bool(said["synthetic"]),
            metric=str(said["main_metric"]),
            columns=tuple(COLUMNS[key] for key in answered),
            rows=rows,
            verdict=str(said["verdict"]["sentence"]),
            flag=str(said["flag"]["words"]),
            picture=from_file(folder / FIGURE, "The scorecard of the heat-maps: each method beside its baselines"),
        )
    except (CxrlensError, KeyError, TypeError, StopIteration):
        return None


def unanswered_of(view: ScorecardView) -> tuple[str, ...]:
    """Heads of the questions that these data cannot answer for any method."""
    return tuple(words for words in COLUMNS.values() if words not in view.columns)


def _methods(said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(said["methods"].values())


def _answer(block: Mapping[str, Any], topic: str) -> Answer:
    found = next(j for j in block["judgements"] if j["topic"] == topic)
    return Answer(str(found["question"]), found["status"], str(found["sentence"]), parse(found["key"]))
