"""Figures of calibration: reliability, coverage of the sets, risk against coverage; and all of them drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlens.calibrated import Calibration
from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import scores_of
from cxrlens.evaluation.calibration.operating_pictures import decisions, operating_points, prevalences
from cxrlens.evaluation.calibration.options import FEWEST
from cxrlens.evaluation.calibration.reliability import diagram
from cxrlens.evaluation.figures import spoken
from cxrlens.evaluation.metrics import BINS
from cxrlens.labels import CLASSES

_BEFORE, _AFTER = style.SOFT, style.ACCENT
_SIGNS: dict[str, dict[str, Any]] = {
    "before": {"marker": "o", "markersize": 8, "markerfacecolor": "none", "linestyle": ":"},
    "after": {"marker": "s", "markersize": 4, "linestyle": "-"},
}
"""Told apart where they lie on one another: an open circle around a square."""

_SOURCE_BINS = 5  # a source has few images


def draw_calibration(record: dict[str, Any], rows: pd.DataFrame, folder: Path) -> list[Path]:
    """Draw the figures of ``calibration.json``; ``rows`` are the predictions that it was measured on."""
    calibration = Calibration.from_dict(record)
    given = scores_of(rows).probabilities
    calibrated = calibration.probabilities(given)
    drawn: dict[str, Figure | None] = {
        "reliability": reliability(record),
        "reliability_by_source": reliability_by_source(record, rows, given, calibrated),
        "coverage": coverage(record),
        "risk_coverage": risk_coverage(record),
        "operating": operating_points(record, rows, calibrated),
        "prevalence": prevalences(record),
        "decision": decisions(record),
    }
    synthetic = bool(record["synthetic"])
    for name in set(drawn) - {name for name, figure in drawn.items() if figure is not None}:
        (folder / f"{name}.png").unlink(missing_ok=True)  # of an earlier calibration
    return [
        style.save(figure, folder / f"{name}.png", synthetic=synthetic)
        for name, figure in drawn.items()
        if figure is not None
    ]


def reliability(record: dict[str, Any]) -> Figure:
    """Confidence against the share right, before and after tempering, side by side."""
    measured = record["measured"]
    probabilities = measured["probabilities"]
    with style.look():
        figure = style.new_figure(9.6, 5.6)
        grid = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3.2, 1])
        temperature = record["temperature"]["value"]
        titles = {"before": "as the network says", "after": f"tempered, T = {temperature:.2f}"}
        for column, (name, colour) in enumerate((("before", _BEFORE), ("after", _AFTER))):
            upper, lower = grid[0, column], grid[1, column]
            _diagonal(upper)
            _bins(upper, probabilities["diagram"][name], colour)
            for each in probabilities["diagram"][name]:
                lower.bar((each["bin"] + 0.5) / BINS, each["n"], 0.92 / BINS, color=style.SOFT, alpha=0.7)
            error = spoken(probabilities["ece"]["overall"][name], percent=False)
            upper.set_title(f"{titles[name]}\nECE {error}")
            lower.set_xlabel("Confidence (highest of the four)")
        grid[0, 0].set_ylabel("Share right")
        grid[1, 0].set_ylabel("Images")
        style.heading(figure, f"Reliability before and after: {measured['split']} set", _under(measured))
    return figure


def reliability_by_source(record: dict[str, Any], rows: pd.DataFrame, given: Any, calibrated: Any) -> Figure | None:
    """The same for each source with enough images, in fewer bins; ``None`` where there is only one."""
    measured = record["measured"]
    errors = measured["probabilities"]["ece"]["by_source"]
    names = [name for name, error in errors.items() if error["n"] >= FEWEST]
    if len(names) < 2:
        return None
    truth, sources = scores_of(rows).truth, rows["source"].astype(str).to_numpy()
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    with style.look():
        figure = style.new_figure(2.6 * columns, 1.2 + 2.7 * lines)
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for axes, name in zip(grid.ravel(), names, strict=False):
            held = sources == name
            _diagonal(axes)
            _points(axes, diagram(given[held], truth[held], _SOURCE_BINS), _BEFORE, _SIGNS["before"])
            _points(axes, diagram(calibrated[held], truth[held], _SOURCE_BINS), _AFTER, _SIGNS["after"])
            error = errors[name]
            change = f"{error['before']['value']:.3f} → {error['after']['value']:.3f}"
            axes.set_title(f"{name}\nn = {error['n']}, ECE {change}", fontsize=8.5)
        for axes in grid.ravel()[len(names) :]:
            axes.set_visible(False)
        for axes in grid[:, 0]:
            axes.set_ylabel("Share right")
        for axes in [grid[(len(names) - 1 - c) // columns, c] for c in range(columns)]:
            axes.set_xlabel("Confidence")
            axes.tick_params(labelbottom=True)
        handles = [
            grid[0, 0].plot([], [], color=colour, label=words, **_SIGNS[name])[0]
            for name, words, colour in (("before", "as the network says", _BEFORE), ("after", "tempered", _AFTER))
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        style.heading(figure, f"Reliability by source: {measured['split']} set", _under(measured))
    return figure


def coverage(record: dict[str, Any]) -> Figure:
    """How often the prediction set holds the truth, for all, each class and each source, beside the promise."""
    measured = record["measured"]
    promise = record["conformal"]["coverage"]
    parts = measured["sets"]
    rows = [("all images", parts["overall"], style.INK)]
    rows += [(label, parts["by_class"][label], style.CLASS_COLOURS[label]) for label in CLASSES]
    rows += [(name, part, style.ACCENT) for name, part in parts["by_source"].items() if part["n"] >= FEWEST]
    rows = [row for row in rows if row[1]["coverage"]["value"] is not None]
    with style.look():
        figure = style.new_figure(8.4, 1.6 + 0.42 * len(rows))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2.2, 1])
        for y, (_, part, colour) in enumerate(rows):
            for axes, key in ((left, "coverage"), (right, "size")):
                value = part[key]
                if value["low"] is not None:
                    axes.hlines(y, value["low"], value["high"], color=colour, linewidth=2.2)
                axes.plot(value["value"], y, "o", color=colour, markersize=6)
        left.axvline(promise, color=style.WARN, linestyle="--", linewidth=1.4)
        lowest = min([promise] + [part["coverage"]["low"] or 0.0 for _, part, _ in rows])
        left.set_xlim(max(-0.02, min(lowest, 0.55) - 0.05), 1.02)
        left.set_yticks(range(len(rows)), [f"{name}\nn = {part['n']}" for name, part, _ in rows])
        left.set_ylim(len(rows) - 0.4, -0.6)
        left.set_xlabel(f"Share of sets that hold the truth (dashed: promised {promise:.0%})")
        right.set_xlabel("Classes in the set, mean")
        right.set_xlim(0, max(2.0, max(part["size"]["value"] for _, part, _ in rows) + 0.2))
        for axes in (left, right):
            axes.grid(visible=True, axis="x")
            axes.set_axisbelow(True)
            axes.axhline(0.5, color=style.FAINT, linewidth=1)
            if len(rows) > 1 + len(CLASSES):
                axes.axhline(4.5, color=style.FAINT, linewidth=1)
        style.heading(figure, f"Prediction sets: {measured['split']} set", _under(measured))
    return figure


def risk_coverage(record: dict[str, Any]) -> Figure:
    """Share wrong among the answers against the share answered, surest first; the default of abstention is marked."""
    measured = record["measured"]
    curve, answers = measured["risk_coverage"], measured["answers"]["overall"]
    with style.look():
        figure = style.new_figure(6.6, 5.0)
        axes = figure.add_subplot()
        shares = [p["answered"] for p in curve["points"]]
        axes.plot(shares, [p["risk"] for p in curve["points"]], color=style.ACCENT, label="surest first")
        wrong = curve["at_random"]["value"]
        axes.axhline(wrong, color=style.SOFT, linestyle=":", label=f"in any order: {wrong:.1%} wrong")
        axes.axhline(record["abstention"]["risk"], color=style.WARN, linestyle="--", linewidth=1.2, label="target risk")
        right = answers["accuracy_answered"]
        if right["value"] is not None:
            x, y = answers["answered"], 1 - right["value"]
            if right["low"] is not None:
                axes.vlines(x["value"], 1 - right["high"], 1 - right["low"], color=style.INK, linewidth=1.6)
                axes.hlines(y, x["low"], x["high"], color=style.INK, linewidth=1.6)
            words = f"default: answers {x['value']:.0%}, {y:.1%} of them wrong"
            axes.plot(x["value"], y, "o", color=style.INK, markersize=7, label=words)
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, max(0.12, 1.25 * max(wrong, record["abstention"]["risk"])))
        axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:g}%")
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        axes.set_xlabel("Share of images answered")
        axes.set_ylabel("Wrong among the answers")
        figure.legend(loc="outside lower center", ncols=2)
        area = spoken(curve["aurc"], percent=False)
        style.heading(figure, f"Risk and coverage: {measured['split']} set", f"AURC {area}\n{_under(measured)}")
    return figure


def _diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=style.SOFT, linestyle="--", linewidth=1)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.04)


def _bins(axes: Axes, bins: list[dict[str, float]], colour: str) -> None:
    for each in bins:
        axes.bar((each["bin"] + 0.5) / BINS, each["right"], 0.92 / BINS, color=colour, alpha=0.3)
        axes.vlines(each["said"], each["low"], each["high"], color=colour, linewidth=1.4)
        axes.plot(each["said"], each["right"], "o", color=colour, markersize=5)


def _points(axes: Axes, bins: list[dict[str, float]], colour: str, sign: dict[str, Any]) -> None:
    said, right = (np.array([each[key] for each in bins]) for key in ("said", "right"))
    axes.vlines(said, [b["low"] for b in bins], [b["high"] for b in bins], color=colour, linewidth=1, alpha=0.6)
    axes.plot(said, right, color=colour, linewidth=1, **sign)


def _under(measured: dict[str, Any]) -> str:
    return f"n = {measured['n']} images · {measured['meaning']}"
