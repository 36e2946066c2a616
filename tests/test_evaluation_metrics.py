"""Metrics on arrays are scikit-learn's; weights mean the same as repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from cxrlens.evaluation import metrics
from cxrlens.evaluation.metrics import Scores


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truths that hold all four classes, probabilities with ties, and whole-number weights that drop no class."""
    n = draw(st.integers(8, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    truth = np.concatenate([np.arange(4), rng.integers(4, size=n - 4)])
    steps = draw(st.sampled_from([3, 20, 100_000]))  # few steps make many ties
    raw = rng.integers(1, steps + 1, size=(n, 4)).astype(float)
    raw[np.arange(n), truth] += draw(st.sampled_from([0.0, 1.0])) * steps
    weights = rng.integers(0, 4, size=n)
    weights[:4] = np.maximum(weights[:4], 1)
    return truth, raw / raw.sum(axis=1, keepdims=True), weights.astype(float)


@settings(max_examples=30, deadline=None)
@given(predictions())
def test_metrics_agree_with_scikit_learn(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    truth, probabilities, weights = case
    scores = Scores(truth, probabilities)
    for w in (np.ones(len(truth)), weights):
        table = scores.confusion(w[None])
        said = probabilities.argmax(axis=1)
        named = {"labels": range(4), "average": None, "sample_weight": w, "zero_division": np.nan}
        assert table[0] == pytest.approx(reference.confusion_matrix(truth, said, labels=range(4), sample_weight=w))
        assert metrics.accuracy(table)[0] == pytest.approx(reference.accuracy_score(truth, said, sample_weight=w))
        expected = reference.balanced_accuracy_score(truth, said, sample_weight=w)
        assert metrics.recall(table)[0].mean() == pytest.approx(expected)
        assert metrics.recall(table)[0] == pytest.approx(reference.recall_score(truth, said, **named))
        assert metrics.precision(table)[0] == pytest.approx(
            reference.precision_score(truth, said, **named), nan_ok=True
        )
        assert metrics.f1(table)[0] == pytest.approx(reference.f1_score(truth, said, **named))
        for k in range(4):
            area = reference.roc_auc_score(truth == k, probabilities[:, k], sample_weight=w)
            assert scores.auroc(w[None])[0, k] == pytest.approx(area)
            negative_recall = reference.recall_score(truth != k, said != k, sample_weight=w)
            assert metrics.specificity(table)[0, k] == pytest.approx(negative_recall)


@settings(max_examples=25, deadline=None)
@given(predictions())
def test_a_weight_is_a_repeated_row(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    truth, probabilities, weights = case
    rows = np.repeat(np.arange(len(truth)), weights.astype(int))
    weighted, repeated = Scores(truth, probabilities), Scores(truth[rows], probabilities[rows])
    assert weighted.ece(weights[None])[0] == pytest.approx(repeated.ece(repeated.ones())[0])
    assert weighted.auroc(weights[None])[0] == pytest.approx(repeated.auroc(repeated.ones())[0])
    assert weighted.confusion(weights[None]) == pytest.approx(repeated.confusion(repeated.ones()))


def test_ece_of_a_case_counted_by_hand() -> None:
    # Four images at confidence 0.9, three right: |0.75 - 0.9|. One at 0.4, right: |1 - 0.4|. Weighted by 4/5 and 1/5.
    probabilities = np.array([[0.9, 0.1, 0.0, 0.0]] * 4 + [[0.4, 0.3, 0.2, 0.1]])
    scores = Scores(np.array([0, 0, 0, 1, 0]), probabilities)
    assert scores.ece(scores.ones())[0] == pytest.approx(0.8 * 0.15 + 0.2 * 0.6)


def test_ece_bins_are_open_below_and_closed_above() -> None:
    edge = np.array([[0.6, 0.4, 0.0, 0.0], [0.6000001, 0.3999999, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    assert Scores(np.zeros(3, dtype=np.intp), edge).bin_of_confidence(5).tolist() == [2, 3, 4]


def test_a_missing_class_is_undefined_and_never_zero() -> None:
    scores = Scores(np.array([0, 0, 1]), np.array([[0.8, 0.2, 0, 0], [0.4, 0.6, 0, 0], [0.1, 0.9, 0, 0]]))
    table = scores.confusion(scores.ones())
    assert np.isnan(metrics.recall(table)[0, 2:]).all()
    assert np.isnan(scores.auroc(scores.ones())[0, 2:]).all()
    assert metrics.mean_of_present(metrics.recall(table))[0] == pytest.approx(0.75)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Scores(np.zeros(2, dtype=np.intp), np.ones((3, 4)) / 4)
    with pytest.raises(ValueError, match="finite"):
        Scores(np.zeros(1, dtype=np.intp), np.full((1, 4), np.nan))
