"""The picture of one explanation: the film, the overlays of the layers beside it, a colour bar, and what was said."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrlens.evaluation import style
from cxrlens.explanation.heat import HeatMaps
from cxrlens.explanation.overlay import COLOUR_MAP, overlay
from cxrlens.radiograph import Pixels

SMALLEST, LARGEST = 420, 1000
"""Long side of a panel in pixels: a film in between is shown pixel by pixel, another one is scaled."""

GAP, SIDE, BAR, FOOT, NARROWEST = 21, 30, 143, 63, 900
"""Pixels between panels, at the sides, for the colour bar and under the panels; and the least width, for the words."""


@dataclass(frozen=True, slots=True)
class Caption:
    """Words around an explanation.

    Args:
        name: the file's name.
        method: the method's title.
        measured: what is known of the probabilities, and where it was measured.
        limits: what the picture must not be used for.
        weak: why the last map should not be read; blank where nothing speaks against it.
        unchecked: what of that could not be looked at; blank where all of it was.
    """

    name: str
    method: str
    measured: str
    limits: str
    weak: str = ""
    unchecked: str = ""


def sheet(pixels: Pixels, heats: HeatMaps, caption: Caption) -> Figure:
    """Film and overlays side by side; everything is placed on whole pixels, so that no film is resampled unasked.

    Args:
        pixels: (H, W) float32 in [0, 1].
        heats: probabilities and one or more maps (H, W).
        caption: words around them.
    """
    H, W = pixels.shape
    scale = float(np.clip(1.0, SMALLEST / max(H, W), LARGEST / max(H, W)))
    height, width = max(1, round(H * scale)), max(1, round(W * scale))
    grey = np.repeat((pixels * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)
    panels = [("original", grey), *((name, overlay(pixels, heat)) for name, heat in heats.maps.items())]
    total = max(2 * SIDE + len(panels) * (width + GAP) + BAR, NARROWEST)
    inches = total / style.DPI
    title = textwrap.wrap(caption.name, int(inches * 8.5)) or [""]
    text = [part for line in _lines(heats, caption) for part in textwrap.wrap(line, int(inches * 12.5))]
    weak = textwrap.wrap(caption.weak, int(inches * 11.5))
    top = 52 + 38 * len(title) + 28 * len(text) + (28 * len(weak) + 8 if weak else 0)
    full = top + height + FOOT
    with style.look():
        figure = style.new_figure(inches, full / style.DPI)
        figure.set_layout_engine("none")
        y = 1 - 24 / full
        figure.text(SIDE / total, y, "\n".join(title), va="top", fontsize=12.5, fontweight="bold")
        y -= 38 * len(title) / full
        if weak:
            words = "\n".join(weak)
            figure.text(SIDE / total, y, words, va="top", fontsize=10, color=style.WARN, fontweight="bold")
            y -= (28 * len(weak) + 8) / full
        figure.text(SIDE / total, y, "\n".join(text), va="top", fontsize=9.5, color=style.SOFT, linespacing=1.35)
        last = len(panels) - 1
        for k, (name, picture) in enumerate(panels):
            axes = figure.add_axes(((SIDE + k * (width + GAP)) / total, FOOT / full, width / total, height / full))
            axes.imshow(_sized(picture, height, width), interpolation="nearest", aspect="auto")
            style.no_frame(axes)
            axes.set_xlabel(_short(name, width // 11), fontsize=9)
            if caption.weak and k == last:
                _ring(axes)
        x = SIDE + len(panels) * (width + GAP) + 6
        bar = figure.add_axes((x / total, FOOT / full, 20 / total, height / full))
        _colour_bar(figure, bar, heats.target)
        empty = [name.removeprefix("network.") for name, heat in heats.maps.items() if not heat.any()]
        if empty:
            note = f"no evidence for {heats.target} in {', '.join(empty)}"
            figure.text(SIDE / total, 10 / full, note, fontsize=8.5, color=style.WARN)
    return figure


def _lines(heats: HeatMaps, caption: Caption) -> list[str]:
    """What was explained, what the network says, what is known of that, and what it is not for."""
    said = [f"{label} {share:.0%}" for label, share in sorted(heats.probabilities.items(), key=lambda kv: -kv[1])]
    why = "predicted" if heats.target == heats.predicted else f"asked for; predicted is {heats.predicted}"
    unchecked = [caption.unchecked] if caption.unchecked else []
    return [
        f"{caption.method} for {heats.target} ({why})",
        " · ".join(said),
        caption.measured,
        *unchecked,
        caption.limits,
    ]


def _ring(axes: Axes) -> None:
    """A frame round the map that should not be read."""
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(style.WARN)
        spine.set_linewidth(3)


def _colour_bar(figure: Figure, axes: Axes, target: str) -> None:
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), COLOUR_MAP), cax=axes, ticks=[0, 0.5, 1])
    bar.ax.tick_params(labelsize=8, length=2)
    bar.set_label(f"evidence for {target}\n(1 = highest of the map)", fontsize=8)
    bar.outline.set_visible(False)


def _sized(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if picture.shape[:2] == (height, width):
        return picture
    how = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), dtype=np.uint8)


def _short(name: str, most: int) -> str:
    name, most = name.removeprefix("network."), max(most, 8)
    return name if len(name) <= most else f"…{name[-(most - 1) :]}"
