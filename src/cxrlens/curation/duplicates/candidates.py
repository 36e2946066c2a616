"""Candidates: which pairs are worth registering."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from cxrlens.curation.duplicates.alignment import Stack
from cxrlens.curation.duplicates.descriptor import INNER, Descriptor, View, learn_descriptor, views
from cxrlens.curation.duplicates.geometry import Affine, compose
from cxrlens.curation.duplicates.options import DuplicateOptions
from cxrlens.progress import Progress, quiet

PER_VIEW = 8
"""Neighbours that each view of a picture proposes, itself included."""
INNER_SHARE = 0.4
"""Of the neighbours an image proposes, how many more are proposed without the borders, where all chests are more
alike."""
INNER_MARGIN = 0.08
"""By which their descriptors must be more alike, for the same reason."""
PROBES = 6
"""Cells of the inverted file that a view looks into. On 5,991 real images 5 to 8 find the same pairs, 4 lose 0.4 %."""
GRAPH_FROM = 600
"""Cells from which on they are found by a graph."""
BLOCK = 512
"""Pictures looked up at once: bounds the memory at about 104 views x 512 x 64 floats = 14 MB a thread."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """C pairs to register, each pair of rows once, with the view that made them alike.

    Args:
        fixed: (C,) rows of the pictures that are seen whole.
        moving: (C,) rows of the pictures that are seen in a view.
        view: (C,) index into :func:`views`.
        similarity: (C,) cosine of the descriptors.
    """

    fixed: NDArray[np.int64]
    moving: NDArray[np.int64]
    view: NDArray[np.int64]
    similarity: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.fixed)


def find_candidates(
    contrast: Stack, zoomed: Stack, options: DuplicateOptions, pool: Executor, progress: Progress = quiet
) -> Candidates:
    """The pairs of pictures with like descriptors, at most ``options.neighbours`` proposed by each.

    Up to ``options.exhaustive`` pictures all pairs are candidates. From ``options.inverted_index`` on an inverted file
    (faiss ``IndexIVFFlat``) with about 4 sqrt(N) cells serves, and the work grows with N ** 1.5.

    Args:
        contrast: (N, P) float32, flattened local contrast, none of it flat.
        zoomed: the same with the smaller neighbourhood that a crop's local contrast has.
        options: see :class:`DuplicateOptions`.
        pool: threads to share the work.
        progress: shown over the pictures that look for their like.
    """
    count = len(contrast)
    if count < 2:
        nothing = np.empty(0, np.int64)
        return Candidates(nothing, nothing, nothing, np.empty(0, np.float32))
    descriptor = learn_descriptor(contrast)
    known = views()
    # Every view against whole pictures; then, with the borders left out of both, those that move little.
    parts = _look(descriptor, contrast, zoomed, options, known, range(len(known)), None, pool, progress)
    if count > options.exhaustive:
        inner = [k for k, view in enumerate(known) if view.inner]
        parts += _look(descriptor, contrast, zoomed, options, known, inner, INNER, pool, progress)
    joined = Candidates(
        np.concatenate([part.fixed for part in parts]),
        np.concatenate([part.moving for part in parts]),
        np.concatenate([part.view for part in parts]),
        np.concatenate([part.similarity for part in parts]),
    )
    return _each_pair_once(joined)


def _look(
    descriptor: Descriptor,
    contrast: Stack,
    zoomed: Stack,
    options: DuplicateOptions,
    known: Sequence[View],
    chosen: Sequence[int],
    part: Affine | None,
    pool: Executor,
    progress: Progress,
) -> list[Candidates]:
    """Neighbours of pictures in the chosen views among whole pictures, or among the same part of each."""
    side = math.isqrt(contrast.shape[1])
    indexed = View(known[0].map if part is None else part)
    seen = [View(known[k].map if part is None else compose(known[k].map, part), known[k].sign) for k in chosen]
    operators = [descriptor.operator(view, side) for view in seen]
    vectors = descriptor.describe(contrast, descriptor.operator(indexed, side))
    count = len(contrast)
    everything = count <= options.exhaustive
    nearest = count if everything else min(PER_VIEW, count)
    most = options.neighbours if part is None else math.ceil(options.neighbours * INNER_SHARE)
    index = _index(vectors, options)

    def block(start: int) -> Candidates:
        span = slice(start, start + BLOCK)
        usual, near = contrast[span], zoomed[span]
        asked = np.empty((len(usual), len(seen), vectors.shape[1]), np.float32)
        for place, k in enumerate(chosen):
            asked[:, place] = descriptor.describe(near if known[k].zoomed else usual, operators[place])
        similarity, found = index.search(asked.reshape(-1, asked.shape[2]), nearest)
        rows = np.repeat(np.arange(start, start + len(usual)), len(seen) * nearest)
        view = np.tile(np.repeat(np.asarray(chosen), nearest), len(usual))
        least = -2.0 if everything else options.similarity + (0.0 if part is None else INNER_MARGIN)
        keep = (similarity.ravel() > least) & (found.ravel() >= 0) & (found.ravel() != rows)
        proposed = Candidates(found.ravel()[keep], rows[keep], view[keep], similarity.ravel()[keep])
        return _best_of_each(proposed, count if everything else most)

    starts = range(0, count, BLOCK)
    return list(progress(pool.map(block, starts), len(starts), "looking for duplicates"))


def _index(vectors: NDArray[np.float32], options: DuplicateOptions) -> Any:
    count, dimensions = vectors.shape
    flat = faiss.IndexFlatIP(dimensions)
    if count < options.inverted_index:
        flat.add(vectors)
        return flat
    cells = int(4 * math.sqrt(count))
    # Beyond a few hundred cells even finding the nearest ones is worth a graph (HNSW) instead of a look at each.
    graph = cells >= GRAPH_FROM
    quantizer = faiss.IndexHNSWFlat(dimensions, 16, faiss.METRIC_INNER_PRODUCT) if graph else flat
    index: Any = faiss.IndexIVFFlat(quantizer, dimensions, cells, faiss.METRIC_INNER_PRODUCT)
    if graph:
        index.clustering_index = flat
        index.quantizer_trains_alone = 2
    index.cp.min_points_per_centroid = 1
    index.cp.max_points_per_centroid = 64
    index.cp.niter = 8
    index.train(vectors)
    index.nprobe = PROBES
    index.add(vectors)
    return index


def _best_of_each(part: Candidates, most: int) -> Candidates:
    """Of each moving picture the ``most`` likest partners, each in its likest view."""
    order = np.lexsort((-part.similarity, part.fixed, part.moving))
    moving, fixed = part.moving[order], part.fixed[order]
    first = np.ones(len(order), bool)
    first[1:] = (moving[1:] != moving[:-1]) | (fixed[1:] != fixed[:-1])
    chosen = order[first]
    chosen = chosen[np.lexsort((-part.similarity[chosen], part.moving[chosen]))]
    moving = part.moving[chosen]
    starts = (
        np.flatnonzero(np.concatenate([[True], moving[1:] != moving[:-1]])) if len(moving) else np.empty(0, np.int64)
    )
    rank = np.arange(len(moving)) - np.repeat(starts, np.diff(np.append(starts, len(moving))))
    return _take(part, chosen[rank < most])


def _each_pair_once(found: Candidates) -> Candidates:
    low, high = np.minimum(found.fixed, found.moving), np.maximum(found.fixed, found.moving)
    order = np.lexsort((-found.similarity, high, low))
    first = np.ones(len(order), bool)
    first[1:] = (low[order][1:] != low[order][:-1]) | (high[order][1:] != high[order][:-1])
    return _take(found, order[first])


def _take(found: Candidates, rows: NDArray[np.int64]) -> Candidates:
    return Candidates(found.fixed[rows], found.moving[rows], found.view[rows], found.similarity[rows])
