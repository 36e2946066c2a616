"""Alterations: each leaves exactly what its title says."""

import cv2
import numpy as np
import pytest

from cxrlens.audit.alterations import ALTERATIONS, BORDER, PATCHES

SIDE = 64


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 200, (5, SIDE, SIDE)).astype(np.uint8)


@pytest.fixture
def masks() -> np.ndarray:
    found = np.zeros((5, SIDE, SIDE), dtype=bool)
    found[:, 16:48, 10:28] = found[:, 16:48, 36:54] = True
    return found


SEEDS = np.arange(5, dtype=np.int64)


@pytest.mark.parametrize("name", ALTERATIONS)
def test_the_input_is_not_written_to_and_the_shape_stays(name: str, frames: np.ndarray, masks: np.ndarray):
    before = frames.copy()
    out = ALTERATIONS[name](frames, masks, SEEDS)
    assert np.array_equal(frames, before)
    assert out.shape == frames.shape
    assert out.dtype == np.uint8


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_image_is_altered_alike_whatever_stands_beside_it(name: str, frames: np.ndarray, masks: np.ndarray):
    together = ALTERATIONS[name](frames, masks, SEEDS)
    alone = ALTERATIONS[name](frames[3:4], masks[3:4], SEEDS[3:4])
    assert np.array_equal(together[3:4], alone)


def test_without_lungs_and_only_lungs_add_up_to_the_image(frames: np.ndarray, masks: np.ndarray):
    out = ALTERATIONS["lungs-out"](frames, masks, SEEDS)
    only = ALTERATIONS["only-lungs"](frames, masks, SEEDS)
    assert not out[masks].any()
    assert not only[~masks].any()
    assert np.array_equal(out + only, frames)


def test_the_border_network_sees_nothing_of_the_middle(frames: np.ndarray):
    width = round(SIDE * BORDER)
    out = ALTERATIONS["border-only"](frames, None, SEEDS)
    assert not out[:, width:-width, width:-width].any()
    assert np.array_equal(out[:, :width], frames[:, :width])
    assert np.array_equal(out[:, :, -width:], frames[:, :, -width:])


def test_the_thumbnail_is_made_of_blocks_with_the_means_of_the_image(frames: np.ndarray):
    out = ALTERATIONS["thumbnail"](frames, None, SEEDS)
    block = SIDE // PATCHES
    cut = out.reshape(5, PATCHES, block, PATCHES, block)
    assert (cut == cut[:, :, :1, :, :1]).all()
    means = frames.reshape(5, PATCHES, block, PATCHES, block).mean((2, 4))
    assert np.abs(cut[:, :, 0, :, 0] - means).max() <= 1


def test_shuffling_keeps_every_pixel_and_moves_most(frames: np.ndarray):
    out = ALTERATIONS["shuffled"](frames, None, SEEDS)
    for a, b in zip(out, frames, strict=True):
        assert np.array_equal(np.sort(a, axis=None), np.sort(b, axis=None))
        assert (a != b).mean() > 0.5


def test_a_bright_letter_outside_the_lungs_goes_and_the_rest_stays(masks: np.ndarray):
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    smooth = (90 + 60 * np.sin(3 * x) * np.cos(2 * y)).astype(np.uint8)
    marked = smooth.copy()
    cv2.putText(marked, "L", (2, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.35, 255, 1)
    out = ALTERATIONS["markers-out"](np.stack([marked, smooth]), masks[:2], SEEDS[:2])
    assert np.array_equal(out[1], smooth)
    assert np.abs(out[0].astype(int) - smooth).max() < np.abs(marked.astype(int) - smooth).max() / 3
    assert np.array_equal(out[0][20:], smooth[20:])


def test_what_needs_lungs_says_so(frames: np.ndarray):
    with pytest.raises(ValueError, match="needs lung masks"):
        ALTERATIONS["lungs-out"](frames, None, SEEDS)
