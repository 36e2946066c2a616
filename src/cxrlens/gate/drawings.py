"""Drawings: what the gate does to each kind of picture, how well each method separates, and what it wrongly refused."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cxrlens.errors import CxrlensError
from cxrlens.evaluation import style
from cxrlens.folders import RunFolder, read_json
from cxrlens.sources import read_radiograph

OUTCOMES, METHODS, REFUSED = "gate_outcomes.png", "gate_methods.png", "gate_refused.png"

_COLOURS = {"pass": "#0072B2", "repaired": "#E69F00", "refused": "#6B6B6B"}
_WORDS = {"pass": "passes", "repaired": "repaired", "refused": "refused"}
_MOST = 12


def draw_gate(run: RunFolder) -> list[Path]:
    """Draw what ``measure_gate`` left in ``RUN/gate``, into the same folder; no sheet where no film was refused."""
    figures = read_json(run.gate / "measured.json")
    judged = pd.read_csv(run.gate / "judged.csv", keep_default_na=False, dtype={"reasons": str, "path": str})
    synthetic = bool(figures["synthetic"])
    drawn = [(outcomes(judged), OUTCOMES), (methods(figures), METHODS)]
    paths = [style.save(figure, run.gate / name, synthetic=synthetic) for figure, name in drawn]
    (run.gate / REFUSED).unlink(missing_ok=True)
    sheet = refused_films(judged)
    if sheet is not None:
        paths.append(style.save(sheet, run.gate / REFUSED, synthetic=synthetic))
    return paths


def outcomes(judged: pd.DataFrame) -> Figure:
    """A bar a kind of picture: the share that passes, is repaired, is refused."""
    kinds = list(dict.fromkeys(zip(judged["group"], judged["kind"], strict=True)))
    order = {"radiograph": 0, "altered": 1, "stranger": 2}
    kinds.sort(key=lambda pair: order[pair[0]])
    with style.look():
        figure = style.new_figure(7.6, 1.5 + 0.34 * len(kinds))
        axes = figure.add_subplot()
        for row, (group, kind) in enumerate(kinds):
            rows = judged[(judged["group"] == group) & (judged["kind"] == kind)]
            left, place = 0.0, row + 0.5 * order[group]
            for status, colour in _COLOURS.items():
                share = float((rows["status"] == status).mean())
                axes.barh(place, share, left=left, color=colour, height=0.74, label=_WORDS[status] if not row else None)
                if share >= 0.08:
                    ink = style.INK if status == "repaired" else "white"
                    axes.text(left + share / 2, place, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=8)
                left += share
        places = [row + 0.5 * order[group] for row, (group, _kind) in enumerate(kinds)]
        axes.set_yticks(places, [_named(judged, group, kind) for group, kind in kinds])
        axes.invert_yaxis()
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside lower center", ncols=3)
        style.heading(
            figure,
            "What the gate does",
            "Held-out radiographs as they are (top), altered (middle), and pictures that are no chest film (bottom), "
            "of kinds that were not used to fit the gate. A mirrored film is warned of, not repaired.",
        )
    return figure


def methods(figures: dict[str, Any]) -> Figure:
    """AUROC and FPR at 95 % TPR of every method, all strangers together, with 95 % intervals."""
    block = figures["strangers"]["all kinds"]
    names = list(block["methods"])
    with style.look():
        figure = style.new_figure(8.2, 1.7 + 0.42 * len(names))
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, key, title in ((left, "auroc", "AUROC"), (right, "fpr95", "FPR at 95 % TPR")):
            for place, name in enumerate(names):
                found = block["methods"][name][key]
                if found["value"] is None:
                    continue
                colour = style.ACCENT if place < 2 or block["methods"][name]["default"] else style.SOFT
                if found["low"] is not None:
                    axes.plot([found["low"], found["high"]], [place, place], color=colour, linewidth=3, alpha=0.45)
                axes.plot(found["value"], place, "o", color=colour)
                near = found["value"] > 0.5
                text = f"  {found['value']:.3f}  "
                axes.annotate(text, (found["value"], place), (0, 7), textcoords="offset points", fontsize=8,
                              ha="right" if near else "left", color=colour)  # fmt: skip
            axes.set_xlim(-0.03, 1.03)
            axes.set_title(title)
            axes.grid(axis="x")
        left.set_yticks(range(len(names)), [f"{n} (used)" if block["methods"][n]["default"] else n for n in names])
        left.set_ylim(len(names) - 0.5, -0.7)
        style.heading(
            figure,
            "Telling what is no chest film",
            f"{figures['radiographs']['n']} held-out radiographs against {block['n']} other pictures cut from "
            f"{block['units']}. AUROC: higher is better. FPR: others accepted where 95 % of radiographs are.",
        )
    return figure


def refused_films(judged: pd.DataFrame) -> Figure | None:
    """Up to twelve held-out radiographs that were refused, each with the reason; none where there is none."""
    rows = judged[(judged["group"] == "radiograph") & (judged["status"] == "refused")]
    shown = []
    for _index, row in rows.iterrows():
        try:
            shown.append((row, _thumbnail(Path(str(row["path"])))))
        except CxrlensError:
            continue
        if len(shown) == _MOST:
            break
    if not shown:
        return None
    columns = min(4, len(shown))
    lines = -(-len(shown) // columns)
    with style.look():
        figure = style.new_figure(max(6.0, 2.3 * columns), 1.0 + 3.0 * lines)
        for place, (row, picture) in enumerate(shown):
            axes = figure.add_subplot(lines, columns, place + 1)
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
            style.no_frame(axes)
            reason = str(row["reasons"]).split("; ")[0].split(": ")[0]
            axes.set_xlabel("\n".join([f"{row['label']}, {row['source']}", *textwrap.wrap(reason, 31)]), fontsize=7.5)
        said = f"{len(rows)} of {int((judged['group'] == 'radiograph').sum())} held-out radiographs"
        style.heading(
            figure, "Radiographs that the gate refused", f"{said}; {len(shown)} shown, in the manifest's order."
        )
    return figure


def _thumbnail(path: Path) -> Any:
    pixels = read_radiograph(path).pixels
    scale = 220 / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.clip(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), 0, 1)


def _named(judged: pd.DataFrame, group: str, kind: str) -> str:
    count = int(((judged["group"] == group) & (judged["kind"] == kind)).sum())
    return f"{'radiographs, ' if group == 'radiograph' else ''}{kind} (n = {count})"
