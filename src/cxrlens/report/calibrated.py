"""What a probability is worth, as ``cxrlens calibrate`` measured it; read from its file, never computed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.evaluation.calibration.answers import REASONS
from cxrlens.folders import read_json
from cxrlens.labels import CLASSES, TUBERCULOSIS
from cxrlens.report import calibrated_words
from cxrlens.report.figures import Measured, parse
from cxrlens.report.pictures import Picture, from_file
from cxrlens.report.records import RunRecord
from cxrlens.report.rendering import plural

PLOTS: dict[str, str] = {
    "reliability": "Stated confidence against the share right, before and after tempering. The diagonal is honest.",
    "coverage": "How often the set holds the truth, and how many classes it holds, by class and by source.",
    "risk_coverage": "The more images are answered, the surest first, the more of the answers are wrong.",
    "operating": "Each class's ROC curve with the points whose thresholds the calibration part chose.",
    "prevalence": "What a positive or a negative answer for tuberculosis means where the disease is rare or frequent.",
    "decision": "Net benefit of acting on the probability, beside acting on everybody and on nobody.",
    "reliability_by_source": "Stated confidence against the share right, source by source.",
}
"""Figures of ``calibration/`` in the order in which they are shown, the widest last."""


@dataclass(frozen=True, slots=True)
class PartRow:
    """One class or one source."""

    name: str
    n: int
    error_before: Measured | None
    error: Measured | None
    coverage: Measured | None
    size: Measured | None
    answered: Measured | None
    right: Measured | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PointRow:
    """One operating point of one class; ``reason`` where there is none."""

    label: str
    words: str
    threshold: float | None
    sensitivity: Measured | None
    specificity: Measured | None
    reason: str


@dataclass(frozen=True, slots=True)
class PrevalenceRow:
    """Predictive values where a share ``prevalence`` of those examined is ill; ``referred`` is called positive."""

    prevalence: float
    ppv: Measured | None
    npv: Measured | None
    referred: float


@dataclass(frozen=True, slots=True)
class CalibratedView:
    """What the section shows.

    Args:
        foreign: it is another model's calibration; nothing else is filled in then.
        measured: there was an independent part to measure on.
        where: that part, with its n and what it is.
        sentences: the findings in plain words.
        cautions: what could not be fitted or promised, and why.
        tiles: the four figures to see first, each with its words.
    """

    foreign: bool
    measured: bool = False
    where: str = ""
    promise: float = 0.0
    sentences: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    tiles: tuple[tuple[str, str], ...] = ()
    withheld: tuple[tuple[str, int], ...] = ()
    classes: tuple[PartRow, ...] = ()
    sources: tuple[PartRow, ...] = ()
    points: tuple[PointRow, ...] = ()
    triage: str = ""
    prevalences: tuple[PrevalenceRow, ...] = ()
    prevalence_point: str = ""
    plots: tuple[tuple[Picture, str], ...] = ()


def calibrated_view(record: RunRecord) -> CalibratedView | None:
    """``None`` before ``cxrlens calibrate``, or where its file is torn (as if it had not run)."""
    try:
        said = read_json(record.folder.calibration_path)
        if _hash(said) != str((record.model or {}).get("weights_sha256", "")):
            return CalibratedView(foreign=True)
        return _view(said, record.folder.root / "calibration")
    except (CxrlensError, KeyError, TypeError, ValueError):
        return None


def _view(said: Mapping[str, Any], folder: Path) -> CalibratedView:
    measured, cautions = said["measured"], tuple(calibrated_words.cautions(said))
    if measured is None:
        words = ("No independent image was left to measure on: what was promised is not known to hold.",)
        return CalibratedView(foreign=False, sentences=words, cautions=cautions)
    answers, promise = measured["answers"]["overall"], float(said["conformal"]["coverage"])
    point, prevalences = _prevalences(measured)
    pictures = [(from_file(folder / f"{name}.png", caption), caption) for name, caption in PLOTS.items()]
    return CalibratedView(
        foreign=False,
        measured=True,
        where=f"{plural(measured['n'], 'image')} of the {measured['split']} set ({measured['meaning']})",
        promise=promise,
        sentences=tuple(calibrated_words.sentences(said)),
        cautions=cautions,
        tiles=tuple(calibrated_words.tiles(measured)),
        withheld=tuple((words, int(answers["withheld"][name])) for name, words in REASONS.items()),
        classes=tuple(_rows(said, "by_class")),
        sources=tuple(_rows(said, "by_source")),
        points=tuple(_points(measured)),
        triage=calibrated_words.triage(measured),
        prevalences=prevalences,
        prevalence_point=point,
        plots=tuple((picture, caption) for picture, caption in pictures if picture),
    )


def _rows(said: Mapping[str, Any], part: str) -> list[PartRow]:
    measured, promises = said["measured"], said["conformal"]["classes"]
    names = CLASSES if part == "by_class" else measured["sets"][part]
    rows = []
    for name in names:
        sets, answers = measured["sets"][part][name], measured["answers"][part][name]
        error = measured["probabilities"]["ece"][part].get(name, {})
        rows.append(
            PartRow(
                name=str(name),
                n=int(sets["n"]),
                error_before=parse(error.get("before")),
                error=parse(error.get("after")),
                coverage=parse(sets["coverage"]),
                size=parse(sets["size"]),
                answered=parse(answers["answered"]),
                right=parse(answers["accuracy_answered"]),
                note=str(promises[name].get("reason", "")) if part == "by_class" else "",
            )
        )
    return rows


def _points(measured: Mapping[str, Any]) -> list[PointRow]:
    return [
        PointRow(
            label,
            str(point["words"]),
            point["threshold"],
            parse(point["sensitivity"]),
            parse(point["specificity"]),
            str(point.get("reason", "")),
        )
        for label in CLASSES
        for point in measured["operating"][label]["points"].values()
    ]


def _prevalences(measured: Mapping[str, Any]) -> tuple[str, tuple[PrevalenceRow, ...]]:
    points = measured["operating"][TUBERCULOSIS]["points"]
    for name in ("triage", "sensitivity"):
        rows = points.get(name, {}).get("by_prevalence")
        if rows:
            found = (PrevalenceRow(r["prevalence"], parse(r["ppv"]), parse(r["npv"]), r["referred"]) for r in rows)
            return str(points[name]["words"]), tuple(found)
    return "", ()


def _hash(said: Mapping[str, Any]) -> str:
    return str(said["runtime"]["model"])
