"""The picture of leave-one-source-out: what is reached on each unseen source, beside the known ones and chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from cxrlens.evaluation import style


def draw_left_out(figures: Mapping[str, Any]) -> Figure:
    """A row a source, the worst at the top; from the figures of the part."""
    entries = list(figures["sources"])
    with style.look():
        figure = style.new_figure(8.2, 2.3 + 0.5 * len(entries))
        axes = figure.add_subplot()
        for y, entry in enumerate(reversed(entries)):
            value, inside = entry["mean_recall"], entry["internal"]
            axes.plot([inside["value"]] * 2, [y - 0.3, y + 0.3], color=style.SOFT, linewidth=3, solid_capstyle="butt")
            if value["low"] is not None:
                axes.plot([value["low"], value["high"]], [y, y], color=style.WARN, linewidth=2)
            axes.plot(value["value"], y, "o", color=style.WARN, markersize=8)
            axes.text(1.04, y, f"{value['value']:.2f}", va="center", ha="left", fontsize=9.5, color=style.INK)
        axes.axvline(figures["chance"], color=style.SOFT, linestyle="--", linewidth=1)
        axes.plot([], [], "o-", color=style.WARN, label="source left out (95 % interval)")
        axes.plot([], [], color=style.SOFT, linewidth=3, label="same network, test part of the sources it knows")
        axes.plot([], [], color=style.SOFT, linestyle="--", linewidth=1, label="chance")
        names = [f"{e['source']}  (n = {e['n']:,}; {_classes(e)})" for e in reversed(entries)]
        axes.set_yticks(range(len(entries)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, 1.02)
        axes.set_ylim(-0.6, len(entries) - 0.4)
        axes.set_xlabel("Mean recall over the classes that the source has")
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower left", ncols=1)
        made = f"{figures['network']}, {figures['size']} px, {figures['epochs']} epochs, seed {figures['seed']}"
        style.heading(figure, "Leave one source out", f"Each row is a network trained without that source: {made}.")
    return figure


def _classes(entry: Mapping[str, Any]) -> str:
    short = {"Normal": "N", "COVID-19": "C", "Pneumonia": "P", "Tuberculosis": "T"}
    return "+".join(short.get(label, label) for label in entry["classes"])
