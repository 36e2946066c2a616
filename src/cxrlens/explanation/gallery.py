"""Where the network looked when it was right, and when it was wrong, by class."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cxrlens import RESEARCH_ONLY, SYNTHETIC_NOTE
from cxrlens.doubts import Doubts
from cxrlens.errors import CxrlensError, OptionError
from cxrlens.evaluation import headline, style
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS
from cxrlens.evaluation.resampling import clusters
from cxrlens.explanation.heat import choose_layers, heat_maps
from cxrlens.explanation.measured import check_current
from cxrlens.explanation.methods import METHODS, find_method
from cxrlens.explanation.overlay import COLOUR_MAP, overlay
from cxrlens.explanation.scorecard.doubts import Doubter, doubts_of
from cxrlens.explanation.scorecard.maps import Explainer
from cxrlens.folders import RUN_FORMAT, RunFolder, write_atomically, write_json
from cxrlens.labels import CLASSES
from cxrlens.model import load_model
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Pixels
from cxrlens.sources import read_radiograph

SALIENCY_LIMITS = (
    "A heat-map shows where the network's evidence lies, not where the disease is: saliency methods localise "
    "significantly worse than people do (Saporta et al. 2022, Nature Machine Intelligence 4:867)."
)

OVERLAY_SIDE = 320
"""Long side in pixels of an overlay that is kept by itself."""


@dataclass(frozen=True, slots=True)
class GalleryOptions:
    """Which examples to show.

    Args:
        per_class: examples of each true class, right and wrong each.
        method: a key of :data:`cxrlens.explanation.METHODS`.
        seed: picks the right ones at random; the wrong ones are the most confident.

    Raises:
        OptionError: no example a class, or an unknown method.
    """

    per_class: int = 3
    method: str = "grad-cam"
    seed: int = 0

    def __post_init__(self) -> None:
        find_method(self.method)
        if self.per_class < 1:
            raise OptionError("per_class", f"{self.per_class} is no number of examples", "give 1 or more")


@dataclass(frozen=True, slots=True)
class _Example:
    """A film with the heat of the predicted class over it."""

    row: dict[str, Any]
    film: Pixels
    picture: NDArray[np.uint8]
    doubts: Doubts


def gallery(run: RunFolder, options: GalleryOptions = GalleryOptions(), progress: Progress = quiet) -> dict[str, Any]:
    """Draw ``gallery_right.png`` and ``gallery_wrong.png`` by true class, and list them in ``explanations.json``.

    Examples come from the test split; from the most independent one there is where no test was set aside.

    Returns:
        What ``explanations.json`` holds: ``split``, ``method``, ``layer``, ``limits``, ``examples``, ``problems``.

    Raises:
        RunError: no run folder, or one that was not evaluated since it was trained.
    """
    model = load_model(run)
    check_current(run, model)
    predictions = pd.read_csv(run.predictions_path, keep_default_na=False, dtype={"patient_id": str})
    split = headline(predictions)
    rows = predictions[predictions["split"] == split]
    layer = choose_layers(model)[-1:]
    doubter = Doubter(Explainer(model.module, options.method, layer[0][0]), model.size, seed=options.seed)
    chosen = {kind: choose(rows, kind == "right", options) for kind in ("right", "wrong")}
    todo = [(kind, row) for kind, frame in chosen.items() for row in frame.to_dict("records")]
    examples: dict[str, list[_Example]] = {"right": [], "wrong": []}
    problems: list[str] = []
    for kind, row in progress(todo, len(todo), "explaining examples"):
        try:
            radiograph = read_radiograph(Path(str(row["path"])))
        except CxrlensError as error:
            problems.append(str(error))
            continue
        heats = heat_maps(model, radiograph, options.method, str(row["predicted"]), layer)
        about = {str(key): value for key, value in row.items()}
        doubts = doubts_of(doubter, heats, model.classes.index(heats.target))
        picture = overlay(radiograph.pixels, heats.deepest)
        examples[kind].append(_Example(about, radiograph.pixels, picture, doubts))
    where = layer[0][0] if METHODS[options.method].by_layer else "pixels"
    for kind, shown in examples.items():
        count = int((rows["predicted"].eq(rows["label"]) == (kind == "right")).sum())
        figure = _draw(shown, kind, f"{count} of {len(rows)} images of the {split} set", options)
        style.save(figure, run.explanations / f"gallery_{kind}.png", synthetic=run.dataset().synthetic)
    _save_overlays(run, examples)
    record: dict[str, Any] = {
        "format": RUN_FORMAT,
        "split": split,
        "method": options.method,
        "citation": METHODS[options.method].citation,
        "layer": where.removeprefix("network."),
        "limits": SALIENCY_LIMITS,
        "examples": [_listed(e, kind, k) for kind, shown in examples.items() for k, e in enumerate(shown)],
        "problems": problems,
    }
    write_json(run.explanations / "explanations.json", record)
    return record


def choose(rows: pd.DataFrame, right: bool, options: GalleryOptions) -> pd.DataFrame:
    """Examples by true class, one a patient: right ones at random, to be typical; wrong ones the most confident."""
    kind = rows[rows["predicted"].eq(rows["label"]) == right].copy()
    kind["confidence"] = kind[list(PROBABILITY_COLUMNS)].max(axis=1)
    kind["unit"] = clusters(kind)
    kind = kind.sort_values(["confidence", "path"], ascending=[False, True])
    if right:
        kind = kind.sample(frac=1, random_state=options.seed)
    kind = kind.drop_duplicates(["unit", "label"])
    return pd.concat([kind[kind["label"] == label].head(options.per_class) for label in CLASSES])


def _draw(shown: list[_Example], kind: str, among: str, options: GalleryOptions) -> Figure:
    """A row a class; each example is the film and the same film with heat."""
    columns = options.per_class * 2
    how = "picked at random" if kind == "right" else "the most confident mistakes"
    with style.look():
        figure = style.new_figure(1.3 + 1.62 * columns, 1.15 + 2.12 * len(CLASSES))
        title = f"{METHODS[options.method].title} where the network was {kind}: each row a true class"
        flagged = sum(example.doubts.flagged for example in shown)
        subtitle = f"{among}; {how}. Heat is evidence for the class it named. {RESEARCH_ONLY}"
        if flagged:
            subtitle += f"\nOrange frame: the evidence of this map is weak, do not read it ({flagged} of {len(shown)})."
        style.heading(figure, title, subtitle)
        grid = figure.subplots(len(CLASSES), columns, squeeze=False)
        for axes in grid.flat:
            style.no_frame(axes)
            axes.patch.set_visible(False)
        for label, line in zip(CLASSES, grid, strict=True):
            of_class = [e for e in shown if e.row["label"] == label]
            line[0].set_ylabel(label, fontsize=11, fontweight="bold", color=style.CLASS_COLOURS[label])
            if not of_class:
                text = "no example: none was named rightly" if kind == "right" else "no mistake among these"
                words = line[0].text(
                    0, 0.5, text, transform=line[0].transAxes, va="center", fontsize=9, color=style.SOFT
                )
                words.set_in_layout(False)  # it may run over the empty places beside it
            for k, example in enumerate(of_class):
                said = str(example.row["predicted"])
                line[2 * k].imshow(_square(example.film), cmap="gray", vmin=0, vmax=1)
                line[2 * k + 1].imshow(_square(example.picture))
                name = f"{said} {example.row['confidence']:.0%}"
                line[2 * k].set_title(name, color=style.CLASS_COLOURS[said], fontsize=9.5)
                line[2 * k].set_xlabel(_cut(str(example.row["source"]), 22), fontsize=8, loc="left", color=style.SOFT)
                if example.doubts.flagged:
                    _cross_out(line[2 * k + 1], example.doubts)
        scalar = ScalarMappable(Normalize(0, 1), COLOUR_MAP)
        bar = figure.colorbar(scalar, ax=grid, location="right", fraction=0.02, pad=0.01, ticks=[0, 0.5, 1])
        bar.set_label("evidence (1 = highest of each map)", fontsize=9)
        bar.outline.set_visible(False)
    return figure


def _cross_out(axes: Axes, doubts: Doubts) -> None:
    """A frame round the map, and why it should not be read, in the few words that fit under it."""
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(style.WARN)
        spine.set_linewidth(2.5)
    axes.set_xlabel("\n".join(["do not read:", *doubts.short]), fontsize=7, loc="left", color=style.WARN)


def _square(picture: NDArray[Any]) -> NDArray[Any]:
    """The middle square, so that films of all shapes stand in line."""
    height, width = picture.shape[:2]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    return picture[y : y + side, x : x + side]


def _save_overlays(run: RunFolder, examples: dict[str, list[_Example]]) -> None:
    """Each overlay by itself, for pages that set them in lines of their own; named by place, never by patient."""
    about = PngInfo()
    if run.dataset().synthetic:
        about.add_text("Comment", SYNTHETIC_NOTE)
    for kind, shown in examples.items():
        for k, example in enumerate(shown):
            image = Image.fromarray(example.picture)
            image.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            image.save(buffer, "PNG", pnginfo=about)
            write_atomically(run.explanations / _overlay_name(kind, k), buffer.getvalue())


def _overlay_name(kind: str, place: int) -> str:
    return f"example_{kind}_{place:02d}.png"


def _listed(example: _Example, kind: str, place: int) -> dict[str, Any]:
    row = example.row
    probabilities = {c: round(float(row[p]), 6) for c, p in zip(CLASSES, PROBABILITY_COLUMNS, strict=True)}
    words = {key: str(row[key]) for key in ("path", "label", "predicted", "split", "source")}
    pictures = {"gallery": f"gallery_{kind}.png", "overlay": _overlay_name(kind, place)}
    doubts = example.doubts
    weak = {"weak": list(doubts.reasons.values()), "not_checked": list(doubts.unchecked)}
    return {**pictures, **words, "probabilities": probabilities, **weak}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
