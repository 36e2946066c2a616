"""The picture of broken promises: coverage on sources that the network has never seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from cxrlens.evaluation import style


def draw_left_out_coverage(sources: Sequence[Mapping[str, Any]], promise: float) -> Figure:
    """A row a source: coverage there, coverage inside, and how right the answers given there are.

    Args:
        sources: ``source`` and the record of :func:`cxrlens.evaluation.calibration.shift.shift_coverage` each, the
            worst first.
        promise: coverage that was promised.
    """
    with style.look():
        figure = style.new_figure(9.2, 1.9 + 0.48 * len(sources))
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
        for y, each in enumerate(sources):
            first = y == 0
            outside = each["outside"]
            _dot(left, outside["sets"]["overall"]["coverage"], y, style.WARN, "never seen" if first else None)
            inside = each.get("inside")
            if inside:
                value = inside["sets"]["overall"]["coverage"]["value"]
                words = "sources that the same network knows" if first else None
                left.plot(value, y, "|", color=style.ACCENT, markersize=15, markeredgewidth=2.4, label=words)
                known = inside["answers"]["overall"]["accuracy_answered"]["value"]
                if known is not None:
                    right.plot(known, y, "|", color=style.ACCENT, markersize=15, markeredgewidth=2.4)
            answers = outside["answers"]["overall"]
            _dot(right, answers["accuracy_answered"], y, style.WARN, None)
        left.axvline(promise, color=style.SOFT, linestyle="--", linewidth=1.4, label=f"promised: {promise:.0%}")
        answered = [each["outside"]["answers"]["overall"]["answered"]["value"] for each in sources]
        names = [
            f"{each['source']}\nn = {each['outside']['n']}, {share:.0%} answered"
            for each, share in zip(sources, answered, strict=True)
        ]
        left.set_yticks(range(len(sources)), names)
        left.set_ylim(len(sources) - 0.4, -0.6)
        for axes, words in ((left, "Share of sets that hold the truth"), (right, "Right among the answers given")):
            axes.set_xlim(-0.02, 1.02)
            axes.grid(visible=True, axis="x")
            axes.set_axisbelow(True)
            axes.set_xlabel(words)
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        under = "calibrated on sources that each network knows, measured on the one left out of its training"
        style.heading(figure, "The promise on sources never seen", under)
    return figure


def _dot(axes: Any, interval: Mapping[str, Any], y: int, colour: str, label: str | None) -> None:
    if interval["value"] is None:
        axes.text(0.5, y, "no answer given", ha="center", va="center", fontsize=8.5, color=style.SOFT)
        return
    if interval["low"] is not None:
        axes.hlines(y, interval["low"], interval["high"], color=colour, linewidth=2.2)
    axes.plot(interval["value"], y, "o", color=colour, markersize=7, label=label)
