"""Picture of the places: how well each tells a class, with the best one framed, above an example of the class."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from cxrlens.audit.places import GRID, square
from cxrlens.audit.places_verdicts import Told, gravity, is_look, what
from cxrlens.audit.verdict import spoken
from cxrlens.borders import Box
from cxrlens.evaluation import style

Frames = NDArray[np.uint8]
Entry = Mapping[str, Any]

SHOWN = 200
"""Films behind the mean one at the most."""

_COLOURS = "viridis"
_AMONG = ("among all\nimages", "among images\nof one source")


@dataclass(frozen=True, slots=True)
class Panel:
    """One class in one row of the picture.

    Args:
        told: the class and its best place.
        frame: (S, S) uint8, an image of the class that shows it; none where nothing is told.
        film: where the film lies in it.
    """

    told: Told
    frame: Frames | None = None
    film: Box | None = None


def draw_places(figures: Mapping[str, Any], mean: Frames, panels: Sequence[Mapping[str, Panel]]) -> Figure:
    """A column a class: the map over all images, then within one source, each above an example where one is told.

    Args:
        figures: of the part: ``overall``, ``cells``, ``n``, ``size``.
        mean: (h, w) the mean film, for the eye.
        panels: by class, over all images; then, if there are any, among images of one source.
    """
    labels = list(figures["overall"])
    rows = [(0, False), *((k, e) for k, e in ((0, True), (1, False), (1, True)) if _worth_it(panels, k, e))]
    with style.look():
        figure = style.new_figure(max(6.5, 1.9 + 2.1 * len(labels)), 1.3 + sum(2.2 if e else 2.55 for _, e in rows))
        grid = figure.subplots(len(rows), len(labels), squeeze=False)
        for line, (k, example) in zip(grid, rows, strict=True):
            for axes, label in zip(line, labels, strict=True):
                panel = panels[k].get(label)
                if example:
                    _example(axes, panel)
                else:
                    drawn = _map(axes, panel, np.array(figures["cells"]), mean)
            _side(line[0], "an image\nof the class" if example else _AMONG[k])
        for axes, label in zip(grid[0], labels, strict=True):
            about = {"fontweight": "bold", "color": style.CLASS_COLOURS[label]}
            axes.text(0, 1.28, label, transform=axes.transAxes, **about)
        bar = figure.colorbar(drawn, ax=list(grid.ravel()), shrink=0.5, aspect=30, pad=0.015)
        bar.set_label("AUROC of the place: the class against the rest")
        words = (
            f"{figures['n']:,} images, {figures['size']} px. Framed, where a class is told: the place that does best, "
            "with its AUROC (95 % interval by patient) on patients who had no part in choosing it, and what the class "
            "has there. Nothing is asked where the lungs are."
        )
        style.heading(figure, "Which small place outside the lungs tells the class?", words)
    return figure


def mean_film(pixels: Frames, rows: Sequence[int], films: Sequence[Box]) -> Frames:
    """Mean of some of the films, each brought to their median shape, for the eye alone."""
    step = max(1, len(rows) // SHOWN)
    chosen = range(0, len(rows), step)
    h, w = (int(np.median([getattr(films[i], side) for i in chosen])) for side in ("h", "w"))
    total = np.zeros((h, w))
    for i in chosen:
        total += cv2.resize(_cropped(np.asarray(pixels[rows[i]]), films[i]), (w, h), interpolation=cv2.INTER_AREA)
    return np.round(total / len(chosen)).astype(np.uint8)


def example_of(values: NDArray[np.floating], more: bool) -> int:
    """The row of one who has it clearly, yet is no extreme; (n,) with NaN for those that are not asked for."""
    there = np.flatnonzero(np.isfinite(values))
    order = there[np.argsort(values[there], kind="stable")]
    return int(order[round((0.75 if more else 0.25) * (len(order) - 1))])


def _worth_it(panels: Sequence[Mapping[str, Panel]], k: int, example: bool) -> bool:
    """Whether a row shows something; examples within one source do where they are not those of all images again."""
    if k >= len(panels):
        return False
    shown = {label: panel for label, panel in panels[k].items() if panel.frame is not None}
    if not example or k == 0:
        return not example or bool(shown)
    return any(_place(p) != _place(panels[0].get(label)) or p.told.source for label, p in shown.items())


def _place(panel: Panel | None) -> tuple[int, int] | None:
    return None if panel is None or panel.frame is None else (panel.told.entry["row"], panel.told.entry["column"])


def _map(axes: Axes, panel: Panel | None, cells: NDArray[np.intp], mean: Frames) -> AxesImage:
    h, w = mean.shape
    axes.imshow(mean, cmap="gray", vmin=0, vmax=255, extent=(0, w, h, 0))
    areas = np.full((GRID, GRID), np.nan)
    if panel is not None:
        areas[cells[:, 0], cells[:, 1]] = [np.nan if area is None else area for area in panel.told.entry["map"]]
    shown = axes.imshow(areas, cmap=_COLOURS, vmin=0.5, vmax=1.0, alpha=0.85, extent=(0, w, h, 0))
    axes.set_xlim(0, w)
    axes.set_ylim(h, 0)
    style.no_frame(axes)
    words, ink = "no pairs to compare", style.SOFT
    if panel is not None:
        entry = panel.told.entry
        told = gravity(entry) != "pass"
        if told:
            _frame(axes, entry, Box(0, 0, h, w))
        ink = style.INK if told else style.SOFT
        words = f"{what(entry)}{', a look' if is_look(entry) else ''}" if told else "not told"
        words = f"{spoken(entry['auroc'])}\n{words}"
        if panel.told.source:
            words = f"{textwrap.shorten(panel.told.source, 28, placeholder='…')}\n{words}"
    axes.set_title(words, fontsize=8.5, fontweight="normal", color=ink)
    return shown


def _example(axes: Axes, panel: Panel | None) -> None:
    style.no_frame(axes)
    if panel is not None and panel.frame is not None and panel.film is not None:
        film = panel.film
        axes.imshow(_cropped(panel.frame, film), cmap="gray", vmin=0, vmax=255, extent=(0, film.w, film.h, 0))
        _frame(axes, panel.told.entry, Box(0, 0, film.h, film.w))


def _frame(axes: Axes, entry: Entry, film: Box) -> None:
    """Around the place's square, bright on dark, so that it shows on any film and covers nothing of the place."""
    left, top, width, height = square(entry["row"], entry["column"], film)
    gap = 0.02 * film.w
    for ink, thick in (("black", 3.2), (style.WARN, 1.8)):
        corner, size = (left - gap, top - gap), (width + 2 * gap, height + 2 * gap)
        box = Rectangle(corner, *size, fill=False, edgecolor=ink, linewidth=thick)
        box.set_clip_on(False)
        axes.add_patch(box)


def _side(axes: Axes, words: str) -> None:
    axes.set_ylabel(words, rotation=0, ha="right", va="center", fontsize=9, labelpad=8)


def _cropped(frame: Frames, film: Box) -> Frames:
    return frame[film.y0 : film.y0 + film.h, film.x0 : film.x0 + film.w]
