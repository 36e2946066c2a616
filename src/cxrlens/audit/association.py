"""Association: does the source, or the file by itself, name the class before anybody has looked at the film?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxrlens.audit.association_figure import draw_association, draw_class_by_source
from cxrlens.audit.association_verdicts import (
    BLIND_QUESTION,
    FILE_QUESTION,
    SOURCE_QUESTION,
    blind_verdict,
    file_verdict,
    source_verdict,
    within_verdict,
)
from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.cramer import count, one_against_rest, shuffled, strength, strongest_by_chance, v_interval
from cxrlens.audit.metadata import FACTS, SOURCE, Fact, codes, read_metadata, varying
from cxrlens.audit.metadata_only import metadata_only
from cxrlens.audit.recall import recall_of
from cxrlens.audit.verdict import Drawing, PartResult, Verdict
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import Interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.evaluation.style import save
from cxrlens.labels import CLASSES

_SHUFFLES, _A_TEST = 500, 60  # of the class: at least, and for each family that a p-value is corrected for
_OF_A_CLASS = 5  # fewer images of a class within a source say nothing of it


def association(case: Case) -> PartResult:
    """Cramér's V of class with the source and with every fact of the file, overall and within each source; and the
    balanced accuracy, on the test part, of a classifier that sees nothing else."""
    table = read_metadata(case.rows, case.progress)
    facts = varying(table)
    sources = table["source"].nunique() if len(table) else 0
    figures: dict[str, Any] = {"n": len(table), "unreadable": len(case.rows) - len(table), "sources": sources}
    verdicts: list[Verdict] = []
    one_class = table["label"].nunique() < 2
    because = "all images are of one class" if one_class else ""
    if one_class or sources < 2:
        verdicts.append(_cannot(SOURCE_QUESTION, because or "all images are of one source"))
    else:
        figures["source"] = associations(table, [SOURCE], case.bootstrap)
        verdicts.append(source_verdict(figures["source"]))
    if one_class or not facts:
        same = "all files are alike in size, format, compression, tint and borders"
        verdicts.append(_cannot(FILE_QUESTION, because) if one_class else Verdict(FILE_QUESTION, "pass", _all(same)))
    else:
        figures["file"] = associations(table, facts, case.bootstrap)
        verdicts.append(file_verdict(figures["file"]))
    if sources > 1 and not one_class:
        figures["within_source"], skipped = _within(table, facts, case.bootstrap)
        verdicts.append(within_verdict(figures["within_source"], skipped))
    blind = _blind(case, table, facts)
    verdicts.append(blind_verdict(blind) if "files" in blind else _cannot(BLIND_QUESTION, blind["reason"]))
    figures["blind"] = blind
    return PartResult(tuple(verdicts), figures, _drawings(case, table, figures))


def associations(table: pd.DataFrame, facts: Sequence[Fact], bootstrap: Bootstrap, tests: int = 1) -> dict[str, Any]:
    """Of the class with each fact, and which is the strongest.

    Args:
        table: n images as ``read_metadata`` gives them.
        facts: at least one that varies.
        bootstrap: resamples and seed, of the shufflings too.
        tests: how many such families are looked at (sources); the p-values are multiplied by it (Bonferroni).

    Returns:
        ``n``, ``units``; ``facts``: for each its ``words`` and ``meaning``, number of ``kinds``, ``v`` (interval), the
        class that it tells best from the rest (``label``, ``label_w``), ``w`` (the larger of that and of all classes
        together) and ``p``, the share of shufflings of the class whose strongest association of all is as strong;
        ``strongest``: of the facts, with ``by_chance``, the 95 % quantile of those shufflings.
    """
    classes = np.unique([CLASSES.index(label) for label in table["label"]], return_inverse=True)
    names = [CLASSES[k] for k in classes[0]]
    given, units = classes[1].astype(np.intp), clusters(table)
    kinds = [codes(table, fact) for fact in facts]
    rng = np.random.default_rng(bootstrap.seed)
    chance = strongest_by_chance(shuffled(given, units, max(_SHUFFLES, _A_TEST * tests), rng), kinds)
    found: dict[str, Any] = {}
    for fact, mine in zip(facts, kinds, strict=True):
        counts = count(given, mine)
        each = [float(strength(t).w[0]) for t in one_against_rest(counts)]
        w = max(float(strength(counts).w[0]), *each)
        p = min(1.0, tests * (1 + int((chance >= w).sum())) / (1 + len(chance)))
        found[fact.name] = {
            "words": fact.words,
            "meaning": fact.meaning,
            "kinds": int(mine.max()) + 1,
            "v": v_interval(given, mine, units, bootstrap).to_dict(),
            "w": round(w, 4),
            "label": names[int(np.argmax(each))],
            "label_w": round(max(each), 4),
            "p": round(p, 4),
        }
    best = max(found, key=lambda name: float(found[name]["w"]))
    by_chance = round(float(np.quantile(chance, 0.95)), 4)
    told = {key: found[best][key] for key in ("w", "label", "label_w", "p")}
    strongest = {"fact": best, "by_chance": by_chance, **told}
    return {"n": len(table), "units": int(units.max()) + 1, "facts": found, "strongest": strongest}


def _within(table: pd.DataFrame, facts: Sequence[Fact], bootstrap: Bootstrap) -> tuple[dict[str, Any], int]:
    """Associations in each source that holds two classes and images enough, and how many sources do not."""
    parts: dict[str, pd.DataFrame] = {}
    for name, rows in table.groupby("source"):
        sizes = rows["label"].value_counts()
        rows = rows[rows["label"].isin(sizes.index[sizes >= _OF_A_CLASS])].reset_index(drop=True)
        if len(rows) >= FEWEST and len(set(rows["label"])) > 1 and varying(rows, facts):
            parts[str(name)] = rows
    found = {name: associations(rows, varying(rows, facts), bootstrap, len(parts)) for name, rows in parts.items()}
    return found, table["source"].nunique() - len(parts)


def _blind(case: Case, table: pd.DataFrame, facts: Sequence[Fact]) -> dict[str, Any]:
    """The classifier without pixels, with the source and without it; ``reason`` where there is none."""
    part = "test" if (table["split"] == "test").any() else "validation"
    train, asked = (table[table["split"] == name].reset_index(drop=True) for name in ("train", part))
    asked = asked[asked["label"].isin(train["label"])].reset_index(drop=True)
    if not facts:
        return {"reason": "all files are alike in what their metadata say"}
    if len(asked) < FEWEST or asked["label"].nunique() < 2 or train["label"].nunique() < 2:
        return {"reason": f"the {part} part holds only {len(asked)} images of {asked['label'].nunique()} class(es)"}
    told = {"files": list(facts)}
    if len(set(table["source"])) > 1:
        told["files_and_source"] = [*facts, SOURCE]
    blind: dict[str, Any] = {
        "n": len(asked),
        "part": part,
        "chance": 1 / train["label"].nunique(),
        "network": _network(case, asked).to_dict(),
        "words": {fact.name: fact.words for fact in (*FACTS, SOURCE)},
    }
    for name, mine in told.items():
        scored, importance = metadata_only(train, asked, mine, case.bootstrap)
        blind[name] = {
            "balanced_accuracy": scored.mean.to_dict(),
            "by_class": scored.by_class,
            "importance": importance,
        }
    return blind


def _network(case: Case, asked: pd.DataFrame) -> Interval:
    """Balanced accuracy of the run's own network on the same images."""
    if not case.run.predictions_path.is_file():
        return Interval(None, None, None, "the run was not evaluated")
    mine = case.predictions[case.predictions["path"].isin(asked["path"])]
    return recall_of(mine.reset_index(drop=True), case.bootstrap).mean


def _drawings(case: Case, table: pd.DataFrame, figures: dict[str, Any]) -> tuple[Drawing, ...]:
    synthetic, drawn = case.dataset.synthetic, []
    if "source" in figures or "file" in figures:
        save(draw_association(figures), case.folder / "association.png", synthetic=synthetic)
        caption = (
            f"How strongly the class goes together with the source and with each fact of the file ({len(table)} kept "
            "images), and how far these facts alone go on images they were not learnt from. 95 % intervals by patient."
        )
        drawn.append(Drawing("association.png", caption))
    if "source" in figures:
        save(draw_class_by_source(table), case.folder / "class_by_source.png", synthetic=synthetic)
        drawn.append(Drawing("class_by_source.png", "Kept images of each class in each source: a row of one colour."))
    return tuple(drawn)


def _cannot(question: str, because: str) -> Verdict:
    return Verdict(question, "unanswered", f"Cannot be answered, because {because}.")


def _all(same: str) -> str:
    return f"The file cannot name the class: {same}."
