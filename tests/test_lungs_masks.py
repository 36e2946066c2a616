"""Masks of lungs: what is plausible, and what a margin does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrlens.lungs import dilate, lungs_found
from cxrlens.lungs.frames import tidy
from cxrlens.lungs.margin import hulls
from cxrlens.lungs.plausible import two_sides

S = 96
Y, X = np.mgrid[:S, :S]


def ellipse(cx: float, cy: float, rx: float, ry: float) -> np.ndarray:
    return ((X - cx) / rx) ** 2 + ((Y - cy) / ry) ** 2 <= 1


LUNGS = ellipse(28, 48, 13, 30) | ellipse(68, 48, 13, 28)


def test_two_lungs_side_by_side_are_plausible():
    assert lungs_found(LUNGS).ok
    assert lungs_found(LUNGS).reason == ""


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((S, S), bool), "less than"),
        (np.ones((S, S), bool), "more than"),
        (ellipse(28, 48, 13, 30), "smaller lung"),
        (ellipse(28, 48, 20, 30) | ellipse(80, 48, 5, 5), "smaller lung"),
        (LUNGS.T, "above the other"),
        (ellipse(26, 30, 13, 17) | ellipse(68, 68, 13, 17), "side by side"),
        (ellipse(24, 48, 20, 15) | ellipse(72, 48, 20, 15), "times as high as wide"),
        (ellipse(24, 48, 6, 40) | ellipse(72, 48, 6, 40), "times as high as wide"),
        (LUNGS & ~ellipse(15, 48, 14, 20), "convex hull"),
    ],
    ids=["nothing", "everything", "one lung", "one and a speck", "turned", "slanting", "flat", "thin", "hollowed"],
)
def test_what_is_no_pair_of_lungs_is_refused_with_the_reason(mask, says):
    found = lungs_found(mask)
    assert not found.ok
    assert says in found.reason


def test_lungs_that_touch_are_told_apart():
    touching = LUNGS | ((np.abs(Y - 30) < 3) & (X > 25) & (X < 70))
    left, right = two_sides(touching)
    assert lungs_found(touching).ok
    assert not (left & right).any()
    assert ((left | right) == touching).all()
    assert 0.7 < left.sum() / right.sum() < 1.5


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.1), st.floats(0, 0.1), st.booleans())
@settings(max_examples=30, deadline=None)
def test_a_wider_margin_holds_a_narrower_one_and_the_lungs(seed, one, other, hull):
    rng = np.random.default_rng(seed)
    masks = np.stack(
        [ellipse(*rng.uniform(10, 80, 2), *rng.uniform(3, 25, 2)) for _ in range(3)] + [np.zeros_like(LUNGS)]
    )
    narrow, wide = (dilate(masks, share, hull=hull) for share in sorted((one, other)))
    assert (masks <= narrow).all()
    assert (narrow <= wide).all()
    assert not wide[-1].any(), "no lungs, no margin"


def test_the_margin_is_as_wide_as_asked():
    wide = dilate(LUNGS[None], 0.05, hull=False)[0]
    assert wide.any(axis=0).nonzero()[0][0] == LUNGS.any(axis=0).nonzero()[0][0] - round(0.05 * S)


def test_the_hull_fills_the_notch_of_the_heart_and_nothing_between_the_lungs():
    notched = LUNGS & ~ellipse(56, 60, 8, 10)
    assert hulls(notched)[60, 60]
    assert not hulls(notched)[48, 46]


def test_margins_of_what_is_no_mask_are_refused():
    with pytest.raises(ValueError, match="bool"):
        dilate(LUNGS[None].astype(np.uint8))
    with pytest.raises(ValueError, match="cut the lungs"):
        dilate(LUNGS[None], -0.01)


def test_tidy_drops_specks_and_fills_holes():
    rough = LUNGS.copy()
    rough[46:50, 26:30] = False
    rough |= ellipse(80, 90, 4, 4)  # gas in the bowel
    assert (tidy(rough[None])[0] == LUNGS).all()
