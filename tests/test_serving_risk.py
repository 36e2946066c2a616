"""The risk beside an answer: the curve of the run, read rightly, and only where it was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

import cxrlens
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS, Bootstrap
from cxrlens.evaluation.calibration.abstention import risk_coverage
from cxrlens.labels import CLASSES
from cxrlens.serving.risk import FEWEST, RiskCurve, curve_of
from serving_model import MEASURED_RISK, phantoms


def made_up(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Predictions that are right more often the surer they are."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet((0.6,) * 4, n)
    truth = [int(rng.choice(4, p=row)) for row in shares]
    rows = pd.DataFrame(shares, columns=list(PROBABILITY_COLUMNS))
    rows = rows.assign(label=[CLASSES[k] for k in truth], patient_id="", duplicate_group="", source="s", path=range(n))
    return rows.astype({"path": str}), shares


def test_the_share_is_that_of_all_images_at_least_so_sure():
    rows, shares = made_up(300)
    measured = {"split": "test", "meaning": "m", "n": 300, "risk_coverage": risk_coverage(rows, shares, Bootstrap(100))}
    curve = curve_of({"dataset": "d", "measured": measured})
    assert curve is not None
    sure, right = shares.max(axis=1), np.array(CLASSES)[shares.argmax(axis=1)] == rows["label"]
    for probability in (0.4, 0.55, 0.7, 0.9):
        risk = curve.at(probability)
        assert risk is not None
        lot = sure >= risk.probability - 1e-6
        assert risk.probability <= probability + 1e-6
        assert risk.images == lot.sum() >= FEWEST
        assert risk.share == pytest.approx((~right)[lot].mean())
        expected = binomtest(int((~right)[lot].sum()), int(lot.sum())).proportion_ci(method="wilson")
        assert (risk.low, risk.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert curve.at(sure.min() - 0.01) is None, "nobody measured anything so doubtful"


def test_a_few_of_the_surest_images_say_nothing_by_themselves():
    curve = RiskCurve("x", ((0.99, 5, 0), (0.9, 30, 3)))
    assert curve.at(0.999).images == 30
    assert RiskCurve("x", ((0.99, 5, 0),)).at(1.0) is None


def test_the_curve_travels_and_a_run_without_one_has_none(exported: Path):
    curve = cxrlens.load(exported, threads=1).network.risks
    assert curve == curve_of({"dataset": "toy", "measured": MEASURED_RISK})
    assert RiskCurve.from_dict(curve.to_dict()) == curve
    assert RiskCurve.from_dict(None) is None
    for record in ({}, {"measured": None}, {"measured": {"split": "test", "risk_coverage": {"points": []}}}):
        assert curve_of(record) is None


def test_it_stands_beside_an_answer_and_beside_nothing_else(exported: Path):
    predictor = cxrlens.load(exported, threads=1)
    statuses = set()
    for answer in predictor.judge(phantoms(8)):
        statuses.add(answer.status)
        assert (answer.risk is not None) == (answer.status == "answered")
        if answer.risk is not None:
            told = answer.to_dict()["risk"]["sentence"]
            assert told.startswith(f"Of the {answer.risk.images} images of the test set")
            assert "dataset 'toy' (made up)" in told
    assert statuses == {"answered", "not sure"}
    bare = replace(predictor, network=replace(predictor.network, risks=None))
    assert all(answer.to_dict()["risk"] is None for answer in bare.judge(phantoms(8)))
    uncalibrated = replace(predictor, network=replace(predictor.network, calibration=None))
    assert all(answer.risk is None for answer in uncalibrated.judge(phantoms(2))), "the curve is of calibrated figures"
