"""Shortcuts: can the class be told without looking at the lungs, and does the trained model do so?

Three questions that are often mixed up. *By retraining*: a small network that sees only the border (or all but the
lungs) learns what there is to learn there; where it beats chance, the collection gives the class away outside them.
*By place*: which small place gives it away, that a network may need more images to find (:mod:`shortcuts_places`).
*By testing*: the trained model meets images without lungs, borders or markers, which it never saw in training; what it
then loses or keeps tells what it leans on, and an odd picture may confuse it besides (Maguolo and Nanni 2021,
Information Fusion 76; DeGrave et al. 2021, Nature Machine Intelligence 3; Jain et al. 2022, ICLR, on missingness).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cxrlens.audit.alterations import ALTERATIONS
from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.lungs_of_dataset import LungMasks, lungs_of_dataset
from cxrlens.audit.recall import CHANCE, Recall, difference, recall_of, skill
from cxrlens.audit.retraining import Job, Pixels, altered, pack_for, probe, retrain_all
from cxrlens.audit.shortcuts_figure import draw_examples, draw_shortcuts
from cxrlens.audit.shortcuts_places import by_place
from cxrlens.audit.shortcuts_verdicts import OUTSIDE, verdicts
from cxrlens.audit.verdict import Drawing, PartResult, unanswered
from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import block
from cxrlens.evaluation.prediction import predict_table
from cxrlens.labels import CLASSES
from cxrlens.progress import quiet

RETRAINED = ("none", "lungs-out", "border-only", "thumbnail", "shuffled", "only-lungs")
TESTED = ("none", "lungs-out", "only-lungs", "border-out", "markers-out")


def shortcuts(case: Case) -> PartResult:
    """Retrain on what is left without the lungs, test the trained model on it, and look for the place that tells."""
    networks, places = _by_networks(case), by_place(case, case.packed, lungs_of_dataset(case, case.packed))
    first, rest = networks.verdicts[:1], networks.verdicts[1:]
    return PartResult(
        (*first, *places.verdicts, *rest),
        {**networks.figures, "by_place": places.figures},
        (*networks.drawings[:1], *places.drawings, *networks.drawings[1:]),
    )


def _by_networks(case: Case) -> PartResult:
    test = case.rows[case.rows["split"] == "test"]
    missing = [c for c in CLASSES if (case.rows["label"] == c).any() and not (test["label"] == c).any()]
    if len(test) < FEWEST or missing:
        because = (
            f"the test part has no image of {' or '.join(missing)}"
            if missing
            else (f"the test part has {len(test)} images, fewer than {FEWEST}")
        )
        return unanswered(OUTSIDE, because)
    options = probe(case)
    packed = pack_for(case, options)
    lungs = lungs_of_dataset(case, packed)
    learnt = _retrained(case, test, lungs)
    tested = _tested(case, test)
    figures: dict[str, Any] = {
        "chance": CHANCE,
        "network": options.model,
        "size": options.preprocessing.size,
        "epochs": options.epochs,
        "seed": options.seed,
        "n": len(test),
        "lungs_found": round(lungs.found_share, 4),
        "full": learnt["none"]["balanced_accuracy"],
        "by_retraining": {name: entry for name, entry in learnt.items() if name != "none"},
        "tested_full": tested["none"]["balanced_accuracy"],
        "by_testing": {name: entry for name, entry in tested.items() if name != "none"},
    }
    names = ("shortcuts.png", "shortcuts_examples.png")
    style.save(draw_shortcuts(figures), case.folder / names[0], synthetic=case.dataset.synthetic)
    places = packed.rows(list(_one_of_each(test)["path"]))
    examples = {
        name: ALTERATIONS[name](
            np.asarray(packed.pixels[places]), lungs.masks[places].astype(bool), np.asarray(places, dtype=np.int64)
        )
        for name in (*RETRAINED, "border-out", "markers-out")
    }
    drawn = draw_examples({ALTERATIONS[n].title: e for n, e in examples.items()}, list(_one_of_each(test)["label"]))
    style.save(drawn, case.folder / names[1], synthetic=case.dataset.synthetic)
    captions = (
        "Balanced accuracy on the test part of small networks that were trained and tested on part of each image, and "
        "of the trained model on images from which something was taken away; 95 % intervals by patient.",
        "What the networks saw: one test image of each class, altered.",
    )
    drawings = tuple(Drawing(name, caption) for name, caption in zip(names, captions, strict=True))
    return PartResult(tuple(verdicts(figures)), figures, drawings)


def _retrained(case: Case, test: pd.DataFrame, lungs: LungMasks) -> dict[str, dict[str, Any]]:
    options = probe(case)
    train, validation = (case.rows[case.rows["split"] == part] for part in ("train", "validation"))
    jobs = [Job(name, train, validation, test, options, name) for name in RETRAINED]
    pixels = Pixels(case.dataset.packed_folder, lungs.file, lungs.mask_hash)
    tables = retrain_all(case, jobs, case.folder / "shortcuts", pixels)
    full = recall_of(tables["none"], case.bootstrap)
    return {name: _entry(case, name, table, full) for name, table in tables.items()}


def _tested(case: Case, test: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The trained model on altered test images, at its own size."""
    packed, lungs = case.packed, lungs_of_dataset(case, case.packed)
    pixels = Pixels(case.dataset.packed_folder, lungs.file, lungs.mask_hash)
    tables = {}
    for name in case.progress(TESTED, len(TESTED), "testing without parts"):
        job = Job(name, test.iloc[:0], test.iloc[:0], test, probe(case), name)
        tables[name] = predict_table(case.model.module, test, altered(packed, job, pixels), quiet)
    full = recall_of(tables["none"], case.bootstrap)
    return {name: _entry(case, name, table, full) for name, table in tables.items()}


def _entry(case: Case, name: str, table: pd.DataFrame, full: Recall) -> dict[str, Any]:
    own = recall_of(table, case.bootstrap)
    value, whole = own.mean.value or 0.0, full.mean.value or 0.0
    share = skill(value, whole)
    per_class: Mapping[str, Any] = block(table, "", case.bootstrap)["per_class"]
    return {
        "title": ALTERATIONS[name].title,
        "balanced_accuracy": own.mean.to_dict(),
        "minus_full": difference(value - whole, own.drawn, full.drawn).to_dict(),
        "above_chance_share": None if share is None else round(share, 4),
        "by_class": {c: {"recall": e["recall"], "auroc": e["auroc"]} for c, e in per_class.items()},
    }


def _one_of_each(test: pd.DataFrame) -> pd.DataFrame:
    return (
        test.groupby("label", sort=False)
        .head(1)
        .set_index("label")
        .reindex([c for c in CLASSES if (test["label"] == c).any()])
        .reset_index()
    )
