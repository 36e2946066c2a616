"""Confusion matrix, reliability diagram and accuracy by source, each of one named split."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import scores_of
from cxrlens.evaluation.metrics import BINS
from cxrlens.labels import CLASSES


def confusion(block: dict[str, Any], split: str) -> Figure:
    """Counts and row percentages of one metrics block; rows are the truth."""
    counts = np.array(block["confusion"]["counts"], dtype=np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    with style.look():
        figure = style.new_figure(6.6, 5.6)
        axes = figure.add_subplot()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row in range(len(CLASSES)):
            for column in range(len(CLASSES)):
                if totals[row, 0] == 0:
                    text = "none"
                else:
                    text = f"{counts[row, column]}\n{shares[row, column]:.0%}"
                ink = "white" if shares[row, column] > 0.55 else style.INK
                bold = "bold" if row == column else "normal"
                axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=11, fontweight=bold)
        axes.set_xticks(range(len(CLASSES)), CLASSES)
        axes.set_yticks(range(len(CLASSES)), [f"{c}\nn = {t}" for c, t in zip(CLASSES, totals[:, 0], strict=True)])
        axes.set_xlabel("Predicted")
        axes.set_ylabel("Truth")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, format=lambda v, _: f"{v:.0%}")
        bar.set_label("Share of the true class")
        bar.outline.set_visible(False)
        style.heading(figure, f"Confusion matrix: {split} set", subtitle(block))
    return figure


def reliability(predictions: pd.DataFrame, block: dict[str, Any], split: str) -> Figure:
    """Calibration diagram: confidence against the share right, in 15 equal-width bins (Guo 2017), with bin counts."""
    scores = scores_of(predictions)
    place = scores.bin_of_confidence(BINS)
    right = scores.predicted == scores.truth
    edges = np.linspace(0, 1, BINS + 1)
    with style.look():
        figure = style.new_figure(6.2, 6.2)
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
        upper.plot([0, 1], [0, 1], color=style.SOFT, linestyle="--", linewidth=1.2, label="perfectly calibrated")
        for b in range(BINS):
            inside = place == b
            if not inside.any():
                continue
            share, said = float(right[inside].mean()), float(scores.confidence[inside].mean())
            first = b == int(place.min())
            width = edges[1] * 0.92
            middle = (edges[b] + edges[b + 1]) / 2
            upper.bar(middle, share, width, color=style.ACCENT, alpha=0.85, label="share right" if first else None)
            upper.plot(
                [middle - width / 2, middle + width / 2],
                [said, said],
                color=style.WARN,
                linewidth=2.4,
                solid_capstyle="butt",
                label="mean confidence" if first else None,
            )
            lower.bar(middle, int(inside.sum()), width, color=style.SOFT)
        upper.set_ylim(0, 1.02)
        upper.set_xlim(0, 1)
        upper.set_ylabel("Share right")
        upper.legend(loc="upper left")
        lower.set_ylabel("Images")
        lower.set_xlabel("Confidence (highest of the four probabilities)")
        ece = spoken(block["ece"], percent=False)
        style.heading(figure, f"Calibration: {split} set", f"ECE {ece}, 95% interval\n{subtitle(block)}")
    return figure


def per_source(block: dict[str, Any], split: str, guess: dict[str, Any]) -> Figure:
    """Accuracy with its interval for each source, beside what naming the source's usual class would score.

    Args:
        block: metrics block with ``per_source``.
        split: name of the split.
        guess: accuracy by source of the source-majority baseline.
    """
    sources = list(block["per_source"].items())
    with style.look():
        figure = style.new_figure(7.6, 1.5 + 0.46 * max(3, len(sources) + 1))
        axes = figure.add_subplot()
        rows: list[tuple[str, dict[str, Any], float | None]] = [
            (f"all sources\nn = {block['n']}", block["accuracy"], None)
        ]
        rows += [(f"{name}\nn = {s['n']}", s["accuracy"], guess.get(name)) for name, s in sources]
        for y, (_, interval, guessed) in enumerate(rows):
            colour = style.INK if y == 0 else style.ACCENT
            if interval["low"] is not None:
                axes.hlines(y, interval["low"], interval["high"], color=colour, linewidth=2.2)
            if interval["value"] is not None:
                axes.plot(interval["value"], y, "o", color=colour, markersize=7, label="model" if y == 1 else None)
            if guessed is not None:
                first = y == next(i for i, r in enumerate(rows) if r[2] is not None)
                label = "naming the source's usual class, image unseen" if first else None
                axes.plot(guessed, y, "D", markersize=6, markerfacecolor="none", color=style.WARN, label=label)
        axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(-0.02, 1.02)
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        axes.axhline(0.5, color=style.FAINT, linewidth=1)
        axes.set_xlabel("Accuracy, with 95% interval by patient")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
        style.heading(figure, f"Accuracy by source: {split} set", subtitle(block))
    return figure


def subtitle(block: dict[str, Any]) -> str:
    """``n = 120 images, 80 known patients · locked away until now``."""
    unknown = block["patients_unknown"]
    patients = f"{block['patients']} known patients" if block["patients"] else "patients unknown"
    if unknown and block["patients"]:
        patients += f", {unknown} without an id"
    return f"n = {block['n']} images, {patients} · {block['meaning']}"


def spoken(interval: dict[str, Any], *, percent: bool = True) -> str:
    """``85.1% (82.0–88.3)``, or three decimals; ``undefined`` where it is."""
    if interval["value"] is None:
        return "undefined"
    factor, digits, unit = (100, 1, "%") if percent else (1, 3, "")
    text = f"{interval['value'] * factor:.{digits}f}{unit}"
    if interval["low"] is None:
        return text
    return f"{text} ({interval['low'] * factor:.{digits}f}–{interval['high'] * factor:.{digits}f})"
