"""What the flag rests on without torch: likeness, places, imputation, and the words, each held to its reference."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from cxrlens.doubts import HEADLINE, SHORT, Doubts, reasons_of
from cxrlens.doubts.imputing import impute
from cxrlens.doubts.likeness import centre_prior, like_a_blob, spearman
from cxrlens.doubts.noise import torch_normal
from cxrlens.doubts.places import hottest
from cxrlens.explanation.scorecard import imputation

RNG = np.random.default_rng(0)


def blurred(n: int, side: int) -> np.ndarray:
    """Smooth maps in [0, 1], a third of each without heat."""
    import cv2

    maps = np.stack([cv2.GaussianBlur(RNG.normal(size=(side, side)), (0, 0), side / 10) for _ in range(n)])
    maps = np.maximum(maps - np.quantile(maps, 0.33, axis=(1, 2), keepdims=True), 0)
    return (maps / maps.max(axis=(1, 2), keepdims=True)).astype(np.float32)


def test_spearman_is_scipys_ties_included():
    a, b = blurred(2, 40)
    assert spearman(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert spearman(a, np.zeros_like(a)) == 0
    assert like_a_blob(a) == pytest.approx(spearmanr(a.ravel(), centre_prior((40, 40)).ravel()).statistic)
    assert like_a_blob(centre_prior((40, 40))) == pytest.approx(1)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.8])
def test_the_hottest_are_those_of_a_full_order_also_among_ties(share: float):
    maps = np.concatenate([blurred(2, 32), np.zeros((1, 32, 32), np.float32), np.round(blurred(2, 32), 1)])
    chance = np.random.default_rng(7).random(32 * 32)
    for heat, chosen in zip(maps, hottest(maps, share, seed=7), strict=True):
        order = np.lexsort((chance, -heat.ravel()))
        assert set(np.flatnonzero(chosen)) == set(order[: round(share * 32 * 32)])


@pytest.mark.parametrize("side", [16, 50, 61, 96])
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_imputation_is_the_scorecards_within_rounding(side: int, share: float, monkeypatch: pytest.MonkeyPatch):
    """Odd sides included, whose coarser grids do not lie evenly over the finer ones."""
    frames, gone = blurred(3, side), hottest(blurred(3, side), share)
    gone[2, : side // 2] = True
    noise = RNG.normal(size=(side, side)).astype(np.float32)
    monkeypatch.setattr(torch, "randn", lambda *_, **__: torch.from_numpy(noise).expand(3, 1, side, side))
    pair = [torch.from_numpy(each)[:, None] for each in (frames, gone)]
    expected = imputation.impute(*pair, torch.Generator())[:, 0].numpy()
    found = impute(frames, gone, noise)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(found[~gone], frames[~gone])
    assert found.dtype == np.float32


@pytest.mark.parametrize("side", [4, 33, 50, 64])
def test_noise_is_torchs(side: int):
    """A torch that draws others would part the flags of explain and of serving."""
    for seed in (0, 7):
        expected = torch.randn((1, 1, side, side), generator=torch.Generator().manual_seed(seed))[0, 0]
        np.testing.assert_allclose(torch_normal(side, seed), expected.numpy(), atol=1e-5)


def test_what_was_not_measured_is_no_reason():
    assert reasons_of({}, heat=True) == {}
    assert list(reasons_of({}, heat=False)) == ["no evidence"]
    weak = {"untrained_network": 0.9, "centre": 0.9, "drop": 0.0, "drop_elsewhere": 0.1, "in_lungs": 0.1}
    weak |= {"lungs_area": 0.3, "probability": 0.2}
    reasons = reasons_of(weak, heat=True)
    assert [*reasons, "no evidence"] == [*sorted(reasons, key=list(SHORT).index), "no evidence"]
    assert {*reasons, "no evidence"} == set(SHORT)
    for name in ("untrained_network", "centre", "probability"):
        left = reasons_of({key: value for key, value in weak.items() if key != name}, heat=True)
        assert len(left) == len(reasons) - 1


def test_the_flag_in_words():
    doubts = Doubts(reasons_of({"probability": 0.31}, heat=True), {"probability": 0.31}, ("the lungs: gone",))
    assert doubts.flagged
    assert doubts.sentence == f"{HEADLINE}: before any calibration, the network gives this class 31%."
    assert doubts.unchecked_sentence == "Not checked: the lungs: gone."
    assert (Doubts().flagged, Doubts().sentence, Doubts().unchecked_sentence) == (False, "", "")


def test_none_of_it_needs_torch():
    names = ("places", "likeness", "imputing", "noise", "reasons")
    code = f"import sys\n{''.join(f'import cxrlens.doubts.{name}; ' for name in names)}\n"
    code += "assert not {'torch', 'scipy'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
