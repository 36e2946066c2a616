"""Suspected wrong labels: what networks that never saw an image say against its label, and how good the search is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.confident import Suspected, find_suspects, joint_of
from cxrlens.audit.planted import Search, found_again, plant
from cxrlens.audit.retraining import Pixels, pack_for, probe, retrain_all
from cxrlens.audit.suspects_figure import SHOWN, draw_found, draw_sheet
from cxrlens.audit.unseen import Folds, fold_jobs, make_folds, unseen_probabilities
from cxrlens.audit.verdict import Drawing, PartResult, Status, Verdict, spoken, unanswered
from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import mean_interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.folders import write_atomically
from cxrlens.labels import CLASSES

QUESTION = "Are labels probably wrong?"
FOLDS = 3
PASS, WARN = 0.02, 0.10
"""Shares of suspected labels: below the first the audit passes, from the second on it fails."""
GOOD, POOR = 0.6, 0.3
"""Shares of planted wrong labels that are found: from the first on the search is reliable, below the second not.

Of those changed to a class that the source has too, where there are enough of them."""
PRECISE = 0.5
"""Share of the new suspicions, after labels were changed on purpose, that fall on changed ones: below it the search
accuses more right labels than wrong ones, and what it says of the labels as they are is no ground for a failure."""

COLUMNS = ("number", "path", "weight", "label", "suggested", "p_label", "p_suggested", "margin", "split", "source")
"""Of ``suspects.csv``. ``weight`` is what training multiplies the image's loss by (``TrainingOptions.doubtful``)."""


def suspects(case: Case) -> PartResult:
    """Confident learning on cross-validated probabilities, measured by labels that were changed on purpose.

    The train split is cut into :data:`FOLDS` folds by patient; a small network learns from the others and says what it
    thinks of its fold. Images of the other parts are judged by all of those networks. Train images and the others are
    searched apart, so that no test label decides what is doubted in training. Then all is done once more with 5 % of
    the labels changed at random, to see how many of them are found. ``RUN/audit/suspects.csv`` lists the suspects.
    """
    rows, units = case.rows, case.units
    because = _refusal(rows, units)
    if because:
        return unanswered(QUESTION, because)
    options = probe(replace(case, options=replace(case.options, full=False)))
    there = rows["path"].isin(pack_for(case, options).paths).to_numpy()
    rows, units = rows[there].reset_index(drop=True), units[there]
    folds = make_folds(rows, units, FOLDS, case.options.seed)
    labels = np.array([CLASSES.index(label) for label in rows["label"]], dtype=np.int64)
    planted = plant(labels, case.options.seed)
    told = {"as-they-are": labels, "planted": planted.labels}
    jobs = {n: fold_jobs(folds, [CLASSES[k] for k in given], options, n) for n, given in told.items()}
    every = [job for of_name in jobs.values() for job in of_name]
    tables = retrain_all(case, every, case.folder / "suspects", Pixels(case.dataset.packed_folder))
    unseen = {n: unseen_probabilities(folds, [tables[j.name] for j in of_name]) for n, of_name in jobs.items()}
    found = {n: _search(folds, told[n], unseen[n]) for n in told}
    own, again = found["as-they-are"], found["planted"]
    listed = _listed(rows, labels, unseen["as-they-are"], own)
    write_atomically(case.folder / "suspects.csv", listed.to_csv(index=False, float_format="%.4f").encode())
    patients = clusters(rows)
    search = Search(own.is_suspect, again.is_suspect, again.suggested)
    figures: dict[str, Any] = {
        "n": len(rows),
        "folds": FOLDS,
        "network": options.model,
        "size": options.preprocessing.size,
        "epochs": options.epochs,
        "seed": options.seed,
        "file": "audit/suspects.csv",
        "suspects": int(own.is_suspect.sum()),
        **_shares(case, rows, own.is_suspect, patients),
        "confused": _confused(labels, own),
        "joint": own.joint.round(5).tolist(),
        "planted": found_again(rows, planted, search, patients, case.bootstrap),
        "first": listed.drop(columns=["path", "weight"]).head(SHOWN).round(4).to_dict("records"),
    }
    return PartResult(tuple(_verdicts(figures)), figures, _drawings(case, listed, figures))


def _refusal(rows: pd.DataFrame, units: NDArray[np.int64]) -> str:
    train = (rows["split"] == "train").to_numpy()
    if not (rows["split"] == "validation").any():
        return "there is no validation image to choose an epoch by"
    for label in CLASSES:
        mine = train & (rows["label"] == label).to_numpy()
        patients = len(np.unique(units[mine]))
        if patients < FEWEST:
            return (
                f"{label} has {patients} train image(s) of different patients, fewer than the {FEWEST} that folds need"
            )
    return ""


