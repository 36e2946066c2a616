"""ROC and precision-recall curves, one line a class (one-vs-rest)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve

from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS
from cxrlens.evaluation.figures import subtitle
from cxrlens.labels import CLASSES, TUBERCULOSIS


def roc(predictions: pd.DataFrame, block: dict[str, Any], split: str) -> Figure:
    """Sensitivity against false positives; the corner of the WHO's triage target for tuberculosis is marked."""
    with style.look():
        figure = style.new_figure(6.4, 7.4)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=style.SOFT, linestyle="--", linewidth=1)
        for label, column in zip(CLASSES, PROBABILITY_COLUMNS, strict=True):
            positive = (predictions["label"] == label).to_numpy()
            area = block["per_class"][label]["auroc"]
            if area["value"] is None:
                axes.plot([], [], color=style.FAINT, label=f"{label}: undefined ({area['reason']})")
                continue
            false, true, _ = roc_curve(positive, predictions[column].to_numpy(dtype=float))
            axes.plot(false, true, **_line(label), label=f"{label}: AUROC {_short(area)}, n = {positive.sum()}")
        if (predictions["label"] == TUBERCULOSIS).any():
            # WHO 2014, high-priority target product profiles for TB diagnostics: a triage test's minimum.
            note = "WHO minimum for TB triage: sensitivity 0.90, specificity 0.70"
            colour = style.CLASS_COLOURS[TUBERCULOSIS]
            axes.plot([0, 0.3, 0.3], [0.9, 0.9, 1], color=colour, linewidth=1, alpha=0.8, label=note)
        _unit_square(axes)
        axes.set_xlabel("False positive rate (1 − specificity)")
        axes.set_ylabel("Sensitivity (recall)")
        figure.legend(loc="outside lower left")
        style.heading(figure, f"ROC curves, each class against the rest: {split} set", subtitle(block))
    return figure


def precision_recall(predictions: pd.DataFrame, block: dict[str, Any], split: str) -> Figure:
    """Precision against recall; the dotted level of each class is its share of the set, what chance would reach."""
    with style.look():
        figure = style.new_figure(6.4, 7.4)
        axes = figure.add_subplot()
        for label, column in zip(CLASSES, PROBABILITY_COLUMNS, strict=True):
            positive = (predictions["label"] == label).to_numpy()
            if not positive.any():
                axes.plot([], [], color=style.FAINT, label=f"{label}: undefined (no image of it)")
                continue
            scores = predictions[column].to_numpy(dtype=float)
            precision, recall, _ = precision_recall_curve(positive, scores)
            average = average_precision_score(positive, scores)
            text = f"{label}: average precision {average:.3f}, chance {np.mean(positive):.2f}"
            axes.step(recall, precision, where="post", **_line(label), label=text)
            axes.plot([0, 0.04], [np.mean(positive)] * 2, color=style.CLASS_COLOURS[label], linewidth=3)
        _unit_square(axes)
        axes.set_xlabel("Recall (sensitivity)")
        axes.set_ylabel("Precision (positive predictive value in this set)")
        figure.legend(loc="outside lower left")
        style.heading(figure, f"Precision and recall: {split} set", subtitle(block))
    return figure


def _line(label: str) -> dict[str, Any]:
    return {"color": style.CLASS_COLOURS[label], "linestyle": style.CLASS_LINES[label]}


def _unit_square(axes: Any) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    axes.set_aspect("equal")
    axes.grid(visible=True)


def _short(interval: dict[str, Any]) -> str:
    if interval["low"] is None:
        return f"{interval['value']:.3f}"
    return f"{interval['value']:.3f} ({interval['low']:.3f}–{interval['high']:.3f})"
