"""Metrics of each split as tables and plots; a split is named wherever one of its figures stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cxrlens.errors import CxrlensError
from cxrlens.folders import read_json
from cxrlens.report.figures import Measured, SourceFigure, by_source, class_names, parse, split_metrics
from cxrlens.report.pictures import Picture, from_file
from cxrlens.report.records import RunRecord

OVERALL: dict[str, str] = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy (mean recall of the classes)",
    "macro_f1": "F1, mean of the classes",
    "macro_auroc": "Area under the ROC curve, mean of the classes",
    "ece": "Expected calibration error (0 is best)",
}
PER_CLASS: dict[str, str] = {
    "recall": "Recall (sensitivity)",
    "specificity": "Specificity",
    "precision": "Precision",
    "f1": "F1",
    "auroc": "AUROC",
}

PLOTS: dict[str, str] = {
    "confusion": "Confusion matrix: rows are the truth, columns what the model said.",
    "roc": "ROC curves, each class against the rest.",
    "precision_recall": "Precision against recall, each class against the rest.",
    "reliability": "Reliability: when the model says 80 %, is it right 80 % of the time? The diagonal would say yes.",
    "per_source": "Accuracy by source with 95 % intervals, beside the guess from the source alone.",
}
"""Plots of evaluation by file name, in the order they are shown. The sheet of mistakes has its own section."""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class of one split; ``None`` where a figure is undefined."""

    name: str
    n: int
    figures: tuple[Measured | None, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot with its caption."""

    picture: Picture
    caption: str


@dataclass(frozen=True, slots=True)
class SplitView:
    """Everything measured on one split; ``plots`` only where it has a folder of its own (another dataset)."""

    name: str
    title: str
    meaning: str
    n: int
    patients: int
    patients_unknown: int
    overall: tuple[tuple[str, Measured | None], ...]
    classes: tuple[ClassRow, ...]
    sources: tuple[SourceFigure, ...]
    guess_by_source: dict[str, Measured]
    confusion_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    plots: tuple[Plot, ...] = ()


def split_views(record: RunRecord) -> list[SplitView]:
    """Test first, then validation, then train; only what holds images."""
    titles = {"test": "Test set", "validation": "Validation set", "train": "Training set"}
    blocks = {name: split_metrics(record.metrics, name) for name in titles}
    return [_view(name, titles[name], block, record.metrics or {}) for name, block in blocks.items() if block]


def external_views(record: RunRecord) -> list[SplitView]:
    """Other datasets that this run was evaluated on (``external/<dataset>/metrics.json``)."""
    views = []
    for path in sorted((record.folder.root / "external").glob("*/metrics.json")):
        try:
            metrics = read_json(path)
        except CxrlensError:
            continue
        block = split_metrics(metrics, "external")
        if block:
            view = _view("external", f"Another dataset: {path.parent.name}", block, metrics)
            views.append(replace(view, plots=tuple(plots(path.parent / "figures", "external"))))
    return views


def plots(folder: Path, split: str) -> list[Plot]:
    """The plots of evaluation that are there, in a fixed order; others that were put there come last."""
    found = {path.stem: path for path in sorted(folder.glob("*.png"))}
    hidden = {"mistakes", "augmentation", "augmented"}
    names = [name for name in PLOTS if name in found] + [n for n in found if n not in PLOTS and n not in hidden]
    result = []
    for name in names:
        caption = PLOTS.get(name) or f"{name.replace('_', ' ').capitalize()}."
        which = "validation" if name.endswith("_validation") else split
        if name.removesuffix("_validation") in PLOTS:
            caption = f"{PLOTS[name.removesuffix('_validation')]} {which.capitalize()} set."
        picture = from_file(found[name], caption)
        if picture:
            result.append(Plot(picture, caption))
    return result


def _view(name: str, title: str, block: Mapping[str, Any], metrics: Mapping[str, Any]) -> SplitView:
    per_class = block.get("per_class") or {}
    confusion = block.get("confusion") or {}
    baselines = metrics.get("baselines") or {}
    guess = (baselines.get("source_majority") or {}).get("by_source") or {} if baselines.get("split") == name else {}
    return SplitView(
        name=name,
        title=title,
        meaning=str(block.get("meaning", "")),
        n=int(block["n"]),
        patients=int(block.get("patients") or 0),
        patients_unknown=int(block.get("patients_unknown") or 0),
        overall=tuple((words, parse(block.get(key))) for key, words in OVERALL.items()),
        classes=tuple(
            ClassRow(c, int(per_class[c].get("n", 0)), tuple(parse(per_class[c].get(key)) for key in PER_CLASS))
            for c in class_names(block)
        ),
        sources=tuple(by_source(block)),
        guess_by_source={str(s): figure for s, value in guess.items() if (figure := parse(value)) is not None},
        confusion_names=tuple(str(c) for c in confusion.get("classes", ())),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion.get("counts", ())),
    )
