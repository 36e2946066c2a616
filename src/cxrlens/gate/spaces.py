"""Features of pictures as values, and what the examiner asks of whoever computes them: nothing here needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cxrlens.preprocessing import Preprocessing

Floats = NDArray[np.float64]

SPACES: tuple[str, ...] = ("penultimate", "deep")
"""Names of the two feature spaces."""


@dataclass(frozen=True, slots=True)
class Features:
    """Of n pictures.

    Args:
        logits: (n, K), of the classes.
        spaces: ``penultimate``: (n, D), what the last dense layer sees; ``deep``: (n, C), means over place of the
            deepest convolutional block.
    """

    logits: Floats
    spaces: dict[str, Floats]

    @property
    def doubt(self) -> Floats:
        """(n,) one minus the largest softmax probability (Hendrycks and Gimpel, ICLR 2017): the baseline."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(1.0 - shifted.max(axis=1) / shifted.sum(axis=1), dtype=np.float64)


class ReadsFeatures(Protocol):
    """The trained network, in torch or exported: preprocessed pixels (n, S, S) uint8 to :class:`Features`."""

    @property
    def preprocessing(self) -> Preprocessing:
        """What pixels go through before."""
        ...

    @property
    def size(self) -> int:
        """Side of the input in pixels, S."""
        ...

    @property
    def hash(self) -> str:
        """SHA-256 of the trained weights."""
        ...

    def __call__(self, pixels: NDArray[np.uint8]) -> Features:
        """Features of n pictures, n at least 1."""
        ...


class ReadsFilms(Protocol):
    """The gate's own network, in torch or exported."""

    def read(self, films: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """(n, 64, 64) uint8 to probabilities of the views (n, 16), and the logit of being a chest film (n,)."""
        ...
