"""The part of calibration that serving needs: exact, explained, and NumPy alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from calibrated_predictions import honest
from cxrlens.calibrated import Calibration, tempered
from cxrlens.errors import RunError
from cxrlens.labels import CLASSES

RULE = Calibration("ab" * 32, CLASSES, 1.7, 0.9, (0.4, 0.1, 0.3, 0.35), 0.5, 0.1, "measured on 10 images")

rows = st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4).map(lambda v: np.array(v) / sum(v))


@settings(max_examples=100, deadline=None)
@given(rows, st.floats(0.2, 5.0))
def test_tempering_is_the_softmax_of_the_logits_over_t_and_keeps_the_order(p: np.ndarray, t: float) -> None:
    logits = np.log(p) + 3.2  # the constant is lost, and does not matter
    assert tempered(p, t) == pytest.approx(softmax(logits / t), abs=1e-12)
    assert tempered(p, t).sum() == pytest.approx(1)
    assert tempered(p, t)[p.argmax()] == tempered(p, t).max()


def test_a_probability_that_underflowed_stays_finite() -> None:
    found = tempered(np.array([1.0, 0.0, 0.0, 0.0]), 3.0)
    assert np.isfinite(found).all()
    assert found[0] == pytest.approx(1)


@settings(max_examples=200, deadline=None)
@given(rows, st.sampled_from([RULE, replace(RULE, thresholds=(None, 0.1, 0.3, 0.35)), replace(RULE, confidence=None)]))
def test_an_answer_is_given_exactly_where_no_reason_is_named(p: np.ndarray, rule: Calibration) -> None:
    assert bool(rule.answered(p[None])[0]) == (rule.abstain(p) == "")
    assert rule.prediction_set(p) == tuple(np.array(CLASSES)[rule.inside(p)])


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ((0.45, 0.02, 0.5, 0.03), "more than one class is likely: Normal or Pneumonia"),
        ((0.28, 0.09, 0.3, 0.33), "prediction set is empty"),
        ((0.38, 0.3, 0.17, 0.15), "Normal is the likeliest but too doubtful for one, and COVID-19 is not excluded"),
        ((0.05, 0.45, 0.27, 0.23), "COVID-19 has the probability 0.45, below 0.50"),
        ((0.97, 0.01, 0.01, 0.01), ""),
    ],
)
def test_the_reason_names_what_is_the_matter(p: tuple[float, ...], words: str) -> None:
    said = replace(RULE, temperature=1.0).abstain(np.array(p))
    assert words in said
    assert bool(said) == bool(words)


def test_a_class_without_a_promise_is_in_every_set_and_sets_then_decide_nothing() -> None:
    rule = replace(RULE, thresholds=(0.4, 0.1, 0.3, None), confidence=None)
    for p in honest(50)[0]:
        assert "Tuberculosis" in rule.prediction_set(p)
        assert rule.abstain(p) == ""


def test_json_brings_back_the_same_to_the_bit_and_another_model_is_refused() -> None:
    rule = replace(RULE, thresholds=(0.1 + 0.2, None, 1 / 3, 0.5), confidence=None)
    again = Calibration.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule
    assert Calibration.from_dict({"format": 1, "runtime": rule.to_dict()}) == rule
    assert rule.of_model("ab" * 32) is rule
    with pytest.raises(RunError, match="was fitted for the model abab"):
        rule.of_model("cd" * 32)


@pytest.mark.parametrize("change", [{"temperature": 0}, {"thresholds": [0.1]}, {"coverage": 2}, {"classes": None}])
def test_a_garbled_file_is_refused_in_one_line(change: dict[str, object]) -> None:
    with pytest.raises(RunError) as caught:
        Calibration.from_dict({**RULE.to_dict(), **change})
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError):
        Calibration.from_dict({})


@pytest.mark.parametrize("p", [[0.5, 0.5], [0.5, 0.5, np.nan, 0], [1.5, -0.5, 0, 0]])
def test_values_that_are_no_probabilities_are_refused(p: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        RULE.probabilities(np.array(p))


def test_it_needs_nothing_but_numpy() -> None:
    code = (
        "import sys, cxrlens.calibrated; print([m for m in ('torch', 'pandas', 'scipy', 'crepes') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
