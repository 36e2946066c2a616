"""Parts of the model card that other commands measure: calibration, the gate, the explanations' scorecard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrlens.report.audit_tables import Cell, Row, Table, cell, table
from cxrlens.report.calibrated import calibrated_view
from cxrlens.report.checklists.evidence_model import dig
from cxrlens.report.figures import parse
from cxrlens.report.rendering import NOT_MEASURED, measured, number, percent, plural
from cxrlens.report.run_facts import RunFacts


@dataclass(frozen=True, slots=True)
class CardPart:
    """A section of the card.

    Args:
        title: its heading.
        command: what measures it.
        sentences: what was found; empty where nothing was measured.
        tables: the figures.
    """

    title: str
    command: str
    sentences: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


def card_parts(facts: RunFacts, name: str) -> tuple[CardPart, ...]:
    """Calibration and abstention, the gate, the heat-maps; each says what measures it where nothing did."""
    return (
        _calibration(facts, CardPart("Probabilities, prediction sets, abstention", f"cxrlens calibrate {name}")),
        _gate(facts, CardPart("What it refuses to judge", f"cxrlens gate {name}")),
        _scorecard(facts, CardPart("The heat-maps", f"cxrlens explain {name} --scorecard")),
    )


def _calibration(facts: RunFacts, empty: CardPart) -> CardPart:
    view = calibrated_view(facts.record)
    if facts.calibration is None or view is None or view.foreign:
        return empty
    where = f" Measured on {view.where}." if view.where else ""
    columns = ("Images", "Calibration error", "Sets hold the truth", "Answered", "Right where answered")
    tables = []
    for head, rows in (("Class", view.classes), ("Source", view.sources)):
        lines = [
            Row(row.name, (f"{row.n:,}", *(_cell(v) for v in (row.error, row.coverage, row.answered, row.right))))
            for row in rows
        ]
        caption = f"By {head.lower()}. Sets are to hold the truth in {percent(view.promise)} of each class.{where}"
        tables.append(table(caption, (head, *columns), lines))
    points = [
        Row(f"{p.label}: {p.words}", (p.reason, "–", "–") if p.reason else
            (number(p.threshold), _cell(p.sensitivity), _cell(p.specificity)))
        for p in view.points
    ]  # fmt: skip
    if points:
        named = ("Operating point", "Threshold", "Sensitivity", "Specificity")
        tables.append(table("Operating points: thresholds from the calibration part, measured apart.", named, points))
    said = (*view.sentences, *view.cautions, *((view.triage,) if view.triage else ()))
    shown = tuple(each for each in tables if each.rows)
    return CardPart(empty.title, empty.command, tuple(dict.fromkeys(said)), shown)


def _gate(facts: RunFacts, empty: CardPart) -> CardPart:
    films, strangers = dig(facts.gate, "radiographs"), dig(facts.gate, "strangers")
    if facts.gate is None or not isinstance(films, Mapping) or not isinstance(strangers, Mapping):
        return empty
    refused = measured(parse(dig(strangers, "all kinds", "refused")))
    sentence = (
        f"Of {plural(int(films.get('n', 0)), 'held-out radiograph')} it refuses "
        f"{measured(parse(films.get('false_refusals')))}; of pictures that are no chest radiograph {refused}."
    )
    tables = []
    for head, key in (("Class", "per_class"), ("Source", "per_source")):
        block = dig(films, key)
        rows = [_of(name, of, ("n", "refused", "repaired")) for name, of in _items(block)]
        if rows:
            caption = f"Held-out radiographs that are refused or repaired for no reason, by {head.lower()}."
            tables.append(table(caption, (head, "Images", "Refused", "Repaired"), rows))
    kinds = [_of(kind, of, ("n", "refused")) for kind, of in _items(strangers)]
    tables.append(table("Pictures that are no chest radiograph.", ("Kind", "Pictures", "Refused"), kinds))
    altered = [_of(kind, of, ("n", "due", "right")) for kind, of in _items(dig(facts.gate, "altered"))]
    if altered:
        caption = "Altered radiographs: what is due, and how often it is done."
        tables.append(table(caption, ("Alteration", "Images", "Due", "Done rightly"), altered))
    return CardPart(empty.title, empty.command, (sentence,), tuple(tables))


def _scorecard(facts: RunFacts, empty: CardPart) -> CardPart:
    said = facts.scorecard
    methods = dig(said, "methods")
    if said is None or not isinstance(methods, Mapping):
        return empty
    default = str(said.get("default", ""))
    judged = [j for j in dig(methods, default, "judgements") or () if isinstance(j, Mapping)]
    rows = [Row(str(j.get("question")), (str(j.get("status")), str(j.get("sentence")))) for j in judged]
    tables = (
        [table(f"The method that is shown ({default}).", ("Question", "Answer", "In figures"), rows)] if rows else []
    )
    questions = [str(j.get("question")) for j in judged]
    others = [
        Row(str(of.get("title", name)), tuple(_status(of, question) for question in questions))
        for name, of in _items(methods)
    ]
    if questions and len(others) > 1:
        tables.append(table("Every method.", ("Method", *questions), others))
    words = (dig(said, "verdict", "sentence"), said.get("meaning"), dig(said, "flag", "words"))
    sentences = [each for each in words if isinstance(each, str) and each]
    return CardPart(empty.title, empty.command, tuple(sentences) or ("The scorecard holds no verdict.",), tuple(tables))


def _status(of: Mapping[str, Any], question: str) -> str:
    found = [j for j in of.get("judgements") or () if isinstance(j, Mapping) and j.get("question") == question]
    return str(found[0].get("status")) if found else "–"


def _items(value: Any) -> list[tuple[str, Mapping[str, Any]]]:
    return [(str(k), v) for k, v in value.items() if isinstance(v, Mapping)] if isinstance(value, Mapping) else []


def _of(name: str, of: Mapping[str, Any], keys: tuple[str, ...]) -> Row:
    return Row(name, tuple(cell(of.get(key)) for key in keys))


def _cell(value: Cell | None) -> Cell:
    return NOT_MEASURED if value is None else value
