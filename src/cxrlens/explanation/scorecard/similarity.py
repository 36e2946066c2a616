"""How alike two heat-maps are: rank correlation and structural similarity."""

from __future__ import annotations

import numpy as np
import torch
from kornia.metrics import ssim
from numpy.typing import NDArray

from cxrlens.doubts.likeness import spearman
from cxrlens.doubts.places import Maps

_WINDOW = 11  # of the structural similarity, as in the paper


def rank_correlation(a: Maps, b: Maps, valid: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Spearman's rank correlation of each pair of maps over their pixels, (n,) in [-1, 1].

    A map that is the same everywhere (no heat at all) tells no order: it counts as unlike any other, 0.

    Args:
        a: n maps.
        b: n maps.
        valid: (S, S) true where both are known; everywhere where ``None``.
    """
    inside = np.ones(a.shape[1:], dtype=bool) if valid is None else valid
    return np.array([spearman(x[inside], y[inside]) for x, y in zip(a, b, strict=True)], dtype=np.float64)


def structural_similarity(a: Maps, b: Maps) -> NDArray[np.float64]:
    """Mean SSIM of each pair of maps (Wang et al., IEEE Trans. Image Processing 2004), (n,) up to 1."""
    if not len(a):
        return np.zeros(0)
    pair = [torch.from_numpy(np.ascontiguousarray(m, dtype=np.float32))[:, None] for m in (a, b)]
    return np.asarray(ssim(pair[0], pair[1], _WINDOW, 1.0).mean(dim=(1, 2, 3)).double().numpy(), dtype=np.float64)
