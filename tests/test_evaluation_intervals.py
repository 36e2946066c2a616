"""Intervals hold what they promise: coverage, clusters, Wilson, and reasons instead of NaN."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cxrlens.evaluation.baselines import baselines
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS, Bootstrap, accuracy_of, block
from cxrlens.evaluation.intervals import from_resamples, proportion, wilson
from cxrlens.evaluation.resampling import bootstrap_weights, clusters
from cxrlens.labels import CLASSES


def predictions(truth: list[int], said: list[int], confidence: float = 0.7, **columns: list[str]) -> pd.DataFrame:
    probabilities = np.full((len(truth), 4), (1 - confidence) / 3)
    probabilities[np.arange(len(truth)), said] = confidence
    frame = pd.DataFrame(
        {
            "path": [f"{i}.png" for i in range(len(truth))],
            "label": [CLASSES[t] for t in truth],
            "predicted": [CLASSES[s] for s in said],
            "split": "test",
            "source": columns.get("source", ["A"] * len(truth)),
            "collection": "A",
            "patient_id": columns.get("patient_id", [""] * len(truth)),
            "duplicate_group": columns.get("duplicate_group", [""] * len(truth)),
        }
    )
    for k, column in enumerate(PROBABILITY_COLUMNS):
        frame[column] = probabilities[:, k]
    return frame


def test_patients_groups_and_lone_images_are_the_units() -> None:
    frame = pd.DataFrame(
        {
            "source": ["A"] * 7,
            "patient_id": ["p1", "p1", "", "", "p2", "", ""],
            "duplicate_group": ["", "", "g1", "g1", "g1", "", ""],
        }
    )
    units = clusters(frame)
    assert units[0] == units[1]
    assert units[2] == units[3] == units[4]  # a duplicate without an id belongs to the patient it duplicates
    assert len(set(units.tolist())) == 4


def test_every_resample_draws_whole_units_and_as_many_as_there_are() -> None:
    units = np.array([0, 0, 0, 1, 2, 2], dtype=np.intp)
    weights = np.concatenate(list(bootstrap_weights(units, 50, np.random.default_rng(0))))
    assert weights.shape == (50, 6)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 4] == weights[:, 5]).all()
    assert (weights[:, [0, 3, 4]].sum(axis=1) == 3).all()


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(200):
        per_patient = np.repeat(rng.random(60) < 0.8, 2)  # both images of a patient stand or fall together
        interval = accuracy_of(per_patient, np.repeat(np.arange(60), 2), Bootstrap(400, trial))
        assert interval.low is not None
        assert interval.high is not None
        held += interval.low <= 0.8 <= interval.high
    assert 0.89 <= held / 200 <= 0.99


def test_ignoring_patients_would_promise_too_narrow_an_interval() -> None:
    right = np.repeat(np.random.default_rng(2).random(50) < 0.7, 6)
    by_patient = accuracy_of(right, np.repeat(np.arange(50), 6), Bootstrap(1000))
    by_image = accuracy_of(right, np.arange(300), Bootstrap(1000))
    width = [i.high - i.low for i in (by_patient, by_image) if i.high is not None and i.low is not None]
    assert width[0] > 1.8 * width[1]  # the theory says the square root of 6, 2.45


def test_a_perfect_score_still_shows_doubt() -> None:
    interval = proportion(1.0, np.ones(100), 20, "")
    assert interval.high == 1.0
    assert interval.low == pytest.approx(0.8389, abs=1e-3)  # Wilson, n = 20
    assert "Wilson" in interval.reason


def test_a_perfect_model_is_said_to_show_no_doubt_and_each_class_shows_some() -> None:
    result = block(predictions([0, 1, 2, 3] * 5, [0, 1, 2, 3] * 5), "test", Bootstrap(300))
    assert result["balanced_accuracy"]["low"] == result["balanced_accuracy"]["high"] == 1.0
    assert "alike in every resample" in result["balanced_accuracy"]["note"]
    assert result["accuracy"]["low"] < 0.9
    assert result["per_class"]["Pneumonia"]["recall"]["low"] < 0.6


def test_wilson_agrees_with_a_published_value() -> None:
    # Newcombe 1998 (Stat. Med. 17, table I): 81/263 gives 0.2553 to 0.3662.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_centred_percentiles_hold_the_value_where_plain_ones_would_not() -> None:
    biased = np.random.default_rng(0).normal(0.1, 0.01, 1000)
    plain, centred = (from_resamples(0.05, biased, "", centred=c) for c in (False, True))
    assert plain.low is not None
    assert plain.low > 0.05
    assert centred.low is not None
    assert centred.high is not None
    assert centred.low < 0.05 < centred.high


def test_a_missing_class_gives_null_and_a_reason_and_valid_json() -> None:
    result = block(predictions([0, 0, 1, 1], [0, 1, 1, 1]), "test", Bootstrap(200))
    json.dumps(result, allow_nan=False)
    assert result["balanced_accuracy"]["value"] is None
    assert result["balanced_accuracy"]["reason"] == "no image of Pneumonia or Tuberculosis"
    assert result["per_class"]["Tuberculosis"]["recall"]["reason"] == "no image of Tuberculosis"
    assert result["per_class"]["Tuberculosis"]["precision"]["reason"] == "nothing was called Tuberculosis"
    assert result["accuracy"]["value"] == 0.75
    assert result["confusion"]["counts"][0] == [1, 1, 0, 0]


@pytest.mark.parametrize("n", [0, 1])
def test_no_image_or_one_image_gives_a_block_all_the_same(n: int) -> None:
    result = block(predictions([0], [1]).iloc[:n], "test", Bootstrap(200))
    json.dumps(result, allow_nan=False)
    assert result["n"] == n
    assert result["accuracy"]["value"] is None if n == 0 else result["accuracy"]["value"] == 0.0


def test_unknown_patients_are_counted_and_never_invented() -> None:
    result = block(predictions([0, 1, 2, 3], [0, 1, 2, 3], patient_id=["a", "a", "", ""]), "test", Bootstrap(200))
    assert (result["patients"], result["patients_unknown"], result["units"]) == (1, 2, 3)


def test_each_source_is_measured_on_its_own_images() -> None:
    frame = predictions([0, 0, 1, 1, 2], [0, 0, 0, 1, 0], source=["A", "A", "B", "B", "B"])
    sources = block(frame, "test", Bootstrap(200))["per_source"]
    assert list(sources) == ["B", "A"]  # largest first
    assert sources["A"]["accuracy"]["value"] == 1.0
    assert sources["A"]["balanced_accuracy"]["reason"] == "the source holds one class only"
    assert sources["B"]["accuracy"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert sources["B"]["balanced_accuracy"]["value"] == pytest.approx(0.25)
    assert sources["B"]["classes"]["COVID-19"]["recall"]["value"] == 0.5


def test_the_source_baseline_scores_a_shortcut_that_never_sees_the_image() -> None:
    train = predictions([0, 0, 0, 1, 1], [0] * 5, source=["A", "A", "A", "B", "B"])
    test = predictions([0, 1, 1, 2], [0, 0, 1, 1], source=["A", "B", "B", "new"])
    result = baselines(train, test, Bootstrap(200))
    assert result["majority_class"]["guess"] == "Normal"
    assert result["majority_class"]["accuracy"]["value"] == 0.25
    assert result["source_majority"]["guess"] == {"A": "Normal", "B": "COVID-19"}
    assert result["source_majority"]["accuracy"]["value"] == 0.75
    assert result["source_majority"]["unseen_sources"] == ["new"]
    assert result["source_majority"]["model_minus_baseline"]["value"] == pytest.approx(-0.25)
