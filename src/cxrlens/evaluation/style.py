"""One look for every figure: sizes, colours that colour-blind readers tell apart, white ground, nothing cut off."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cxrlens import SYNTHETIC_NOTE
from cxrlens.folders import write_atomically
from cxrlens.labels import CLASSES

DPI = 150

CLASS_COLOURS: dict[str, str] = dict(zip(CLASSES, ("#0072B2", "#D55E00", "#009E73", "#AA4499"), strict=True))
"""Okabe and Ito's colours (2008) for the four classes, the purple darkened for contrast on white."""

CLASS_LINES: dict[str, str] = dict(zip(CLASSES, ("-", "--", "-.", ":"), strict=True))
"""A second sign besides colour, for prints in grey."""

INK = "#222222"
SOFT = "#6B6B6B"
FAINT = "#D9D9D9"
ACCENT = "#0072B2"
WARN = "#D55E00"

STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "lines.linewidth": 1.8,
}


@contextmanager
def look() -> Iterator[None]:
    """Apply :data:`STYLE` to what is drawn inside; the user's own settings are back afterwards."""
    with mpl.rc_context(cast(Any, STYLE)):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Empty figure of ``width`` × ``height`` inches on the Agg canvas; constrained layout keeps labels whole."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def heading(figure: Figure, title: str, subtitle: str = "") -> None:
    """Left-aligned title and, under it, softer lines with the split and its n, broken to the figure's width."""
    inches = figure.get_size_inches()
    lines = [part for line in subtitle.split("\n") for part in textwrap.wrap(line, int(inches[0] * 12.5))]
    # Blank lines under the title make constrained layout keep the room that the subtitle needs.
    figure.suptitle(title + "\n" * len(lines), x=0.01, ha="left", fontsize=13, fontweight="bold", linespacing=1.1)
    if lines:
        under = 1 - 0.30 / float(inches[1])
        figure.text(0.01, under, "\n".join(lines), ha="left", va="top", fontsize=9.5, color=SOFT, linespacing=1.3)


def save(figure: Figure, path: Path, *, cropped: bool = True, synthetic: bool = False) -> Path:
    """Write a PNG with white ground at :data:`DPI`, atomically; labels that stick out are taken in, not cut.

    Args:
        figure: what to write.
        path: where to.
        cropped: false keeps the figure's own size, for pictures that are placed pixel by pixel.
        synthetic: what is shown or measured are synthetic pictures; said in the plot and inside the file.
    """
    if synthetic:
        x, y, up = (1.0, 1.005, "bottom") if cropped else (0.995, 0.995, "top")
        figure.text(x, y, SYNTHETIC_NOTE, ha="right", va=up, fontsize=8, color=WARN, fontweight="bold")
    with mpl.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        # A file's name may hold letters that the font lacks; a box in their place is no reason to warn.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        buffer = io.BytesIO()
        box: dict[str, Any] = {"bbox_inches": "tight", "pad_inches": 0.15} if cropped else {}
        about = {"Comment": SYNTHETIC_NOTE} if synthetic else {}
        figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", metadata=about, **box)
    write_atomically(path, buffer.getvalue())
    return path


def no_frame(axes: Axes) -> None:
    """Take ticks and spines off a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
