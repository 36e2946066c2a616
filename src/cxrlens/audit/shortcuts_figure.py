"""Pictures of the shortcuts: how far each part of the image goes, and what those parts look like."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from cxrlens.audit.alterations import Frames
from cxrlens.evaluation import style


def draw_shortcuts(figures: Mapping[str, Any]) -> Figure:
    """Balanced accuracy of every variant with its interval: retrained on the left, tested on the right."""
    panels = (
        ("Trained and tested on…", figures["full"], figures["by_retraining"], style.WARN),
        ("Trained on whole images, tested on…", figures["tested_full"], figures["by_testing"], style.ACCENT),
    )
    with style.look():
        figure = style.new_figure(10.2, 4.2)
        for axes, (title, full, entries, colour) in zip(figure.subplots(1, 2), panels, strict=True):
            rows = [("the whole image", full), *((e["title"], e["balanced_accuracy"]) for e in entries.values())]
            for y, (_, value) in enumerate(reversed(rows)):
                ink = style.SOFT if y == len(rows) - 1 else colour
                if value["low"] is not None:
                    axes.plot([value["low"], value["high"]], [y, y], color=ink, linewidth=2)
                axes.plot(value["value"], y, "o", color=ink, markersize=7)
                axes.text(1.03, y, f"{value['value']:.2f}", va="center", fontsize=9)
            axes.axvline(figures["chance"], color=style.SOFT, linestyle="--", linewidth=1)
            axes.text(figures["chance"], len(rows) - 0.45, "chance", ha="center", fontsize=8, color=style.SOFT)
            names = [_broken(name) for name, _ in reversed(rows)]
            axes.set_yticks(range(len(rows)), names)
            axes.tick_params(axis="y", length=0)
            axes.set_xlim(0, 1.0)
            axes.set_ylim(-0.6, len(rows) - 0.2)
            axes.set_title(title)
            axes.set_xlabel("Balanced accuracy (95 % interval)")
            axes.grid(axis="x")
            axes.set_axisbelow(True)
        made = f"{figures['network']}, {figures['size']} px, {figures['epochs']} epochs, seed {figures['seed']}"
        words = f"Test part, n = {figures['n']:,}. Retrained: {made}."
        style.heading(figure, "What is enough to name the class?", words)
    return figure


def draw_examples(frames: Mapping[str, Frames], labels: Sequence[str]) -> Figure:
    """A row an alteration, a column a class."""
    with style.look():
        figure = style.new_figure(2.6 + 1.25 * len(labels), 0.9 + 1.25 * len(frames))
        grid = figure.subplots(len(frames), len(labels), squeeze=False)
        for row, (title, pictures) in zip(grid, frames.items(), strict=True):
            for column, (axes, picture) in enumerate(zip(row, pictures, strict=True)):
                axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
                style.no_frame(axes)
                if axes in grid[0]:
                    axes.set_title(labels[column], fontsize=9)
            row[0].set_ylabel(_broken(title), rotation=0, ha="right", va="center", fontsize=8.5, labelpad=8)
    return figure


def _broken(words: str) -> str:
    """In lines of about 24 letters."""
    return "\n".join(textwrap.wrap(words, 24))
