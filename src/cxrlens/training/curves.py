"""``curves.png``: accuracy and loss by epoch, the best epoch marked, the generalisation gap in words."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cxrlens import SYNTHETIC_NOTE
from cxrlens.folders import write_atomically
from cxrlens.training.history import EpochRow

TRAIN, VALIDATION, FAINT, INK = "#2f6db3", "#d1622b", "#9bb8d9", "#333333"
SMALL_GAP, LARGE_GAP = 0.02, 0.06
"""Below the first, a gap of accuracy is within chance; above the second, images were learnt by heart."""


def draw_curves(
    history: Sequence[EpochRow], best_epoch: int, measured: Mapping[str, Any], path: Path, *, synthetic: bool = False
) -> None:
    """Draw and write the picture.

    Args:
        history: at least one epoch.
        best_epoch: from 1.
        measured: ``train`` and ``validation``: ``accuracy`` and ``loss`` of the best weights over the whole split.
        path: the PNG to write.
        synthetic: the images are synthetic; said in the plot and inside the file.
    """
    figure = Figure(figsize=(11, 4.9), dpi=120, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _panel(left, history, best_epoch, "accuracy", measured)
    _panel(right, history, best_epoch, "loss", measured)
    left.set_ylim(top=min(1.0, left.get_ylim()[1]))
    figure.suptitle(describe_gap(measured), x=0.01, y=0.985, ha="left", va="top", fontsize=11, color=INK)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False, fontsize=9)
    figure.subplots_adjust(left=0.075, right=0.985, top=0.84, bottom=0.185, wspace=0.16)
    about = {}
    if synthetic:
        figure.text(0.99, 0.985, SYNTHETIC_NOTE, ha="right", va="top", fontsize=8, color=VALIDATION, fontweight="bold")
        about["Comment"] = SYNTHETIC_NOTE
    buffer = io.BytesIO()
    canvas.print_figure(buffer, format="png", metadata=about)
    write_atomically(path, buffer.getvalue())


def describe_gap(measured: Mapping[str, Any]) -> str:
    """How far train and validation lie apart for the best weights, both measured without augmentation, in words."""
    train, validation = measured["train"]["accuracy"], measured["validation"]["accuracy"]
    gap = train - validation
    numbers = f"accuracy {train:.3f} on train, {validation:.3f} on validation, at the best epoch: a gap of {gap:+.3f}."
    if gap < SMALL_GAP:
        words = "No overfitting to be seen; more epochs or a larger network may still help."
    elif gap < LARGE_GAP:
        words = "Some overfitting: the usual distance between seen and unseen patients."
    else:
        words = "Clear overfitting: train images are known by heart, and only validation and test tell what holds."
    return f"{numbers[0].upper()}{numbers[1:]}\n{words}"


def _panel(axes: Axes, history: Sequence[EpochRow], best: int, what: str, measured: Mapping[str, Any]) -> None:
    epochs = [row.epoch for row in history]
    running, clean, validation = (
        [getattr(row, f"{kind}_{what}") for row in history] for kind in ("train", "clean_train", "validation")
    )
    marker = "o" if len(epochs) == 1 else ""
    axes.plot(
        epochs, running, color=FAINT, lw=1.5, ls=":", marker=marker, label="train, while training (augmented, dropout)"
    )
    axes.plot(epochs, clean, color=TRAIN, lw=2, marker=marker, label="train, measured as validation")
    axes.plot(epochs, validation, color=VALIDATION, lw=2, marker=marker, label="validation")
    axes.fill_between(epochs, clean, validation, color=VALIDATION, alpha=0.10, lw=0, label="generalisation gap")
    axes.axvline(best, color=INK, lw=0.8, ls="--")
    at_best = history[best - 1]
    low, high = sorted((getattr(at_best, f"clean_train_{what}"), getattr(at_best, f"validation_{what}")))
    axes.plot([best, best], [low, high], color=INK, lw=3, solid_capstyle="butt")
    value = measured["validation"][what]
    is_late = best > (epochs[0] + epochs[-1]) / 2
    axes.annotate(
        f"best epoch {best}: {value:.3f}",
        (best, getattr(at_best, f"validation_{what}")),
        xytext=(-8 if is_late else 8, -30 if what == "accuracy" else 30),
        textcoords="offset points",
        ha="right" if is_late else "left",
        fontsize=9,
        color=INK,
        arrowprops={"arrowstyle": "-", "color": INK, "lw": 0.6},
        bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.85},
    )
    axes.set_title(what.capitalize(), loc="left", fontsize=11, color=INK)
    axes.set_xlabel("epoch", color=INK)
    axes.set_ylabel("cross-entropy (nats)" if what == "loss" else "share of images named right", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
