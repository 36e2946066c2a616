"""The evidence of each part of the audit: its figures in plain words, its pictures from the run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrlens.audit.verdict import Status
from cxrlens.report.audit_record import LEAVE_ONE_OUT, AuditPart
from cxrlens.report.audit_tables import Cell, Row, Table, cell, table, tables_of, words
from cxrlens.report.figures import parse
from cxrlens.report.pictures import Picture, from_file

HOW_ASKED: dict[str, str] = {
    LEAVE_ONE_OUT: "For each source, a network is trained again on all the others and then asked about the source that "
    "it has never seen. This is the nearest that the data can come to another hospital.",
    "leakage": "Patients, copies and look-alikes are searched for afresh on both sides of the split, and the accuracy "
    "is measured with and without the images that they touch.",
    "association": "Everything about a file but its picture (source, size, bit depth, format, tint, border) is "
    "compared with the class; then a classifier is trained that sees nothing else.",
    "shortcuts": "The same small network is trained on pictures that hold no lungs, no detail or no shape. What it "
    "still gets right cannot come from the disease. Apart from that, the finished network is shown altered pictures.",
    "source_features": "A linear classifier looks at the network's own features and names the source. The better it "
    "does, the more of the source the network carries with it.",
    "suspects": "Networks that never saw an image say what they would call it. Where they contradict its label with "
    "confidence, the label is suspected; labels that were changed on purpose show how many such are found.",
    "calibration": "Whether “90 %” means nine in ten, whether the promised coverage holds, and where it breaks.",
    "gate": "Whether pictures that are no chest radiograph are refused, and how many radiographs with them.",
    "explanations": "Whether the heat-maps depend on what the network learnt, and whether what is hot matters to it.",
}

WHOLE = "The whole picture"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands behind the verdicts of one part."""

    name: str
    title: str
    status: Status
    how: str
    tables: tuple[Table, ...]
    pictures: tuple[tuple[Picture, str], ...]
    lost_pictures: int


def evidence_of(part: AuditPart, folder: Path) -> Evidence:
    """Tables and pictures of one part.

    Args:
        part: what was found.
        folder: where the part's pictures lie; names that lead out of it are not followed.
    """
    renderers: dict[str, Callable[[Mapping[str, Any]], list[Table]]] = {
        LEAVE_ONE_OUT: lambda _: [],  # has tables of its own: unseen_sources.py
        "shortcuts": _shortcuts,
        "source_features": _source_features,
    }
    drawings = part.result.drawings
    found = [(from_file(folder / Path(each.file).name, each.caption), each.caption) for each in drawings]
    pictures = tuple((picture, caption) for picture, caption in found if picture is not None)
    return Evidence(
        name=part.name,
        title=part.title,
        status=part.status,
        how=HOW_ASKED.get(part.name, ""),
        tables=tuple(renderers.get(part.name, tables_of)(part.result.figures)),
        pictures=pictures,
        lost_pictures=len(found) - len(pictures),
    )


def _shortcuts(figures: Mapping[str, Any]) -> list[Table]:
    retrained, tested = _block(figures.get("by_retraining")), _block(figures.get("by_testing"))
    chance = parse(figures.get("chance"))
    guess = f" Chance is {chance.value:.2f}." if chance else ""
    tables = []
    if retrained:
        rows = [Row(WHOLE, (cell(figures.get("full")), "100 %"))]
        rows += [
            Row(_variant(name, of), (cell(of.get("balanced_accuracy")), _share(of))) for name, of in retrained.items()
        ]
        columns = ("Trained and tested on", "Balanced accuracy", "Of what the whole picture gives above chance")
        tables.append(
            table(f"The same small network, trained anew on pictures that lack something.{guess}", columns, rows)
        )
    if tested:
        rows = [
            Row(_variant(name, of), (cell(of.get("balanced_accuracy")), cell(of.get("minus_full"))))
            for name, of in tested.items()
        ]
        if "tested_full" in figures:
            rows.insert(0, Row(WHOLE, (cell(figures["tested_full"]), "–")))
        columns = ("Shown to the finished network", "Balanced accuracy", "Difference to the whole picture")
        caption = (
            "The finished network on altered pictures. This is another question: it never saw pictures like these."
        )
        tables.append(table(caption, columns, rows))
    used = {"chance", "full", "by_retraining", "by_testing", "tested_full"}
    return tables + tables_of({key: value for key, value in figures.items() if key not in used}, "Further figures")


def _source_features(figures: Mapping[str, Any]) -> list[Table]:
    names = {
        "features_name_source": "From the trained network's features",
        "untrained_features_name_source": "From the features of the same network untrained",
        "majority": "Guessing the commonest source",
        "chance": "Guessing at random",
    }
    rows = [Row(text, (cell(figures[key]),)) for key, text in names.items() if key in figures]
    within = _block(figures.get("within_class"))
    rest = {key: value for key, value in figures.items() if key not in {*names, "within_class"}}
    caption = "How often the source of a test image is named rightly (balanced over the sources)."
    tables = [table(caption, ("Named how", "Share"), rows)] if rows else []
    if within:
        inside = [Row(label, _of_class(of)) for label, of in within.items()]
        columns = ("Class", "From the features", "Guessing", "Sources told apart")
        tables.append(table("The same within one class, where the disease cannot help.", columns, inside))
    return tables + tables_of(rest, "Further figures")


def _of_class(of: Mapping[str, Any]) -> tuple[Cell, ...]:
    """Of one class; a class without figures says why."""
    if "value" in of:
        return (cell(of), "–", "–")
    known = of.get("balanced_accuracy")
    first = cell(known) if known is not None else str(of.get("reason", "not measured"))
    return (first, cell(of.get("chance")), cell(of.get("sources")))


def _variant(name: str, of: Mapping[str, Any]) -> str:
    return str(of.get("title") or words(name.replace("-", " ")))


def _share(of: Mapping[str, Any]) -> str:
    share = parse(of.get("above_chance_share"))
    return "–" if share is None else f"{100 * share.value:.0f} %".replace("-", "−")


def _block(value: Any) -> dict[str, Mapping[str, Any]]:
    return {str(k): v for k, v in value.items() if isinstance(v, Mapping)} if isinstance(value, Mapping) else {}
