"""Alterations: what a network may still see of each frame, to learn what it does without the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""(n, S, S) uint8 preprocessed frames."""

Masks = NDArray[np.bool_]
"""(n, S, S), true in the lungs, dilated."""

BORDER = 1 / 8
"""Width of the frame that the border-only network sees, as a share of the side."""

PATCHES = 8
"""Patches a side of the shuffled image, and pixels a side of the thumbnail."""


@dataclass(frozen=True, slots=True)
class Alteration:
    """A change of every frame.

    Args:
        title: what is left to see, in a few words.
        needs_lungs: whether lung masks are asked for.
        change: (frames, masks or ``None``, seeds (n,) int64) to frames of the same shape.
    """

    title: str
    needs_lungs: bool
    change: Callable[[Frames, Masks | None, NDArray[np.int64]], Frames]

    def __call__(self, frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
        """Altered copy; ``seeds`` make what is random the same for an image every time.

        Raises:
            ValueError: lung masks are needed and not given.
        """
        if self.needs_lungs and masks is None:
            raise ValueError(f"'{self.title}' needs lung masks")
        return self.change(frames, masks, seeds)


def _keep(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    del masks, seeds
    return frames


def _without_lungs(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    del seeds
    assert masks is not None
    return np.where(masks, np.uint8(0), frames)


def _only_lungs(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    del seeds
    assert masks is not None
    return np.where(masks, frames, np.uint8(0))


def _only_border(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    del masks, seeds
    width = max(1, round(frames.shape[1] * BORDER))
    out = frames.copy()
    out[:, width:-width, width:-width] = 0
    return out


def _thumbnail(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    """Area means on an 8 × 8 grid, shown as blocks: no structure of a lung is left."""
    del masks, seeds
    side = frames.shape[1]
    out = np.empty_like(frames)
    for i, frame in enumerate(frames):
        small = cv2.resize(frame, (PATCHES, PATCHES), interpolation=cv2.INTER_AREA)
        out[i] = cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST)
    return out


def _shuffled(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    """8 × 8 patches in an order of each image's own: texture and tone are left, anatomy is not."""
    del masks
    side = frames.shape[1] // PATCHES
    inner = side * PATCHES
    out = np.zeros_like(frames)
    for i, (frame, seed) in enumerate(zip(frames, seeds.tolist(), strict=True)):
        cut = frame[:inner, :inner].reshape(PATCHES, side, PATCHES, side).transpose(0, 2, 1, 3)
        order = np.random.default_rng(seed).permutation(PATCHES * PATCHES)
        mixed = cut.reshape(-1, side, side)[order].reshape(PATCHES, PATCHES, side, side)
        out[i, :inner, :inner] = mixed.transpose(0, 2, 1, 3).reshape(inner, inner)
    return out


def _without_border(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    del masks, seeds
    width = max(1, round(frames.shape[1] * BORDER / 2))
    out = np.zeros_like(frames)
    out[:, width:-width, width:-width] = frames[:, width:-width, width:-width]
    return out


def _without_markers(frames: Frames, masks: Masks | None, seeds: NDArray[np.int64]) -> Frames:
    """Bright small things outside the lungs are painted over from their surroundings (Telea 2004).

    Letters, dates and lead markers are thinner than any bone's shade: a white top-hat of about a twentieth of the side
    leaves them and takes the rest.
    """
    del seeds
    assert masks is not None
    side = frames.shape[1]
    reach = max(3, round(side / 20)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    out = frames.copy()
    for i, (frame, lungs) in enumerate(zip(frames, masks, strict=True)):
        thin = cv2.morphologyEx(frame, cv2.MORPH_TOPHAT, kernel)
        found = ((thin > 70) & (frame > 150) & ~lungs).astype(np.uint8)
        if found.any():
            found = cv2.dilate(found, np.ones((3, 3), np.uint8))
            out[i] = cv2.inpaint(frame, found, 3, cv2.INPAINT_TELEA)
    return out


ALTERATIONS: Mapping[str, Alteration] = MappingProxyType(
    {
        "none": Alteration("the whole image", False, _keep),
        "lungs-out": Alteration("everything but the lungs (blacked out)", True, _without_lungs),
        "border-only": Alteration("the outer eighth of each side only", False, _only_border),
        "thumbnail": Alteration("an 8 × 8 thumbnail", False, _thumbnail),
        "shuffled": Alteration("64 patches in random order", False, _shuffled),
        "only-lungs": Alteration("the lungs only", True, _only_lungs),
        "border-out": Alteration("the image without its outermost sixteenth", False, _without_border),
        "markers-out": Alteration("the image with letters and markers painted over", True, _without_markers),
    }
)
"""By name; the first is no alteration."""
