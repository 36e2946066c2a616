"""A sheet of the most confident mistakes, as the network saw them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS

ReadPixels = Callable[[list[str]], NDArray[np.uint8]]
"""Paths to preprocessed pixels (n, S, S) uint8."""

COLUMNS = 4


def most_confident(predictions: pd.DataFrame, count: int) -> pd.DataFrame:
    """The ``count`` wrong rows with the highest probability, highest first; column ``confidence`` added."""
    wrong = predictions[predictions["predicted"] != predictions["label"]].copy()
    wrong["confidence"] = wrong[list(PROBABILITY_COLUMNS)].max(axis=1)
    return wrong.sort_values(["confidence", "path"], ascending=[False, True]).head(count)


def mistakes(predictions: pd.DataFrame, block: dict[str, Any], split: str, read: ReadPixels, count: int = 16) -> Figure:
    """Pictures of the most confident mistakes with truth, prediction, probability and source."""
    worst = most_confident(predictions, count)
    total = int((predictions["predicted"] != predictions["label"]).sum())
    with style.look():
        rows = max(1, -(-len(worst) // COLUMNS))
        figure = style.new_figure(10.4, 0.9 + 3.15 * rows if len(worst) else 2.2)
        title = f"Most confident mistakes: {split} set"
        style.heading(figure, title, f"{len(worst)} of {total} mistakes among {block['n']} images · {block['meaning']}")
        if not len(worst):
            axes = figure.add_subplot()
            style.no_frame(axes)
            axes.text(0.5, 0.5, "No mistake in this set.", ha="center", va="center", fontsize=12)
            return figure
        grid = figure.subplots(rows, COLUMNS, squeeze=False)
        pixels = read(list(worst["path"]))
        for axes in grid.flat:
            style.no_frame(axes)
        for axes, (_, row), film in zip(grid.flat, worst.iterrows(), pixels, strict=False):
            axes.imshow(film, cmap="gray", vmin=0, vmax=255)
            said = style.CLASS_COLOURS[str(row["predicted"])]
            axes.set_title(
                f"said {row['predicted']} {row['confidence']:.0%}",
                color=said,
                fontsize=10.5,
                fontweight="bold",
                loc="left",
            )
            source = str(row["source"])
            short = source if len(source) <= 28 else f"{source[:27]}…"
            axes.set_xlabel(f"truth: {row['label']}\n{short}", fontsize=9, loc="left")
    return figure
