"""Tone: bring films of different exposure and windowing to one range of grey."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import erf, sqrt
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

_LOW, _HIGH = 0.5, 99.5  # percent; spares the tone curve from burnt-in letters and dead pixels
_FLAT = 2 / 255  # less contrast than this is noise: stretching it would invent a picture
_BELL = 0.22  # standard deviation of the reference histogram, a bell about mid-grey cut off at black and white
_NEIGHBOURHOOD = 1 / 16  # of the longer side: standard deviation of the window of local contrast
_SPREAD = 3.0  # local standard deviations from mid-grey to black or white


def keep(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The tone as it was read."""
    return grey


def stretch(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear: the 0.5th percentile becomes 0 and the 99.5th 1; beyond is clipped. Flat images stay as they are."""
    low, high = (float(v) for v in np.percentile(grey, (_LOW, _HIGH)))
    if high - low < _FLAT:
        return grey
    stretched: NDArray[np.float32] = np.clip((grey - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return stretched


def clahe(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """``stretch``, then contrast-limited adaptive equalisation (Zuiderveld 1994): 8 × 8 tiles, clip limit 2."""
    eight_bit = np.round(stretch(grey) * 255).astype(np.uint8)
    equalised: NDArray[np.uint8] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(eight_bit)
    return equalised.astype(np.float32) / np.float32(255)


def equalise(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """By rank to one reference histogram, a smooth bell: what any monotone tone curve did to the film is undone.

    Histogram standardisation as of Nyúl & Udupa (1999), with every rank a landmark. The darkest and the brightest grey
    stay black and white, however many pixels have them (air, padding, clipping), and take no rank from the others.
    Equal greys share their mean rank. Flat images stay as they are.
    """
    darkest, brightest = float(grey.min()), float(grey.max())
    if brightest - darkest < _FLAT:
        return grey
    between = (grey > darkest) & (grey < brightest)
    out: NDArray[np.float32] = (grey >= brightest).astype(np.float32)
    if between.any():
        out[between] = _by_rank(grey[between])
    return out


def _by_rank(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) the grey of each value's rank; equal ones share their mean rank. np.unique would import masked arrays."""
    order = np.argsort(values)
    ordered = values[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) + 1
    counts = np.diff(ends, prepend=0)
    greys = np.interp((ends - 0.5 * counts) / values.size, *_bell())  # in order: many times faster than at random
    out = np.empty(values.size)
    out[order] = np.repeat(greys, counts)
    return out


@cache
def _bell() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantile function of the reference histogram at equal steps of grey: share below (N,), grey (N,) in [0, 1].

    Linear between 4,097 knots: within 1e-7 of the exact one, and without SciPy, whose import takes half a second.
    """
    greys = np.linspace(0.0, 1.0, 4097)
    below = np.array([0.5 * (1.0 + erf(z)) for z in ((greys - 0.5) / (_BELL * sqrt(2.0))).tolist()])
    return (below - below[0]) / (below[-1] - below[0]), greys


def local(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """``stretch``, then local contrast normalisation (Jarrett et al., ICCV 2009): one local mean and deviation for all.

    The local mean becomes mid-grey, ±3 local deviations black and white. The window is a Gaussian of a sixteenth of the
    longer side; deviations below a quarter of the whole image's are not blown up further, so that air stays calm.
    """
    stretched = stretch(grey)
    if float(stretched.max() - stretched.min()) < _FLAT:
        return grey
    sigma = max(1.0, max(grey.shape) * _NEIGHBOURHOOD)
    departure = stretched - _blurred(stretched, sigma)
    deviation = np.sqrt(_blurred(departure * departure, sigma))
    floor = 0.25 * float(np.sqrt(np.mean(departure * departure))) + 1e-6
    levelled = 0.5 + departure / (2 * _SPREAD * np.maximum(deviation, np.float32(floor)))
    clipped: NDArray[np.float32] = np.clip(levelled, 0.0, 1.0).astype(np.float32)
    return clipped


def _blurred(grey: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = cv2.GaussianBlur(grey, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    return blurred


TONES: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = MappingProxyType(
    {"stretch": stretch, "none": keep, "clahe": clahe, "equalise": equalise, "local": local}
)
"""Tone operations by name: (h, w) float32 in [0, 1] to the same."""
