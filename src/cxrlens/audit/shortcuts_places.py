"""Shortcuts by place: which small place of the film, outside the lungs, tells the class? No network is trained.

A small network needs many images to find a small thing, a statistic of the place does not: with 320 images the networks
of :mod:`cxrlens.audit.shortcuts` missed a marker that 96 % of a class had. Statistics find only what they describe, so
both are asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.audit.case import FEWEST, Case
from cxrlens.audit.lungs_of_dataset import LungMasks, lungs_of_dataset
from cxrlens.audit.places import STATISTICS, describe
from cxrlens.audit.places_figure import Panel, draw_places, example_of, mean_film
from cxrlens.audit.places_search import ALONE, FOLDS, Images, images_of, search
from cxrlens.audit.places_verdicts import Told, everywhere, gravest, gravity, place_verdicts, within
from cxrlens.audit.verdict import Drawing, PartResult
from cxrlens.batches import PackedPixels
from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.labels import CLASSES

PICTURE = "shortcuts_places.png"


def by_place(case: Case, packed: PackedPixels, lungs: LungMasks | None = None) -> PartResult:
    """Search all kept images of the split, over all of them and among those of one source.

    Args:
        case: whose images; its run needs no model.
        packed: their pixels, at the size at which small things are looked for.
        lungs: of those pixels; found now where not given.

    Returns:
        Verdicts, figures and a picture; one verdict "cannot be answered" where images or places are too few.
    """
    there = case.rows["path"].isin(packed.paths).to_numpy()
    rows, units = case.rows[there].reset_index(drop=True), case.units[there]
    if len(np.unique(units)) < 2 * FOLDS:
        return _without(
            f"the images are of {len(np.unique(units))} patients, too few to choose a place on some of them"
        )
    masks = lungs_of_dataset(case, packed) if lungs is None else lungs
    at = packed.rows(list(rows["path"]))
    images = images_of(rows, describe(packed.pixels, masks.masks, at, case.progress), units, case.options.seed)
    labels = images.asked()
    if not labels:
        return _without(f"no class has {FEWEST} images, with {FEWEST} of other classes beside them")
    if not len(images.places):
        return _without("no place lies outside the lungs in most images")
    figures: dict[str, Any] = {
        "n": len(rows),
        "size": packed.preprocessing.size,
        "places": len(images.places),
        "turns": FOLDS,
        "too_few": [c for c in CLASSES if c not in labels and (rows["label"] == c).any()],
        "overall": search(images, labels, case.bootstrap),
        "within_source": search(images, labels, case.bootstrap, within=True),
        "by_source": _by_source(images, case.bootstrap),
        "cells": images.places.cells.tolist(),
    }
    return PartResult(tuple(place_verdicts(figures)), figures, (_drawn(case, packed, at, images, figures),))


def _by_source(images: Images, bootstrap: Bootstrap) -> dict[str, Any]:
    """Each source searched by itself, where it holds two classes with images enough."""
    found = {}
    for source in np.unique(images.sources):
        own = images.of(images.sources == source)
        labels = own.asked(ALONE)
        if labels:
            found[str(source)] = search(own, labels, bootstrap)
    return found


def _drawn(case: Case, packed: PackedPixels, at: NDArray[np.int64], images: Images, figures: dict[str, Any]) -> Drawing:
    rows = []
    for found in (everywhere(figures), within(figures)):
        best = {c: gravest([t for t in found if t.label == c]) for c in CLASSES if any(t.label == c for t in found)}
        rows.append({label: _panel(packed, at, images, told) for label, told in best.items()})
    mean = mean_film(packed.pixels, at.tolist(), images.places.films)
    figure = draw_places(figures, mean, [row for row in rows if row])
    style.save(figure, case.folder / PICTURE, synthetic=case.dataset.synthetic)
    caption = (
        "How well each small place outside the lungs tells a class from the rest (AUROC of the best of "
        f"{len(STATISTICS)} statistics of its small detail, on patients that had no part in choosing), the place that "
        "does best, and an image of the class that shows it clearly; over all images, and where it is told best among "
        f"images of one source. One bright spot is a mark; a bright map is a look. {len(at):,} images."
    )
    return Drawing(PICTURE, caption)


def _panel(packed: PackedPixels, at: NDArray[np.int64], images: Images, told: Told) -> Panel:
    """With an image of the class, of the source if one is named, where the class is told."""
    if gravity(told.entry) == "pass":
        return Panel(told)
    place = int(np.flatnonzero((images.places.cells == (told.entry["row"], told.entry["column"])).all(axis=1))[0])
    values = images.places.values[:, place, STATISTICS.index(told.entry["statistic"])]
    mine = (images.labels == told.label) & ((images.sources == told.source) | (not told.source))
    row = example_of(np.where(mine, values, np.nan), told.entry["more"])
    return Panel(told, np.asarray(packed.pixels[at[row]]), images.places.films[row])


def _without(because: str) -> PartResult:
    figures = {"reason": because}
    return PartResult(tuple(place_verdicts(figures)), figures)
