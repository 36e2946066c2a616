"""What is learnt from the calibration part: planted distortions are found again, and promises are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from crepes import ConformalClassifier
from scipy.stats import beta, binom

from calibrated_predictions import distorted, honest, table
from cxrlens.calibrated import tempered
from cxrlens.errors import DatasetError, OptionError
from cxrlens.evaluation.blocks import Bootstrap, scores_of
from cxrlens.evaluation.calibration.abstention import choose_confidence
from cxrlens.evaluation.calibration.conformal import class_promises
from cxrlens.evaluation.calibration.fitting import fit_calibration
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.evaluation.calibration.temperature import fit_temperature
from cxrlens.evaluation.metrics import Scores
from cxrlens.evaluation.resampling import clusters
from cxrlens.labels import CLASSES

FEW = CalibrationOptions(resamples=100)


@pytest.mark.parametrize("planted", [0.5, 1.0, 2.5])
def test_a_planted_temperature_is_found_again(planted: float) -> None:
    rows = distorted(2000, planted, seed=1)
    found = fit_temperature(scores_of(rows), clusters(rows), Bootstrap(100))
    assert found.value == pytest.approx(planted, rel=0.08)
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert found.interval.low < planted < found.interval.high
    assert found.interval.high - found.interval.low < 0.4 * planted


@pytest.mark.parametrize("right", [True, False])
def test_no_temperature_is_fitted_where_every_image_is_right_or_every_image_wrong(right: bool) -> None:
    probabilities, _ = honest(100)
    best = probabilities.argmax(axis=1)
    rows = table(probabilities, best if right else (best + 1) % 4)
    found = fit_temperature(scores_of(rows), clusters(rows), Bootstrap(100))
    assert found.value == 1.0
    assert ("rightly" if right else "wrongly") in found.reason


def test_images_of_one_patient_are_not_twenty_patients() -> None:
    rows = distorted(60, 2.0).assign(patient_id="p", source="north")
    found = fit_temperature(scores_of(rows), clusters(rows), Bootstrap(100))
    assert found.value == 1.0
    assert found.reason.startswith("1 independent")


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_thresholds_make_the_sets_that_crepes_makes(coverage: float) -> None:
    p, truth = honest(300, seed=2)
    fresh, _ = honest(400, seed=3)
    promises = class_promises(Scores(truth, p), coverage)
    for k, promise in enumerate(promises):
        judge = ConformalClassifier().fit(1 - p[truth == k, k])
        theirs = judge.predict_set(1 - fresh[:, [k]], confidence=coverage, smoothing=False)[:, 0].astype(bool)
        assert promise.threshold is not None
        assert np.array_equal(fresh[:, k] >= promise.threshold, theirs)


@pytest.mark.parametrize("n", [5, 8, 9, 30, 59])
def test_the_threshold_is_the_papers_order_statistic(n: int) -> None:
    """The ceil((n + 1) · 0.9)-th smallest non-conformity (Angelopoulos and Bates 2023), or one more where it ties."""
    rng = np.random.default_rng(n)
    own = np.sort(rng.random(n))[::-1]  # non-conformity 1 − p is smallest first
    p = np.tile(((1 - own) / 3)[:, None], (1, 4))
    p[:, 0] = own
    promise = class_promises(Scores(np.zeros(n, dtype=np.intp), p), 0.9)[0]
    rank = int(np.ceil(round((n + 1) * 0.9, 9)))
    if n < 9:  # 1 / alpha − 1
        assert promise.threshold is None
        assert promise.reason == f"{n} calibration images, 9 are needed"
        assert promise.expected is None
        assert promise.surprise(1, 2) is None
    else:
        assert promise.threshold is None or promise.rank in (rank, rank + 1)
        assert promise.threshold is None or promise.threshold == own[promise.rank - 1]


def test_coverage_of_each_class_is_what_was_promised_over_many_calibration_parts() -> None:
    """Exchangeable data: the mean coverage is at least the promise, and each one within its beta-binomial bounds."""
    covered, inside_bounds = [], []
    for seed in range(60):
        p, truth = honest(1200, seed=seed)
        promises = class_promises(Scores(truth[:300], p[:300]), 0.9)
        for k, promise in enumerate(promises):
            own = p[300:][truth[300:] == k, k] >= (promise.threshold or 0)
            covered.append(own.mean())
            surprise = promise.surprise(int(own.sum()), len(own))
            assert surprise is not None
            inside_bounds.append(surprise >= 0.05)
            low, high = promise.expected or (0, 0)
            assert low < 0.9 < high
            assert (low, high) == pytest.approx(beta.interval(0.95, promise.rank, promise.n + 1 - promise.rank))
    assert np.mean(covered) == pytest.approx(0.9, abs=0.015)
    assert np.mean(covered) > 0.895
    broken = len(inside_bounds) - sum(inside_bounds)
    assert binom.ppf(0.001, 240, 0.05) <= broken <= binom.ppf(0.999, 240, 0.05)


def test_the_chosen_confidence_keeps_the_risk_and_answers_what_it_can() -> None:
    kept, shares = [], []
    for seed in range(40):
        p, truth = honest(1500, seed=seed, sharpness=4)
        right, confidence = p.argmax(axis=1) == truth, p.max(axis=1)
        rule = choose_confidence(confidence[:400], right[:400], 0.10)
        if rule.confidence is None:  # an unlucky part: it promises nothing
            shares.append(0.0)
            continue
        assert rule.bound is not None
        assert rule.bound <= 0.10
        given = confidence[400:] >= rule.confidence
        best = np.cumsum(~right[np.argsort(-confidence)]) / np.arange(1, 1501)
        shares.append(given.mean() / (np.flatnonzero(best <= 0.10)[-1] / 1500))
        kept.append((~right[400:])[given].mean() <= 0.10)
    assert np.mean(shares) > 0.6  # of what could be answered if the risk were known
    assert len(kept) >= 38
    assert np.mean(kept) >= 0.9  # promised in 95 % of calibration parts; the measure has its own noise


def test_no_threshold_is_invented_where_the_risk_cannot_be_shown() -> None:
    rng = np.random.default_rng(0)
    rule = choose_confidence(rng.random(300), rng.random(300) < 0.5, 0.10)
    assert rule.confidence is None
    assert "show for no threshold" in rule.reason
    assert choose_confidence(np.array([0.9]), np.array([True]), 0.1).confidence is None
    sure = choose_confidence(rng.random(300), np.ones(300, bool), 0.10)
    assert sure.answered > 0.95


def test_ties_of_confidence_are_answered_together() -> None:
    confidence = np.repeat([0.9, 0.5], 100)
    right = np.concatenate([np.ones(100, bool), np.zeros(100, bool)])
    rule = choose_confidence(confidence, right, 0.1)
    assert rule.confidence == 0.9
    assert rule.answered == 0.5


def test_the_order_of_the_rows_decides_nothing() -> None:
    rows = distorted(300, 2.0, split="calibration")
    bold = CalibrationOptions(resamples=100, risk=0.3)
    one, other = (fit_calibration(r, bold).runtime for r in (rows, rows.sample(frac=1, random_state=0)))
    assert one.temperature == pytest.approx(other.temperature, rel=1e-9)
    assert one.thresholds == pytest.approx(other.thresholds, rel=1e-9)
    assert one.confidence == pytest.approx(other.confidence, rel=1e-9)


def test_fitting_says_what_it_was_fitted_on_and_what_it_could_not_promise() -> None:
    rows = distorted(400, 2.0, split="calibration")
    rows = rows[(rows["label"] != "Tuberculosis") | (rows.index % 20 == 0)].reset_index(drop=True)
    fitted = fit_calibration(rows, FEW)
    few = int((rows["label"] == "Tuberculosis").sum())
    assert 0 < few < 9
    assert fitted.facts["classes"]["Tuberculosis"] == few
    assert fitted.runtime.thresholds[3] is None
    assert not fitted.runtime.sets_decide
    record = fitted.to_dict()["conformal"]["classes"]["Tuberculosis"]
    assert record["reason"] == f"{few} calibration images, 9 are needed"
    assert all(point.threshold is None and "are needed" in point.reason for point in fitted.points["Tuberculosis"])
    assert all(point.threshold is not None for point in fitted.points["Normal"])


def test_no_calibration_image_is_an_error_with_the_remedy() -> None:
    with pytest.raises(DatasetError, match="cxrlens split"):
        fit_calibration(distorted(10, 1.0).iloc[:0], FEW)
    with pytest.raises(OptionError):
        CalibrationOptions(coverage=1.0)
    with pytest.raises(OptionError):
        CalibrationOptions(resamples=10)


def test_tempering_makes_distorted_sets_no_different_in_their_promise() -> None:
    """Conformal coverage holds whatever the probabilities are worth: also for a network that is far too sure."""
    p, truth = honest(3000, seed=5)
    wild = table(tempered(p, 0.15), truth)
    fitted = fit_calibration(wild.iloc[:500].reset_index(drop=True), FEW)
    given = scores_of(wild.iloc[500:])
    inside = fitted.runtime.inside(given.probabilities)[np.arange(2500), given.truth]
    shares = pd.Series(inside).groupby(given.truth).mean()
    assert len(shares) == len(CLASSES)
    assert shares.between(0.83, 0.97).all()
