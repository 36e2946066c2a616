"""The picture of one explanation: the film, the overlays of the layers beside it, a colour bar, and what was said."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrlens.evaluation import style
from cxrlens.explanation.heat import HeatMaps
from cxrlens.explanation.overlay import COLOUR_MAP, overlay
from cxrlens.radiograph import Pixels

SMALLEST, LARGEST = 420, 1000
"""Long side of a panel in pixels: a film in between is shown pixel by pixel, another one is scaled."""


@dataclass(frozen=True, slots=True)
class Caption:
    """Words around an explanation.

    Args:
        name: the file's name.
        method: the method's title.
        measured: what is known of the probabilities, and where it was measured.
        limits: what the picture must not be used for.
    """

    name: str
    method: str
    measured: str
    limits: str


def sheet(pixels: Pixels, heats: HeatMaps, caption: Caption) -> Figure:
    """Film and overlays side by side.

    Args:
        pixels: (H, W) float32 in [0, 1].
        heats: probabilities and one or more maps (H, W).
        caption: words around them.
    """
    H, W = pixels.shape
    scale = float(np.clip(1.0, SMALLEST / max(H, W), LARGEST / max(H, W)))
    height, width = max(1, round(H * scale)), max(1, round(W * scale))
    panels = [
        ("original", _sized(np.repeat((pixels * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2), height, width))
    ]
    panels += [(name, _sized(overlay(pixels, heat), height, width)) for name, heat in heats.maps.items()]
    gap, side, bar, foot = 0.14, 0.2, 0.95, 0.42
    w, h = width / style.DPI, height / style.DPI
    total = side * 2 + len(panels) * (w + gap) + bar
    said = [f"{label} {share:.0%}" for label, share in sorted(heats.probabilities.items(), key=lambda kv: -kv[1])]
    why = "predicted" if heats.target == heats.predicted else f"asked for; predicted is {heats.predicted}"
    lines = [f"{caption.method} for {heats.target} ({why})", " · ".join(said), caption.measured, caption.limits]
    chars = int(total * 12.5)
    text = [part for line in lines for part in textwrap.wrap(line, chars)]
    title = textwrap.wrap(caption.name, int(total * 8.5)) or [""]
    top = 0.22 + 0.25 * len(title) + 0.185 * len(text) + 0.12
    with style.look():
        figure = style.new_figure(total, top + h + foot)
        figure.set_layout_engine("none")
        full = top + h + foot
        y = 1 - 0.16 / full
        figure.text(side / total, y, "\n".join(title), va="top", fontsize=12.5, fontweight="bold")
        y -= 0.25 * len(title) / full
        figure.text(side / total, y, "\n".join(text), va="top", fontsize=9.5, color=style.SOFT, linespacing=1.35)
        for k, (name, picture) in enumerate(panels):
            place = ((side + k * (w + gap)) / total, foot / full, w / total, h / full)
            axes = figure.add_axes(place)
            axes.imshow(picture, interpolation="nearest", aspect="auto")
            style.no_frame(axes)
            axes.set_xlabel(_short(name, int(w * 13)), fontsize=9)
        x = side + len(panels) * (w + gap) + 0.04
        axes = figure.add_axes((x / total, foot / full, 0.13 / total, h / full))
        scalar = ScalarMappable(mpl.colors.Normalize(0, 1), COLOUR_MAP)
        colours = figure.colorbar(scalar, cax=axes, ticks=[0, 0.5, 1])
        colours.ax.tick_params(labelsize=8, length=2)
        colours.set_label(f"evidence for {heats.target}\n(1 = highest of the map)", fontsize=8)
        colours.outline.set_visible(False)
        empty = [name for name, heat in heats.maps.items() if not heat.any()]
        if empty:
            note = f"no evidence for {heats.target} in {', '.join(empty)}"
            figure.text(side / total, 0.08 / full, note, fontsize=8.5, color=style.WARN)
    return figure


def _sized(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if picture.shape[:2] == (height, width):
        return picture
    how = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), dtype=np.uint8)


def _short(name: str, most: int) -> str:
    name = name.removeprefix("network.")
    return name if len(name) <= most else f"…{name[-(most - 1) :]}"
