"""Standard normal numbers, the very ones that torch draws on a CPU, without torch.

``explain`` imputes with torch's noise. Other noise of the same size moves a drop of the probability by a few hundredths
(up to 0.04 on phantoms), and one map would be flagged here and not there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LANES = 8  # torch pairs the first eight of sixteen uniform numbers with the last eight


def torch_normal(side: int, seed: int = 0) -> NDArray[np.float32]:
    """(side, side) as ``torch.randn`` gives it with a generator of this seed, within rounding; ``side`` is 4 or more.

    A Mersenne twister (Matsumoto and Nishimura 1998), 24 bits a number, and Box and Muller's transform (1958).
    """
    stream = np.random.RandomState(seed)  # its stream is frozen, and a twister's as torch's is
    count = side * side
    drawn = _uniform(stream, count)
    whole = count - count % (2 * _LANES)
    drawn[:whole] = _box_muller(drawn[:whole])
    if whole < count:
        drawn[-2 * _LANES :] = _box_muller(_uniform(stream, 2 * _LANES))
    return drawn.reshape(side, side)


def _uniform(stream: np.random.RandomState, count: int) -> NDArray[np.float32]:
    bits = stream.randint(0, 1 << 32, count, dtype=np.uint32) & np.uint32((1 << 24) - 1)
    return np.asarray(bits.astype(np.float32) / np.float32(1 << 24), dtype=np.float32)


def _box_muller(uniform: NDArray[np.float32]) -> NDArray[np.float32]:
    first, second = np.moveaxis(uniform.reshape(-1, 2, _LANES), 1, 0)
    radius, angle = np.sqrt(-2 * np.log(1 - first)), np.float32(2 * np.pi) * second
    pair = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return np.asarray(pair.ravel(), dtype=np.float32)
