"""Mean recall over the classes present, against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score

from cxrlens.audit.recall import CHANCE, recall_of, skill
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS, Bootstrap
from cxrlens.labels import CLASSES


def table(truth: np.ndarray, said: np.ndarray) -> pd.DataFrame:
    probabilities = np.full((len(truth), 4), 0.1)
    probabilities[np.arange(len(truth)), said] = 0.7
    frame = pd.DataFrame(probabilities, columns=list(PROBABILITY_COLUMNS))
    frame["label"] = [CLASSES[k] for k in truth]
    frame["predicted"] = [CLASSES[k] for k in said]
    frame["source"], frame["patient_id"], frame["duplicate_group"] = "a", "", ""
    return frame


@pytest.mark.parametrize("classes", [(0,), (0, 2), (0, 1, 2, 3)])
def test_it_is_the_mean_recall_of_the_classes_that_are_there(classes: tuple[int, ...]):
    rng = np.random.default_rng(1)
    truth = rng.choice(classes, 200)
    said = np.where(rng.random(200) < 0.6, truth, rng.integers(4, size=200))
    found = recall_of(table(truth, said), Bootstrap(300))
    labels = sorted(set(truth))
    assert found.mean.value == pytest.approx(recall_score(truth, said, labels=labels, average="macro"))
    assert list(found.by_class) == [CLASSES[k] for k in labels]
    assert found.mean.low < found.mean.value < found.mean.high


def test_blind_guessing_is_at_chance():
    rng = np.random.default_rng(2)
    truth = rng.integers(4, size=2000)
    found = recall_of(table(truth, rng.integers(4, size=2000)), Bootstrap(300))
    assert found.mean.low < CHANCE < found.mean.high


def test_no_images_are_no_figure():
    empty = table(np.array([], dtype=int), np.array([], dtype=int))
    assert recall_of(empty, Bootstrap(100)).mean.value is None


def test_skill_is_the_share_of_the_advantage_over_chance():
    assert skill(0.25, 0.85) == pytest.approx(0)
    assert skill(0.55, 0.85) == pytest.approx(0.5)
    assert skill(0.85, 0.85) == pytest.approx(1)
    assert skill(0.5, 0.27) is None
