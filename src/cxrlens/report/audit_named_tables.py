"""Tables of those parts of the audit whose figures read better in an order and in words of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cxrlens.audit.places_verdicts import what, where
from cxrlens.report.audit_record import LEAVE_ONE_OUT
from cxrlens.report.audit_tables import Cell, Row, Table, cell, table, tables_of, words
from cxrlens.report.figures import parse
from cxrlens.report.rendering import NOT_MEASURED, percent

WHOLE = "The whole picture"

Figures = Mapping[str, Any]


def tables_for(part: str, figures: Figures) -> list[Table]:
    """Of one part: its own tables where it has some and the figures are there, all figures as they stand otherwise."""
    own = _OWN.get(part)
    return tables_of(figures) if own is None else own(figures)


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
            table(
                f"The same small network, trained anew on pictures that lack something.{guess}{_settings(figures)}",
                columns,
                rows,
            )
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
    found = parse(figures.get("lungs_found"))
    if found:
        caption = "How the pictures were made."
        tables.append(
            table(caption, ("What", "Value"), [Row("Images in which lungs were found", (percent(found.value),))])
        )
    tables += _places(_mapping(figures.get("by_place")))
    used = {"chance", "full", "by_retraining", "by_testing", "tested_full", "lungs_found", "by_place", *_SETTINGS}
    return tables + tables_of({key: value for key, value in figures.items() if key not in used}, "Further figures")


def _places(found: Figures) -> list[Table]:
    """The best place of each class, over all images and among those of one source; nothing where it was not asked."""
    among = {"all images": found.get("overall"), "images of one source": found.get("within_source")}
    among |= {f"the source {source}": of for source, of in _block(found.get("by_source")).items()}
    rows = []
    for words_of, entries in among.items():
        for label, of in _block(entries).items():
            elsewhere = parse(of.get("elsewhere"))
            place = where(int(of.get("row", 0)), int(of.get("column", 0))).removeprefix("the ")
            cells = (words_of, place, what(of), cell(of.get("auroc")), percent(elsewhere.value) if elsewhere else "–")
            rows.append(Row(label, cells))
    caption = (
        "The small place outside the lungs that tells each class best, chosen on four fifths of the patients and "
        f"measured on the others, in turn. {found.get('places', 'All')} places were looked at, at "
        f"{found.get('size', 'the run’s')} pixels; chance is 0.50. “Elsewhere” is the share of other places that tell "
        "at least half as much: small for a mark, large for a look of the whole picture."
    )
    columns = ("Class", "Among", "Place", "It has there", "AUROC", "Elsewhere")
    return [table(caption, columns, rows)] if rows else []


def _source_features(figures: Mapping[str, Any]) -> list[Table]:
    names = {
        "features_name_source": "From the trained network's features",
        "untrained_features_name_source": "From the features of the same network untrained",
        "majority": "Guessing the commonest source",
        "chance": "Guessing at random",
    }
    rows = [Row(text, (cell(figures[key]),)) for key, text in names.items() if key in figures]
    within = _block(figures.get("within_class"))
    rest = {key: value for key, value in figures.items() if key not in {*names, "within_class", "sources"}}
    rest = {_FURTHER.get(key, key): value for key, value in rest.items()}
    caption = "How often the source of a test image is named rightly (balanced over the sources)."
    tables = [table(caption, ("Named how", "Share"), rows)] if rows else []
    if within:
        inside = [Row(label, _of_class(of)) for label, of in within.items()]
        columns = ("Class", "From the features", "Guessing", "Sources told apart")
        tables.append(table("The same within one class, where the disease cannot help.", columns, inside))
    return tables + tables_of(rest, "Further figures")


_SETTINGS = ("network", "size", "epochs", "seed", "n")

_FURTHER = {
    "n": "Test images",
    "source_adds_to_majority": "What knowing the source adds to the accuracy of a blind guess of the class",
}


def _settings(figures: Figures) -> str:
    """Which network, on how many images; empty where the part does not say."""
    if not all(key in figures for key in _SETTINGS):
        return ""
    network, size, epochs, seed, n = (figures[key] for key in _SETTINGS)
    return f" Network {network}, {size} pixels, {epochs} epochs, seed {seed}; {n} test images."


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


def _leakage(figures: Figures) -> list[Table]:
    afresh, known, shared = (_mapping(figures.get(key)) for key in ("afresh", "known", "shared"))
    if not afresh and not known:
        return tables_of(figures)
    where = f"the {figures.get('measured', 'test')} part"
    counted = (
        ("Known patients in more than one part", shared.get("shared_patients")),
        ("Groups of copies in more than one part", shared.get("shared_duplicate_groups")),
        ("Pairs across parts that a fresh search takes for one radiograph", afresh.get("across")),
        (f"Images of {where} whose patient training knows", known.get("patient")),
        (f"Images of {where} with a copy in training", known.get("film", known.get("group"))),
        (f"Images of {where} that training knows in either way", known.get("any")),
    )
    rows = [Row(text, (cell(value),)) for text, value in counted if value is not None]
    tables = [table("What lies on both sides of the split.", ("What", "Number"), rows)] if rows else []
    accuracy = _mapping(figures.get("accuracy"))
    names = {
        "all": "All images",
        "without": "Without those that training knows",
        "known": "Those alone",
        "difference": "All minus without",
    }
    rows = [Row(text, (cell(accuracy[key]),)) for key, text in names.items() if key in accuracy]
    if rows:
        tables.append(table(f"Accuracy on {where}, with and without the leaking images.", ("Images", "Accuracy"), rows))
    return tables


def _association(figures: Figures) -> list[Table]:
    tables = []
    for key, caption in (
        ("source", "How strongly the class goes together with the source (Cramér's V; 0 not at all, 1 fully)."),
        ("file", "How strongly the class goes together with each fact of the file."),
    ):
        found = _block(_mapping(figures.get(key)).get("facts"))
        rows = [
            Row(str(of.get("words", name)), (cell(of.get("v")), cell(of.get("label")), cell(of.get("p"))))
            for name, of in found.items()
        ]
        if rows:
            columns = ("Fact", "Cramér's V", "Class that it tells best", "p of chance")
            tables.append(table(caption, columns, rows))
    within = [
        Row(source, (cell(of.get("n")), *_strongest(of)))
        for source, of in _block(figures.get("within_source")).items()
        if _mapping(of.get("strongest"))
    ]
    if within:
        named = ("Source", "Images", "Strongest fact", "Strength", "By chance", "p of chance")
        tables.append(table("The same within one source, where another hospital cannot be the reason.", named, within))
    blind = _mapping(figures.get("blind"))
    rows = [
        Row(text, (cell(_mapping(blind.get(key)).get("balanced_accuracy", blind.get(key))),))
        for key, text in (
            ("files", "A classifier that sees the file's facts only"),
            ("files_and_source", "The same, and the source"),
            ("network", "The network, on the same images"),
            ("chance", "Guessing"),
        )
        if key in blind
    ]
    if rows:
        caption = f"How far one gets without looking at the picture ({blind.get('part', 'test')} part)."
        tables.append(table(caption, ("Who", "Balanced accuracy"), rows))
    return tables or tables_of(figures)


def _suspects(figures: Figures) -> list[Table]:
    tables = []
    for key, head in (("by_class", "Class"), ("by_source", "Source"), ("by_split", "Part")):
        rows = [
            Row(name, (cell(of.get("n")), cell(of.get("suspects")), cell(of)))
            for name, of in _block(figures.get(key)).items()
        ]
        if rows:
            caption = f"Labels that are suspected, by {head.lower()}."
            tables.append(table(caption, (head, "Images", "Suspected", "Share"), rows))
    planted = _mapping(figures.get("planted"))
    rows = [Row(text, (cell(planted[key]),)) for key, text in _PLANTED.items() if key in planted]
    if rows:
        caption = "The same search on labels that were changed on purpose."
        tables.append(table(caption, ("Figure", "Value"), rows))
    return tables or tables_of(figures)


_PLANTED = {
    "recall": "Of the changed labels it finds",
    "precision": "Of all that it then suspects, at least so many are wrong",
    "chance": "Picking as many at random finds",
}


def _calibration(figures: Figures) -> list[Table]:
    """Sources left out only: the rest has a section of its own."""
    rows = []
    left_out = figures.get("left_out")
    for each in left_out if isinstance(left_out, list) else ():
        outside, inside = (_mapping(_mapping(each).get(side)) for side in ("outside", "inside"))
        if outside:
            cells = [
                cell(outside.get("n")),
                _overall(outside, "sets", "coverage"),
                _overall(inside, "sets", "coverage"),
            ]
            cells += [_overall(outside, "answers", key) for key in ("answered", "accuracy_answered")]
            rows.append(Row(str(each.get("source", "")), tuple(cells)))
    promised = parse(_mapping(figures.get("coverage")).get("promised"))
    promise = f" Promised is {percent(promised.value)}." if promised else ""
    columns = ("Source", "Images", "Sets hold the truth", "Inside", "Answered", "Right where answered")
    return [table(f"What the promise is worth on a source never seen.{promise}", columns, rows)] if rows else []


def _overall(side: Mapping[str, Any], block: str, key: str) -> Cell:
    value = _mapping(_mapping(side.get(block)).get("overall")).get(key)
    return NOT_MEASURED if value is None else cell(value)


def _strongest(of: Mapping[str, Any]) -> tuple[Cell, ...]:
    said, known = _mapping(of.get("strongest")), _block(of.get("facts"))
    fact = str(said.get("fact", ""))
    name = str(known.get(fact, {}).get("words", fact))
    return (name, cell(said.get("w")), cell(said.get("by_chance")), cell(said.get("p")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _block(value: Any) -> dict[str, Mapping[str, Any]]:
    return {str(k): v for k, v in value.items() if isinstance(v, Mapping)} if isinstance(value, Mapping) else {}


_OWN: dict[str, Callable[[Figures], list[Table]]] = {
    LEAVE_ONE_OUT: lambda _: [],  # shown apart: unseen_sources.py
    "leakage": _leakage,
    "association": _association,
    "shortcuts": _shortcuts,
    "source_features": _source_features,
    "suspects": _suspects,
    "calibration": _calibration,
    "gate": lambda _: [],  # has a section of its own
    "explanations": lambda _: [],  # has a section of its own
}
