"""Pictures of the association: how strong it is, how far it goes, and which classes each source holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cxrlens.evaluation import style
from cxrlens.labels import CLASSES

_MOST_SOURCES = 24


def draw_association(figures: Mapping[str, Any]) -> Figure:
    """V of class and each fact on the left; the classifier without pixels, against chance and the network, right."""
    facts = [f for family in ("source", "file") for f in figures.get(family, {"facts": {}})["facts"].values()]
    facts.sort(key=lambda f: float(f["v"]["value"]))
    with style.look():
        figure = style.new_figure(10.2, 1.6 + 0.34 * max(len(facts), 5))
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
        for y, fact in enumerate(facts):
            v = fact["v"]
            _point(left, y, v, style.WARN if fact["words"] == "the source" else style.ACCENT)
        left.set_yticks(range(len(facts)), [_short(str(f["words"])) for f in facts])
        left.set_xlabel("Cramér's V of class and fact (0 nothing, 1 names it)")
        left.set_title("Each fact by itself")
        blind = figures["blind"]
        rows = [("the network,\nfrom pixels", blind.get("network"), style.SOFT)]
        rows += [
            (words, blind[key]["balanced_accuracy"], style.WARN)
            for key, words in (("files_and_source", "file's facts\nand source"), ("files", "file's facts"))
            if key in blind
        ]
        rows = [(name, value, ink) for name, value, ink in rows if value and value["value"] is not None]
        for y, (_, value, ink) in enumerate(reversed(rows)):
            _point(right, y, value, ink)
        right.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
        right.set_title("All facts together")
        if "chance" in blind:
            right.axvline(blind["chance"], color=style.SOFT, linestyle="--", linewidth=1)
            about = {"ha": "center", "va": "top", "fontsize": 8, "color": style.SOFT}
            right.text(blind["chance"], len(rows) - 0.35, "chance", backgroundcolor="white", **about)
            right.set_xlabel(f"Balanced accuracy on {blind['part']}, n = {blind['n']:,}")
        else:
            right.text(0.5, 0.5, "cannot be measured here", transform=right.transAxes, ha="center", color=style.SOFT)
        for axes, count in ((left, len(facts)), (right, len(rows))):
            axes.set_xlim(0, 1.0)
            axes.set_ylim(-0.6, max(count, 1) - 0.3)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x")
            axes.set_axisbelow(True)
        style.heading(
            figure, "What names the class before anybody looks at the film?", f"{figures['n']:,} images, 95 % intervals"
        )
    return figure


def draw_class_by_source(table: pd.DataFrame) -> Figure:
    """A bar a source, cut by class, the largest source on top; small ones beyond the first few are one bar."""
    counts = pd.crosstab(table["source"], table["label"]).reindex(columns=list(CLASSES), fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values(ascending=False).index]
    if len(counts) > _MOST_SOURCES:
        rest = counts.iloc[_MOST_SOURCES - 1 :]
        counts = counts.iloc[: _MOST_SOURCES - 1]
        counts.loc[f"{len(rest)} smaller sources"] = rest.sum()
    with style.look():
        figure = style.new_figure(9.0, 1.7 + 0.36 * len(counts))
        axes = figure.subplots()
        shares = counts.to_numpy() / counts.to_numpy().sum(axis=1, keepdims=True)
        start = np.zeros(len(counts))
        places = np.arange(len(counts))[::-1]
        for k, label in enumerate(CLASSES):
            axes.barh(places, shares[:, k], left=start, color=style.CLASS_COLOURS[label], label=label, height=0.72)
            for y, x, share, n in zip(places, start, shares[:, k], counts[label], strict=True):
                if share > 0.06:
                    axes.text(x + share / 2, y, f"{n:,}", ha="center", va="center", color="white", fontsize=8)
            start = start + shares[:, k]
        axes.set_yticks(places, [_clipped(str(name)) for name in counts.index])
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
        style.heading(figure, "Which classes does each source hold?", f"{len(table):,} images; share and number")
    return figure


def _point(axes: Axes, y: int, value: Mapping[str, Any], colour: str) -> None:
    if value["low"] is not None:
        axes.plot([value["low"], value["high"]], [y, y], color=colour, linewidth=2)
    axes.plot(value["value"], y, "o", color=colour, markersize=6)
    beyond = value["high"] if value["high"] is not None else value["value"]
    inside = beyond < 0.88
    x, side = (beyond + 0.02, "left") if inside else ((value["low"] or value["value"]) - 0.02, "right")
    axes.text(x, y, f"{value['value']:.2f}", va="center", ha=side, fontsize=9)


def _short(words: str) -> str:
    cut = words.removeprefix("the ").replace(" (EXIF, comments)", "").replace("what else is ", "what is ")
    return cut.replace("share of the height that is uniform border", "border, share of height").replace(
        "share of the width that is uniform border", "border, share of width"
    )


def _clipped(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:25]}…"
