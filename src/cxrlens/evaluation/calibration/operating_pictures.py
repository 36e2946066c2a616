"""Figures of operating points: where they lie on the ROC curve, what they would mean elsewhere, and their benefit."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import roc_curve

from cxrlens.evaluation import style
from cxrlens.evaluation.calibration.operating import TRIAGE_SENSITIVITY, TRIAGE_SPECIFICITY
from cxrlens.labels import CLASSES, TUBERCULOSIS

_MARKS = {"youden": "o", "sensitivity": "s", "triage": "D"}


def operating_points(record: dict[str, Any], rows: pd.DataFrame, calibrated: Any) -> Figure:
    """Each class's ROC curve with its points, their thresholds chosen on the calibration part."""
    measured = record["measured"]
    with style.look():
        figure = style.new_figure(8.8, 8.8)
        grid = figure.subplots(2, 2, sharex=True, sharey=True)
        for axes, (k, label) in zip(grid.ravel(), enumerate(CLASSES), strict=True):
            positive = (rows["label"] == label).to_numpy()
            colour = style.CLASS_COLOURS[label]
            axes.plot([0, 1], [0, 1], color=style.SOFT, linestyle="--", linewidth=0.8)
            if positive.any() and not positive.all():
                false, true, _ = roc_curve(positive, calibrated[:, k])
                axes.plot(false, true, color=colour, linewidth=1.4)
            for name, point in measured["operating"][label]["points"].items():
                _cross(axes, point, _MARKS[name], colour)
            if label == TUBERCULOSIS:
                corner = [1 - TRIAGE_SPECIFICITY] * 2, [TRIAGE_SENSITIVITY, 1]
                axes.plot([0, *corner[0]], [TRIAGE_SENSITIVITY, *corner[1]], color=style.WARN, linewidth=1.2)
                axes.text(0.32, 0.955, "WHO triage target", fontsize=8.5, color=style.WARN, va="center")
            axes.set_title(f"{label} (n = {positive.sum()})")
            if axes.get_legend_handles_labels()[0]:
                axes.legend(loc="lower right", fontsize=8)
            axes.set_xlim(-0.02, 1)
            axes.set_ylim(0, 1.02)
        for axes in grid[1]:
            axes.set_xlabel("False positive rate (1 − specificity)")
        for axes in grid[:, 0]:
            axes.set_ylabel("Sensitivity")
        under = f"thresholds chosen on the calibration part; n = {measured['n']} images · {measured['meaning']}"
        style.heading(figure, f"Operating points: {measured['split']} set", under)
    return figure


def prevalences(record: dict[str, Any]) -> Figure | None:
    """Predictive values for tuberculosis by prevalence; ``None`` where no point was chosen or measured."""
    measured = record["measured"]
    points = measured["operating"][TUBERCULOSIS]["points"]
    shown = next((points[name] for name in ("triage", "sensitivity") if points[name].get("by_prevalence")), None)
    if shown is None:
        return None
    values = shown["by_prevalence"]
    with style.look():
        figure = style.new_figure(7.0, 4.8)
        axes = figure.add_subplot()
        lines = {"ppv": ("of the positives, are ill (PPV)", style.CLASS_COLOURS[TUBERCULOSIS], "o", "-")}
        lines["npv"] = ("of the negatives, are not (NPV)", style.ACCENT, "s", "--")
        for name, (words, colour, marker, line) in lines.items():
            known = [v for v in values if v[name]["value"] is not None]
            x, y = [v["prevalence"] for v in known], [v[name]["value"] for v in known]
            axes.plot(x, y, color=colour, marker=marker, linestyle=line, label=words)
            whole = [v for v in known if v[name]["low"] is not None]
            low, high = ([v[name][side] for v in whole] for side in ("low", "high"))
            axes.fill_between([v["prevalence"] for v in whole], low, high, color=colour, alpha=0.18, linewidth=0)
        axes.set_xscale("log")
        axes.set_xticks([v["prevalence"] for v in values], [f"{100 * v['prevalence']:g}%" for v in values])
        axes.minorticks_off()
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("Share of the people examined who have tuberculosis")
        axes.set_ylabel("Share")
        axes.grid(visible=True, axis="y")
        figure.legend(loc="outside lower center", ncols=2)
        rates = ", ".join(f"{name} {shown[name]['value']:.3f}" for name in ("sensitivity", "specificity"))
        under = f"point “{shown['words']}”: {rates} on the {measured['split']} set, n = {measured['n']}"
        style.heading(figure, "Tuberculosis: what an answer means", f"{under} · {measured['meaning']}")
    return figure


def decisions(record: dict[str, Any]) -> Figure:
    """Net benefit of each class's calibrated probability, beside acting on all and on none."""
    measured = record["measured"]
    with style.look():
        figure = style.new_figure(8.8, 7.2)
        grid = figure.subplots(2, 2, sharex=True)
        for axes, label in zip(grid.ravel(), CLASSES, strict=True):
            curve = measured["decision"][label]
            x = [p["threshold"] for p in curve["points"]]
            model = [p["model"] for p in curve["points"]]
            axes.plot(
                x, [m["value"] for m in model], color=style.CLASS_COLOURS[label], label="model (95% interval shaded)"
            )
            if all(m["low"] is not None for m in model):
                low, high = ([m[side] for m in model] for side in ("low", "high"))
                axes.fill_between(x, low, high, color=style.CLASS_COLOURS[label], alpha=0.2, linewidth=0)
            axes.plot(x, [p["all"] for p in curve["points"]], color=style.SOFT, linestyle="--", label="act on all")
            axes.axhline(0, color=style.INK, linewidth=1, linestyle=":", label="act on none")
            top = max(0.05, curve["prevalence"])
            axes.set_ylim(-0.25 * top, 1.12 * top)
            axes.set_title(f"{label} ({curve['prevalence']:.0%} of the images)")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        handles[0] = Line2D([], [], color=style.INK)
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        for axes in grid[1]:
            axes.set_xlabel("Threshold probability")
        for axes in grid[:, 0]:
            axes.set_ylabel("Net benefit")
        under = f"at the classes' shares of these images; n = {measured['n']} · {measured['meaning']}"
        style.heading(figure, f"Decision curves: {measured['split']} set", under)
    return figure


def _cross(axes: Any, point: dict[str, Any], marker: str, colour: str) -> None:
    """The point with its two intervals."""
    found, spared = point["sensitivity"], point["specificity"]
    if found["value"] is None or spared["value"] is None:
        return
    x, y = 1 - spared["value"], found["value"]
    if found["low"] is not None and spared["low"] is not None:
        axes.vlines(x, found["low"], found["high"], color=style.INK, linewidth=1.2)
        axes.hlines(y, 1 - spared["high"], 1 - spared["low"], color=style.INK, linewidth=1.2)
    label = f"{point['words']}:\nsensitivity {y:.3f}, specificity {spared['value']:.3f}"
    axes.plot(x, y, marker, color=colour, markeredgecolor=style.INK, markersize=7, linestyle="none", label=label)
