"""Rotated, inverted, not a chest: what the collection itself teaches about how its films look.

No weights from elsewhere. Turning, negating and scrambling the collection's own films gives examples of what is wrong;
a ridge regression on 24 × 24 local contrast tells them from the films as they are (learning by predicting rotations:
Gidaris et al. 2018). Each image is judged by a fit that has not seen it. Most films are taken to be right:
where a twentieth and more of a small collection shows something else, it is learnt as a chest too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.curation.flags.flag import Flag
from cxrlens.curation.view import View

ROTATED = Flag("rotated", "seems to lie on its side or upside down", flag_at=0.15, exclude_at=0.50)
INVERTED = Flag("inverted", "seems to show air white and bone black", flag_at=0.15, exclude_at=0.50)
NOT_A_CHEST = Flag(
    "not-a-chest", "looks like no frontal chest film: another view or body part, or badly framed", flag_at=0.60
)

SIDE = 24
LEAST = 40
"""Fewer films than this teach nothing reliable, and the three flags are not given."""

_FOLDS = 3
_MOST = 1000  # films one fit learns from: more do not help, and the work stays linear in the collection
_RIDGE = 0.3  # of the mean variance; small collections need as much, large ones do not mind
_TILES = (2, 3, 4, 6)  # scrambled films: tiles a side

Films = NDArray[np.float32]  # (n, SIDE, SIDE)


@dataclass(frozen=True, slots=True)
class Typicality:
    """Scores (n,) in [0, 1] of the three flags, and how many quarter turns would set each film upright."""

    rotated: NDArray[np.float64]
    inverted: NDArray[np.float64]
    not_a_chest: NDArray[np.float64]
    quarter_turns: NDArray[np.int64]


def local_contrast(view: View) -> NDArray[np.float32]:
    """(SIDE, SIDE) float32 of norm 1, 0 for a blank film: a square, each place against its surroundings."""
    small = cv2.resize(view.film, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    centred = small - cv2.GaussianBlur(small, (0, 0), SIDE / 6)
    spread = np.sqrt(cv2.GaussianBlur(centred * centred, (0, 0), SIDE / 6)) + 0.02
    contrast = centred / spread
    norm = float(np.linalg.norm(contrast))
    return np.asarray(contrast / norm if norm > 0.01 else contrast * 0, dtype=np.float32)


def judge(films: Films) -> Typicality | None:
    """Judge each of ``films`` (n, SIDE, SIDE) against the others; none where there are fewer than :data:`LEAST`."""
    count = len(films)
    shows = np.linalg.norm(films.reshape(count, -1), axis=1) > 0.5
    if int(shows.sum()) < LEAST:
        return None
    fold = np.arange(count) * 7919 % _FOLDS  # neighbours in a folder are alike: deal them out
    evidence = np.zeros((count, 4, 2))
    chest = np.zeros(count)
    trusted = shows
    while True:
        for k in range(_FOLDS):
            learn = np.flatnonzero((fold != k) & trusted)
            if len(learn) < LEAST // 2:
                return None
            learn = learn[np.linspace(0, len(learn) - 1, min(_MOST, len(learn))).astype(np.int64)]
            here = np.flatnonzero(fold == k)
            evidence[here], chest[here] = _judge_fold(films[learn], films[here])
        rotated = (evidence[:, 1:].max(axis=(1, 2)) - evidence[:, 0].max(axis=1)) / 2
        inverted = (evidence[:, :, 1].max(axis=1) - evidence[:, :, 0].max(axis=1)) / 2
        right = shows & (rotated < ROTATED.flag_at) & (inverted < INVERTED.flag_at)
        if trusted is not shows or right.sum() > 0.99 * shows.sum():
            break
        trusted = right  # once more, without those that would teach what is wrong
    scores = [np.where(shows, np.clip(s, 0.0, 1.0), 0.0) for s in (rotated, inverted, (1 - chest) / 2)]
    return Typicality(scores[0], scores[1], scores[2], evidence.max(axis=2).argmax(axis=1).astype(np.int64))


def _judge_fold(learn: Films, films: Films) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How right each film looks after 0..3 quarter turns, as it is and negated (m, 4, 2); its likeness to a chest (m,).

    +1 is right, -1 wrong. The likeness is taken after undoing a turn or an inversion, which have flags of their own.
    """
    altered = [np.rot90(learn, q, axes=(1, 2)) * sign for q in range(4) for sign in (1, -1)]
    right = _Ridge(altered[0], np.concatenate(altered[1:]))
    evidence = np.empty((len(films), 4, 2))
    for q in range(4):
        for side, sign in enumerate((1, -1)):
            evidence[:, q, side] = right(np.rot90(films, q, axes=(1, 2)) * sign)
    flat = evidence.reshape(len(films), 8)
    best = np.where(flat.max(axis=1) - flat[:, 0] >= 2 * ROTATED.flag_at, flat.argmax(axis=1), 0)
    righted = np.stack([np.rot90(film, h // 2) * (-1) ** (h % 2) for film, h in zip(films, best.tolist(), strict=True)])
    chest = _Ridge(learn, np.concatenate([_scramble(learn, tiles) for tiles in _TILES]))
    return evidence, chest(righted)


class _Ridge:
    """Least squares to +1 for ``right`` and -1 for ``wrong``, both sides weighing the same."""

    def __init__(self, right: Films, wrong: Films) -> None:
        a, b = (x.reshape(len(x), -1) for x in (right, wrong))
        mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
        self.centre = (mean_a + mean_b) / 2
        a, b = a - self.centre, b - self.centre
        scatter = a.T @ a / len(a) + b.T @ b / len(b)
        scatter[np.diag_indices_from(scatter)] += _RIDGE * np.trace(scatter) / len(scatter)
        self.weights = np.linalg.solve(scatter, mean_a - mean_b)

    def __call__(self, films: Films) -> NDArray[np.float64]:
        flat = np.ascontiguousarray(films).reshape(len(films), -1)
        scores: NDArray[np.float64] = (flat - self.centre) @ self.weights
        return scores


def _scramble(films: Films, tiles: int) -> Films:
    """The same tiles in another order; deterministic."""
    side = SIDE // tiles
    cut = films.reshape(-1, tiles, side, tiles, side).transpose(0, 1, 3, 2, 4).reshape(-1, tiles * tiles, side, side)
    rng = np.random.default_rng(tiles)
    order = rng.permuted(np.tile(np.arange(tiles * tiles), (len(films), 1)), axis=1)
    mixed = np.take_along_axis(cut, order[:, :, None, None], axis=1)
    joined = mixed.reshape(-1, tiles, tiles, side, side).transpose(0, 1, 3, 2, 4)
    return np.ascontiguousarray(joined).reshape(-1, SIDE, SIDE)
