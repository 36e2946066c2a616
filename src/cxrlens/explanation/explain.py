"""``explain``: a picture of where the network looked, for each image given."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cxrlens import RESEARCH_ONLY, SYNTHETIC_NOTE
from cxrlens.errors import CxrlensError, OptionError, UnreadableImageError
from cxrlens.evaluation import style
from cxrlens.explanation.heat import choose_layers, heat_maps
from cxrlens.explanation.measured import measured_on
from cxrlens.explanation.methods import METHODS, find_method
from cxrlens.explanation.overlay import overlay
from cxrlens.explanation.scorecard.doubts import Doubter, doubts_of
from cxrlens.explanation.scorecard.maps import Explainer
from cxrlens.explanation.sheet import Caption, sheet
from cxrlens.folders import RunFolder, write_atomically
from cxrlens.labels import CLASSES
from cxrlens.model import load_model
from cxrlens.progress import Progress, quiet
from cxrlens.sources import read_radiograph
from cxrlens.sources.synthetic import is_synthetic


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What to explain and how.

    Args:
        method: a key of :data:`cxrlens.explanation.METHODS`.
        target: the class to explain; the predicted one where ``None``.
        layers: names of modules; the last convolutional blocks where ``None``.
        out: folder for the pictures; the run's ``explanations`` where ``None``.

    Raises:
        OptionError: unknown method or class.
    """

    method: str = "grad-cam"
    target: str | None = None
    layers: tuple[str, ...] | None = None
    out: Path | None = None

    def __post_init__(self) -> None:
        find_method(self.method)
        if self.target is not None and self.target not in CLASSES:
            raise OptionError(f"class '{self.target}'", "is not known", f"use one of {', '.join(CLASSES)}")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What came of one image.

    Args:
        path: the image.
        predicted: the class with the highest probability; blank where there is a problem.
        probabilities: of each class.
        target: the class that was explained.
        layers: names of the maps, shallow to deep.
        figure: the sheet: original, overlays, colour bar.
        overlay: the deepest map over the film, at the original size, nothing else.
        problem: why there is nothing, or ``None``.
        measured: what the probabilities were measured on.
        weak: why the last map should not be read, a reason each; empty where nothing speaks against it.
    """

    path: Path
    predicted: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    target: str = ""
    layers: tuple[str, ...] = ()
    figure: Path | None = None
    overlay: Path | None = None
    problem: CxrlensError | None = None
    measured: str = ""
    weak: tuple[str, ...] = ()


def explain(
    run: RunFolder,
    images: Sequence[Path],
    options: ExplainOptions = ExplainOptions(),
    progress: Progress = quiet,
) -> list[Explanation]:
    """Explain each image; one that cannot be read has a ``problem`` and never stops the rest.

    Writes for each ``<name>_<method>_<class>.png`` (a sheet) and ``…_overlay.png`` (at the original size).

    Raises:
        RunError: no run folder, or a corrupt one.
        OptionError: a layer that the network does not have.
    """
    model = load_model(run)
    layers = choose_layers(model, options.layers)
    folder = options.out or run.explanations
    measured = measured_on(run, model)
    doubter = Doubter(Explainer(model.module, options.method, layers[-1][0]), model.size)
    taken: set[str] = set()
    results: list[Explanation] = []
    for path in progress(images, len(images), "explaining"):
        try:
            radiograph = read_radiograph(path)
            heats = heat_maps(model, radiograph, options.method, options.target, layers)
            stem = _free_name(f"{path.stem}_{_plain(options.method)}_{_plain(heats.target)}", taken)
            doubts = doubts_of(doubter, heats, model.classes.index(heats.target))
            title, unchecked = METHODS[options.method].title, doubts.unchecked_sentence
            caption = Caption(path.name, title, measured, RESEARCH_ONLY, doubts.sentence, unchecked)
            drawn, synthetic = sheet(radiograph.pixels, heats, caption), is_synthetic(path)
            figure = style.save(drawn, folder / f"{stem}.png", cropped=False, synthetic=synthetic)
            bare = folder / f"{stem}_overlay.png"
            buffer = io.BytesIO()
            about = PngInfo()
            if synthetic:
                about.add_text("Comment", SYNTHETIC_NOTE)
            Image.fromarray(overlay(radiograph.pixels, heats.deepest)).save(buffer, format="PNG", pnginfo=about)
            write_atomically(bare, buffer.getvalue())
        except CxrlensError as error:
            results.append(Explanation(path, problem=error))
        except OSError as error:
            fault = f"cannot be explained ({error})"
            problem = UnreadableImageError(path, fault, "check the file, and the space left on the disk")
            results.append(Explanation(path, problem=problem))
        else:
            names = tuple(heats.maps)
            found = (heats.predicted, heats.probabilities, heats.target, names, figure, bare)
            results.append(Explanation(path, *found, measured=measured, weak=tuple(doubts.reasons.values())))
    return results


def _plain(name: str) -> str:
    """Letters, digits and hyphens only, for a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower().replace("++", "-plus-plus")).strip("-")


def _free_name(stem: str, taken: set[str]) -> str:
    """The stem, numbered where an earlier image of this call has it already."""
    name, number = stem, 2
    while name.lower() in taken:
        name, number = f"{stem}_{number}", number + 1
    taken.add(name.lower())
    return name
