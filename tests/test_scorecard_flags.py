"""The flag "do not read this one": each reason where it is planted, and none where nothing speaks against a map."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrlens.borders import Box
from cxrlens.doubts import SHORT, Limits, reasons_of
from cxrlens.explanation import METHODS
from cxrlens.explanation.methods import Method
from cxrlens.explanation.scorecard.doubts import Case, Doubter
from cxrlens.explanation.scorecard.maps import Explainer
from cxrlens.explanation.scorecard.rivals import centre

SIDE = 64
SOUND = {
    "untrained_network": 0.1,
    "centre": 0.2,
    "drop": 0.3,
    "drop_elsewhere": 0.05,
    "probability": 0.9,
    "in_lungs": 0.7,
    "lungs_area": 0.4,
}


class Corner(nn.Module):
    """Class 0 where the upper left is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        bright = self.conv(x)[:, 0, 8:24, 8:24].mean(dim=(1, 2)) * 0 + x[:, 0, 8:24, 8:24].mean(dim=(1, 2))
        return torch.stack([20 * (bright - 0.5), 20 * (0.5 - bright)], dim=1)


def test_a_sound_map_has_no_reason_against_it():
    assert reasons_of(SOUND, heat=True) == {}


@pytest.mark.parametrize(
    ("key", "alter"),
    [
        ("random network", {"untrained_network": 0.85}),
        ("centre", {"centre": 0.9}),
        ("no effect", {"drop": 0.04}),
        ("no effect", {"drop": -0.1, "drop_elsewhere": -0.2}),
        ("outside the lungs", {"in_lungs": 0.3}),
        ("unsure", {"probability": 0.45}),
    ],
)
def test_each_planted_weakness_is_the_one_reason(key: str, alter: dict[str, float]):
    assert list(reasons_of({**SOUND, **alter}, heat=True)) == [key]
    assert key in SHORT


def test_without_heat_there_is_one_reason_and_no_other():
    assert list(reasons_of({**SOUND, "probability": 0.1}, heat=False)) == ["no evidence"]


def test_unknown_lungs_are_no_reason():
    known = {k: v for k, v in SOUND.items() if k not in ("in_lungs", "lungs_area")}
    assert reasons_of(known, heat=True) == {}


@pytest.fixture
def fixed_map(monkeypatch: pytest.MonkeyPatch):
    """A method that draws a given map whatever the network: for a network without weights that matter."""

    def use(heat: np.ndarray) -> str:
        monkeypatch.setitem(METHODS, "fixed", Method("Fixed", "", "", False, lambda *_: [heat]))
        return "fixed"

    return use


def case_of(heat: np.ndarray, lungs: np.ndarray | None = None, bright: float = 0.9) -> Case:
    frames = np.full((1, SIDE, SIDE), 50, dtype=np.uint8)
    frames[:, 8:24, 8:24] = round(255 * bright)
    film = Box(0, 0, SIDE, SIDE)
    return Case(frames, [film], [lungs], np.array([0]), heat[None].astype(np.float32))


def test_hiding_the_place_that_matters_is_told_from_hiding_another(fixed_map):
    right, wrong = np.zeros((SIDE, SIDE), dtype=np.float32), np.zeros((SIDE, SIDE), dtype=np.float32)
    right[8:24, 8:24], wrong[44:60, 44:60] = 1.0, 1.0
    told, missed = (
        Doubter(Explainer(Corner(), fixed_map(wrong), "conv"), SIDE)(case_of(heat))[0] for heat in (right, wrong)
    )
    assert told.measures["drop"] > 0.3
    assert "no effect" not in told.reasons
    assert "no effect" in missed.reasons
    assert "the lungs" in told.unchecked[0]


def test_a_map_that_an_untrained_network_draws_too_is_flagged(fixed_map):
    heat = np.zeros((SIDE, SIDE), dtype=np.float32)
    heat[8:24, 8:24] = 1.0
    (doubts,) = Doubter(Explainer(Corner(), fixed_map(heat), "conv"), SIDE)(case_of(heat))
    assert doubts.measures["untrained_network"] == pytest.approx(1.0)
    assert doubts.flagged
    assert "random weights" in doubts.sentence
    assert doubts.sentence.startswith("Do not read this map: ")


def test_a_blob_in_the_middle_is_flagged_as_one(fixed_map):
    (doubts,) = Doubter(Explainer(Corner(), fixed_map(np.eye(SIDE, dtype=np.float32)), "conv"), SIDE)(
        case_of(centre(1, SIDE)[0])
    )
    assert "centre" in doubts.reasons


def test_heat_outside_the_lungs_is_flagged_where_they_are_known(fixed_map):
    heat, lungs = np.zeros((SIDE, SIDE), dtype=np.float32), np.zeros((SIDE, SIDE), dtype=bool)
    heat[8:24, 8:24], lungs[30:60, 10:50] = 1.0, True
    doubter = Doubter(Explainer(Corner(), fixed_map(heat[::-1].copy()), "conv"), SIDE)
    (outside,), (inside,) = doubter(case_of(heat, lungs)), doubter(case_of(heat, ~lungs))
    assert "outside the lungs" in outside.reasons
    assert "outside the lungs" not in inside.reasons
    assert outside.unchecked == ()


def test_limits_move_the_flag(fixed_map):
    heat = np.zeros((SIDE, SIDE), dtype=np.float32)
    heat[8:24, 8:24] = 1.0
    explainer = Explainer(Corner(), fixed_map(heat[::-1].copy()), "conv")
    strict = Doubter(explainer, SIDE, Limits(sure=1.0))(case_of(heat))[0]
    assert "unsure" in strict.reasons
    assert "unsure" not in Doubter(explainer, SIDE)(case_of(heat))[0].reasons
