"""Do the trained network's own features name the source? What names the hospital can stand in for the disease."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.verdict import PartResult, Status, Verdict, spoken, unanswered
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import Interval, from_resamples
from cxrlens.evaluation.metrics import ratio
from cxrlens.evaluation.resampling import bootstrap_weights, clusters
from cxrlens.labels import CLASSES
from cxrlens.model import build_model
from cxrlens.model.features import features_of

QUESTION = "Do the network's features name the source?"

STRONG, CLEAR = 0.5, 0.2
"""Shares of the way from chance to certainty: naming the source that well within one class is strong, or clear."""

USEFUL = 0.05
"""Accuracy that knowing the source adds to naming the most frequent class: below it the source is no help, and features
that know it do no harm."""

Floats = NDArray[np.floating]


def source_features(case: Case) -> PartResult:
    """Learn to name the source from the features of the train part, and try it on the test part.

    A logistic regression on the standardised input of the last dense layer. Within one class too, where the class
    cannot help. Beside it the features of the same network before any training: what any such network passes on.
    """
    rows = case.rows[[path in case.packed for path in case.rows["path"]]]
    train, test = rows[rows["split"] == "train"], rows[rows["split"] == "test"]
    sizes = train["source"].value_counts()
    names = [s for s in sizes.index if sizes[s] >= FEWEST and (test["source"] == s).sum() >= 5]
    if len(names) < 2:
        some = f"only {len(names)} source(s) have" if names else "no source has"
        return unanswered(QUESTION, f"{some} {FEWEST} train images and 5 test images")
    train, test = train[train["source"].isin(names)], test[test["source"].isin(names)]
    untrained = build_model(case.model.name, classes=len(CLASSES), size=case.model.size).eval()
    tables: dict[str, Any] = {}
    both = (train, test)
    for name, module in (("untrained", untrained), ("trained", case.model.module)):
        known, asked = (features_of(module, _frames(case, part)) for part in both)
        tables[name] = _named(known, train, asked, test, case.bootstrap)
    within: dict[str, Any] = {}
    for label in CLASSES:
        counts = [part.loc[part["label"] == label, "source"].value_counts() for part in both]
        several = [s for s in names if counts[0].get(s, 0) >= FEWEST and counts[1].get(s, 0) >= 5]
        if len(several) < 2:
            within[label] = {"reason": "fewer than two sources have enough images of it"}
            continue
        a, b = ((part["label"].eq(label) & part["source"].isin(several)).to_numpy() for part in both)
        named = _named(known[a], train[a], asked[b], test[b], case.bootstrap)
        within[label] = {"chance": 1 / len(several), "sources": several, **named}
    helps = _source_helps(case)
    figures = {
        "sources": names,
        "n": len(test),
        "chance": round(1 / len(names), 4),
        "features_name_source": tables["trained"]["balanced_accuracy"],
        "untrained_features_name_source": tables["untrained"]["balanced_accuracy"],
        "within_class": within,
        "source_adds_to_majority": helps,
    }
    return PartResult((_verdict(figures),), figures)


def _named(
    known: Floats, train: pd.DataFrame, asked: Floats, test: pd.DataFrame, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Balanced accuracy over sources, on ``test``, of a regression learnt on ``train``."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.1, class_weight="balanced"))
    said = model.fit(known, train["source"]).predict(asked)
    truth = test["source"].to_numpy()
    right = (said == truth).astype(np.float64)
    names = sorted(set(truth))
    members = np.stack([truth == name for name in names], axis=1).astype(np.float64)
    rng = np.random.default_rng(bootstrap.seed)
    drawn = [
        np.nanmean(ratio(w @ (members * right[:, None]), w @ members), axis=1)
        for w in bootstrap_weights(clusters(test), bootstrap.resamples, rng)
    ]
    value = float(np.mean([right[truth == name].mean() for name in names]))
    interval: Interval = from_resamples(value, np.concatenate(drawn) if drawn else np.zeros(0), "no images")
    return {"n": len(test), "balanced_accuracy": interval.to_dict()}


def _frames(case: Case, rows: pd.DataFrame) -> NDArray[np.uint8]:
    return np.asarray(case.packed.pixels[case.packed.rows(list(rows["path"]))])


def _source_helps(case: Case) -> float:
    """Accuracy on test of naming each source's most frequent train class, minus that of the overall one."""
    train, test = (case.rows[case.rows["split"] == part] for part in ("train", "test"))
    overall = train["label"].mode()[0]
    by_source = train.groupby("source")["label"].agg(lambda labels: labels.mode()[0])
    guess = test["source"].map(by_source).fillna(overall)
    return round(float((guess == test["label"]).mean() - (test["label"] == overall).mean()), 4)


def _verdict(figures: dict[str, Any]) -> Verdict:
    value, chance = figures["features_name_source"], figures["chance"]
    shares = {"all": ((value["low"] or 0.0) - chance) / (1 - chance)}
    for label, entry in figures["within_class"].items():
        if "balanced_accuracy" in entry:
            low = entry["balanced_accuracy"]["low"] or 0.0
            shares[label] = (low - entry["chance"]) / (1 - entry["chance"])
    most = max(shares.values())
    helps = figures["source_adds_to_majority"] >= USEFUL
    status: Status = "pass"
    if helps and most >= CLEAR:
        status = "fail" if most >= STRONG else "warn"
    inside = ", ".join(
        f"{label} {spoken(e['balanced_accuracy'])} of {len(e['sources'])} sources"
        for label, e in figures["within_class"].items()
        if "balanced_accuracy" in e
    )
    also = f"; within one class: {inside}" if inside else ""
    end = (
        f"Knowing the source adds {figures['source_adds_to_majority']:.2f} to the accuracy of a blind guess of the "
        "class, " + ("so this knowledge pays." if helps else "so this knowledge hardly pays here.")
    )
    sentence = (
        f"From the network's own features the source of a test image can be named with a balanced accuracy of "
        f"{spoken(value)} among {len(figures['sources'])} sources (chance {chance:.2f}; the same network untrained "
        f"{figures['untrained_features_name_source']['value']:.2f}){also}. {end}"
    )
    return Verdict(QUESTION, status, sentence)
