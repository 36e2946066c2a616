"""The scorecard as one picture: how likeness falls as the network forgets, and each method beside its baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlens.evaluation import style
from cxrlens.explanation.scorecard.lesions_hit import KINDS

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#7A5C00", "#333333")
MARKS = ("o", "s", "^", "D", "v", "P")


def scorecard_figure(record: Mapping[str, Any]) -> Figure:
    """Panels of the five questions; a colour and a mark a method, grey for baselines, lines are 95 % intervals.

    Args:
        record: what ``scorecard.json`` holds.
    """
    methods = record["methods"]
    kinds = [kind for kind in KINDS if record["lesions"][kind]]
    with style.look():
        figure = style.new_figure(11.5, 8.6)
        panels = figure.subplots(2, 3)
        _cascade(panels[0, 0], methods)
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=9)
        _pairs(
            panels[0, 1],
            {m: _deletion(b["following"]["deletion"]) for m, b in methods.items()},
            methods,
            "Drop by hiding what is hot",
        )
        if kinds:
            kind = kinds[0]
            found = record["lesions"][kind]
            rows = {
                m: [(found["maps"][m]["energy"], ""), (found["priors"]["centre"]["energy"], "centre")] for m in methods
            }
            _pairs(panels[0, 2], rows, methods, f"Share of heat in {KINDS[kind]} (n = {found['n']})")
        else:
            _nothing(panels[0, 2], "Share of heat in lesions", "no held-out film has a lesion marked")
        lungs = {
            m: [(b["lungs"]["share"], ""), (b["lungs"]["area"], "area")] for m, b in methods.items() if b["lungs"]["n"]
        }
        if lungs:
            _pairs(panels[1, 0], lungs, methods, "Share of heat in the lungs")
        else:
            _nothing(panels[1, 0], "Share of heat in the lungs", "no lungs are known in these films")
        for axes, key, title in (
            (panels[1, 1], "shifts", "Likeness after a small move"),
            (panels[1, 2], "seeds", "Likeness in a second network"),
        ):
            rows = {
                m: [(b[key]["rank"], ""), (b[key]["another_film"], "other")]
                for m, b in methods.items()
                if "rank" in b[key]
            }
            if rows:
                _pairs(axes, rows, methods, title)
            else:
                _nothing(axes, title, "not measured: give a second run\nwith --other-run")
        subtitle = (
            f"{record['meaning']}. Grey marks are baselines: the same heat elsewhere (×), edges (+), a blob in the "
            f"middle (◇), the lungs' share of the film, another film's map. Lines are 95% intervals by patient."
        )
        style.heading(figure, "Can the heat-maps be believed?", subtitle)
    return figure


def _cascade(axes: Axes, methods: Mapping[str, Any]) -> None:
    for k, block in enumerate(methods.values()):
        stages = block["weights"]["stages"]
        x = [0.0, *(100 * s["randomised"] / s["of"] for s in stages)]
        y = [1.0, *(s["rank"]["value"] for s in stages)]
        low = [1.0, *(_end(s["rank"], "low") for s in stages)]
        high = [1.0, *(_end(s["rank"], "high") for s in stages)]
        axes.plot(x, y, color=COLOURS[k % 6], marker=MARKS[k % 6], markersize=5, label=block["title"])
        axes.fill_between(x, low, high, color=COLOURS[k % 6], alpha=0.12, linewidth=0)
    axes.axhline(0, color=style.SOFT, linewidth=0.8, linestyle=":")
    axes.set_title("Likeness as the network forgets", fontsize=10)
    axes.set_xlabel("% of layers random, from the top")
    axes.set_ylabel("rank correlation with the map")


Row = list[tuple[Mapping[str, Any], str]]
_SIGNS = {"elsewhere": "x", "edges": "+", "centre": "D", "area": "|", "other": "|"}


def _pairs(axes: Axes, rows: Mapping[str, Row], methods: Mapping[str, Any], title: str) -> None:
    names = list(methods)
    for method, row in rows.items():
        y, k = names.index(method), names.index(method)
        for interval, rival in row:
            if interval["value"] is None:
                continue
            colour = style.SOFT if rival else COLOURS[k % 6]
            at = y + (0.24 if rival else 0.0)
            if interval["low"] is not None:
                axes.hlines(at, interval["low"], interval["high"], color=colour, linewidth=0.9 if rival else 1.8)
            sign = _SIGNS[rival] if rival else MARKS[k % 6]
            hollow = "none" if rival == "centre" else colour
            axes.plot(interval["value"], at, sign, color=colour, markersize=6, markerfacecolor=hollow)
    axes.set_yticks(np.arange(len(names)), [methods[m]["title"] for m in names], fontsize=8.5)
    axes.set_ylim(len(names) - 0.4, -0.5)
    axes.grid(visible=True, axis="x")
    axes.set_axisbelow(True)
    axes.axvline(0, color=style.SOFT, linewidth=0.8, linestyle=":")
    axes.set_title(title, fontsize=10)


def _deletion(found: Mapping[str, Any]) -> Row:
    return [(found["drop"], ""), *((interval, rival) for rival, interval in found["rivals"].items())]


def _nothing(axes: Axes, title: str, why: str) -> None:
    style.no_frame(axes)
    axes.set_title(title, fontsize=10)
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, fontsize=9, color=style.SOFT)


def _end(interval: Mapping[str, Any], end: str) -> float:
    return float(interval["value"] if interval[end] is None else interval[end])
