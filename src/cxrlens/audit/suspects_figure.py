"""The pictures of suspected labels: a sheet to look through, and how many planted ones were found."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrlens.evaluation import style

COLUMNS, SHOWN = 6, 24
PLAUSIBLE = "to a class that the source has"


def draw_sheet(films: NDArray[np.uint8], entries: pd.DataFrame, total: int) -> Figure:
    """The first suspects, most suspicious first, each with its number in suspects.csv.

    Args:
        films: (n, S, S) uint8, at most :data:`SHOWN`.
        entries: n rows with ``number``, ``label``, ``suggested``, ``p_label``, ``p_suggested``, ``source``.
        total: suspects in all.
    """
    lines = -(-len(films) // COLUMNS)
    with style.look():
        figure = style.new_figure(11.0, 1.0 + 2.3 * lines)
        panels = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
        for axes in panels:
            style.no_frame(axes)
        for axes, film, entry in zip(panels, films, entries.to_dict("records"), strict=False):
            axes.imshow(film, cmap="gray", vmin=0, vmax=255, interpolation="lanczos")
            source = textwrap.shorten(str(entry["source"]), 20, placeholder="…")
            axes.set_title(f"{entry['number']}  {source}", fontsize=8, fontweight="normal", color=style.SOFT, pad=3)
            label, suggested = str(entry["label"]), str(entry["suggested"])
            axes.text(
                0.0, -0.03, f"label {label} {entry['p_label']:.2f}", transform=axes.transAxes, va="top", fontsize=8
            )
            axes.text(
                0.0,
                -0.13,
                f"rather {suggested} {entry['p_suggested']:.2f}",
                transform=axes.transAxes,
                va="top",
                fontsize=8,
                color=style.CLASS_COLOURS[suggested],
                fontweight="bold",
            )
        style.heading(
            figure,
            "Labels that may be wrong",
            f"The {len(films)} most suspicious of {total:,}; numbers are those of suspects.csv. Under each film, its "
            "label and what networks that never saw it would call it, with probabilities. A suspicion is no proof.",
        )
    return figure


def draw_found(figures: Mapping[str, Any]) -> Figure:
    """Recall of the planted labels by class and by source, with what chance would find; from the part's figures."""
    planted = figures["planted"]
    lines = [("all", planted["recall"])]
    if planted["recall_plausible"]["n"]:
        lines.append((PLAUSIBLE, planted["recall_plausible"]))
    lines += [(name, entry) for name, entry in planted["recall_by_class"].items() if entry["n"]]
    lines += [(name, entry) for name, entry in planted["recall_by_source"].items()]
    with style.look():
        figure = style.new_figure(8.2, 1.9 + 0.33 * len(lines))
        axes = figure.add_subplot()
        for y, (name, entry) in enumerate(reversed(lines)):
            colour = style.CLASS_COLOURS.get(name, style.INK if name in ("all", PLAUSIBLE) else style.SOFT)
            if entry["low"] is not None:
                axes.plot([entry["low"], entry["high"]], [y, y], color=colour, linewidth=2)
            axes.plot(entry["value"], y, "o", color=colour, markersize=7)
            axes.text(1.04, y, f"{entry['value']:.2f}", va="center", ha="left", fontsize=9.5)
        axes.axvline(planted["chance"], color=style.SOFT, linestyle="--", linewidth=1)
        axes.plot([], [], "o-", color=style.SOFT, label="found (95 % interval by patient)")
        axes.plot([], [], color=style.SOFT, linestyle="--", linewidth=1, label="as many images picked at random")
        names = [
            textwrap.shorten(f"{name}  (n = {entry['n']})", 44, placeholder="…") for name, entry in reversed(lines)
        ]
        axes.set_yticks(range(len(lines)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.6, len(lines) - 0.4)
        axes.set_xlabel("Share of the changed labels that the search suspects")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower left", ncols=2)
        style.heading(
            figure,
            "Labels changed on purpose, and found",
            f"{planted['recall']['n']} of {figures['n']:,} labels ({planted['share_changed']:.0%}) were changed at "
            "random; classes are those before the change.",
        )
    return figure