def _search(folds: Folds, labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Suspected:
    """Train rows and the others apart, put together again; the joint is that of the train rows."""
    n = len(labels)
    is_suspect, suggested, margin = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64), np.zeros(n)
    train = folds.of >= 0
    joint = joint_of(labels[train], probabilities[train])
    for part in (train, ~train):
        one = find_suspects(labels[part], probabilities[part])
        is_suspect[part], suggested[part], margin[part] = one.is_suspect, one.suggested, one.margin
    return Suspected(is_suspect, suggested, margin, joint)


def _listed(
    rows: pd.DataFrame, labels: NDArray[np.int64], probabilities: NDArray[np.float64], found: Suspected
) -> pd.DataFrame:
    """The suspects, most suspicious first."""
    at = np.flatnonzero(found.is_suspect)
    at = at[np.argsort(-found.margin[at], kind="stable")]
    table = rows.loc[at, ["path", "label", "split", "source"]].reset_index(drop=True)
    table["number"] = np.arange(1, len(at) + 1)
    table["weight"] = 0.0
    table["suggested"] = [CLASSES[k] for k in found.suggested[at]]
    table["p_label"] = probabilities[at, labels[at]]
    table["p_suggested"] = probabilities[at, found.suggested[at]]
    table["margin"] = found.margin[at]
    return table[list(COLUMNS)]


def _shares(case: Case, rows: pd.DataFrame, is_suspect: NDArray[np.bool_], units: NDArray[np.intp]) -> dict[str, Any]:
    """Share of suspects in all, by class, source and part, with intervals by patient."""

    def share(among: NDArray[np.bool_]) -> dict[str, Any]:
        inside = np.unique(units[among], return_inverse=True)[1].astype(np.intp)
        interval = mean_interval(is_suspect[among].astype(np.float64), inside, case.bootstrap, share=True)
        return {"n": int(among.sum()), "suspects": int(is_suspect[among].sum()), **interval.to_dict()}

    def by(column: str) -> dict[str, Any]:
        sizes = rows[column].value_counts()
        names = sorted(sizes.index, key=lambda name: (-int(sizes[name]), str(name)))
        return {str(name): share((rows[column] == name).to_numpy()) for name in names}

    everything = share(np.ones(len(rows), dtype=bool))
    return {"share": everything, "by_class": by("label"), "by_source": by("source"), "by_split": by("split")}


def _confused(labels: NDArray[np.int64], found: Suspected) -> list[dict[str, Any]]:
    """Which label stands where which one would be expected, most frequent first."""
    counts = Counter(zip(labels[found.is_suspect].tolist(), found.suggested[found.is_suspect].tolist(), strict=True))
    return [{"label": CLASSES[a], "suggested": CLASSES[b], "n": n} for (a, b), n in counts.most_common()]


def _verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    share, planted = figures["share"], figures["planted"]
    status: Status = "pass" if share["value"] < PASS else "warn" if share["value"] < WARN else "fail"
    worst = max(figures["by_source"].items(), key=lambda item: (item[1]["n"] >= FEWEST, item[1]["value"]))
    sentence = (
        f"Networks that never saw the image contradict {figures['suspects']} of {figures['n']:,} labels too surely "
        f"({spoken(share)} of them), most often in {worst[0]} ({worst[1]['suspects']} of {worst[1]['n']:,}); "
        "a suspicion is no proof, and what a network finds hard is among them."
    )
    recall, plausible, new = planted["recall"], planted["recall_plausible"], planted["precision_of_new"]
    if status == "fail" and new["value"] is not None and new["value"] < PRECISE:
        status = "warn"
        sentence += (
            " Here the search accuses more right labels than wrong ones (see the next answer), so their number is no "
            "evidence that so many are wrong: look at the list."
        )
    decides = (plausible if plausible["n"] >= FEWEST else recall)["value"] or 0.0
    reliable: Status = "pass" if decides >= GOOD else "warn" if decides >= POOR else "fail"
    second = (
        f"Of {recall['n']} labels changed on purpose the same search found {spoken(recall)}, and of the "
        f"{plausible['n']} changed to a class that the image's source has too {spoken(plausible)}, where picking as "
        f"many at random finds {planted['chance']:.2f}; of what it suspected anew, {spoken(new)} had been changed."
    )
    return [
        Verdict(QUESTION, status, sentence),
        Verdict("How many wrong labels would such a search find?", reliable, second),
    ]


def _drawings(case: Case, listed: pd.DataFrame, figures: Mapping[str, Any]) -> tuple[Drawing, ...]:
    drawings = []
    first = listed.head(SHOWN)
    if len(first):
        films = np.asarray(case.packed.pixels[case.packed.rows(list(first["path"]))])
        sheet = draw_sheet(films, first, len(listed))
        style.save(sheet, case.folder / "suspects.png", synthetic=case.dataset.synthetic)
        caption = f"The {len(first)} labels that the networks contradict most surely, of {len(listed)}."
        drawings.append(Drawing("suspects.png", caption))
    style.save(draw_found(figures), case.folder / "suspects_found.png", synthetic=case.dataset.synthetic)
    caption = "How many of the labels that were changed on purpose the same search finds, by class and by source."
    return (*drawings, Drawing("suspects_found.png", caption))
