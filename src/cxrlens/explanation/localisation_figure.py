"""Bars with intervals: heat-maps against priors that see no image."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from cxrlens.evaluation import style

TITLES: dict[str, str] = {
    "pointing": "Hottest pixel in the lesion",
    "pointing_15px": "Hottest pixel within 15 px of it",
    "energy": "Share of heat in the lesion",
}

PRIORS: dict[str, str] = {
    "uniform": "uniform over the image",
    "centre": "Gaussian at the centre",
    "lungs": "uniform over the lungs",
}


def localisation_figure(record: dict[str, Any], title: str) -> Figure:
    """One panel a score; a bar for each layer and each prior, with its 95 % interval by patient.

    Args:
        record: what ``localisation.json`` holds.
        title: the method's title.
    """
    bars = [(name, entry, style.ACCENT) for name, entry in record["maps"].items()]
    bars += [(PRIORS.get(name, name), entry, style.SOFT) for name, entry in record["priors"].items()]
    with style.look():
        figure = style.new_figure(10.4, 1.9 + 0.42 * len(bars))
        panels = figure.subplots(1, len(TITLES), sharey=True)
        for axes, (score, words) in zip(panels, TITLES.items(), strict=True):
            for y, (_, entry, colour) in enumerate(bars):
                interval = entry[score]
                if interval["value"] is None:
                    continue
                axes.barh(y, interval["value"], 0.62, color=colour, alpha=0.85)
                end = interval["value"]
                if interval["low"] is not None:
                    axes.hlines(y, interval["low"], interval["high"], color=style.INK, linewidth=1.6)
                    end = max(end, interval["high"])
                axes.text(end + 0.02, y, f"{interval['value']:.2f}", va="center", fontsize=9)
            axes.set_title(words, fontsize=10)
            axes.set_xlim(0, 1.12)
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
            axes.grid(visible=True, axis="x")
            axes.set_axisbelow(True)
            axes.axhline(len(record["maps"]) - 0.5, color=style.SOFT, linewidth=0.8, linestyle=":")
        panels[0].set_yticks(range(len(bars)), [f"{name} (n = {entry['n']})" for name, entry, _ in bars])
        panels[0].set_ylim(len(bars) - 0.5, -0.5)
        splits = ", ".join(f"{count} {split}" for split, count in record["splits"].items())
        subtitle = (
            f"{title} for the true class, by layer, against priors that see no image (grey). n = {record['n']} "
            f"images with lesions ({splits}), none trained on; lines are 95% intervals by patient.\n{record['limits']}"
        )
        style.heading(figure, "Does the heat lie on the lesion?", subtitle)
    return figure
