"""Which held-out films the scorecard looks at, and what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from cxrlens.errors import CxrlensError, OptionError, RunError
from cxrlens.evaluation.blocks import Bootstrap, mean_interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.explanation.lesions import Annotated, Mask, read_annotations
from cxrlens.explanation.localisation import HELD_OUT
from cxrlens.explanation.methods import METHODS, find_method
from cxrlens.explanation.scorecard.lungs_of import find_lungs
from cxrlens.folders import RunFolder
from cxrlens.labels import NORMAL
from cxrlens.manifest import kept
from cxrlens.model import LoadedModel
from cxrlens.preprocessing import Placement, to_model_input
from cxrlens.progress import Progress, quiet
from cxrlens.sources import read_radiograph
from cxrlens.sources.synthetic import is_synthetic


@dataclass(frozen=True, slots=True)
class ScorecardOptions:
    """How thorough the scorecard is.

    Args:
        images: held-out films looked at, spread over class and source.
        few: films among them for the tests that make many maps of each: random weights, small moves. A method that
            looks at pixels takes a hundred times as long as one that looks at a layer, and gets half as many.
        resamples: of the bootstrap by patient.
        seed: of everything drawn at random.
        methods: keys of :data:`cxrlens.explanation.METHODS`; the first one is the one that users see by default.
        annotations: table of lesion and lung masks; without it nothing is said of lesions.
        root: folder that its paths are relative to; found by itself where ``None``.
        other_run: the same network trained with another seed, for repeatability.

    Raises:
        OptionError: too few images or resamples, an unknown method, or none.
    """

    images: int = 100
    few: int = 24
    resamples: int = 1000
    seed: int = 0
    methods: tuple[str, ...] = tuple(METHODS)
    annotations: Path | None = None
    root: Path | None = None
    other_run: Path | None = None

    def __post_init__(self) -> None:
        for name, least in (("images", 4), ("few", 4), ("resamples", 100)):
            value = getattr(self, name)
            if value < least:
                raise OptionError(name, f"{value} are too few for an interval", f"ask for {least} or more")
        if not self.methods:
            raise OptionError("methods", "names no method", f"use some of {', '.join(METHODS)}")
        for method in self.methods:
            find_method(method)


@dataclass(frozen=True, slots=True)
class Film:
    """One held-out film.

    Args:
        row: its row of the manifest.
        frame: (S, S) uint8, as the network sees it.
        placement: where its pixels lie in the frame.
        lesion: (H, W) of the original, ``None`` where nobody drew one.
        drawn_lungs: (S, S) of the frame, ``None`` where nobody drew them.
        synthetic: a phantom.
    """

    row: dict[str, str]
    frame: NDArray[np.uint8]
    placement: Placement
    lesion: Mask | None
    drawn_lungs: Mask | None
    synthetic: bool


@dataclass(frozen=True)
class Sample:
    """Films, their frames as one array, and how figures are averaged over their patients.

    Args:
        films: in an order that runs through classes and sources in turn, so that the first few are spread as all are.
        found_lungs: (S, S) of each, ``None`` where the segmenter found nothing like two lungs.
        bootstrap: resamples and seed.
        problems: films that could not be read, a line each.
    """

    films: list[Film]
    found_lungs: list[Mask | None]
    bootstrap: Bootstrap
    problems: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.films)

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(n, S, S) uint8."""
        return np.stack([film.frame for film in self.films])

    @property
    def pixels(self) -> Tensor:
        """(n, 1, S, S) float32 in [0, 1]."""
        return torch.from_numpy(to_model_input(self.frames))

    @property
    def rows(self) -> pd.DataFrame:
        """Rows of the manifest."""
        return pd.DataFrame([film.row for film in self.films])

    def mean(
        self, values: NDArray[np.float64], which: Sequence[int] | NDArray[np.intp] | None = None, *, share: bool = False
    ) -> dict[str, object]:
        """Mean of the values that are numbers, with its 95 % interval by patient, for JSON.

        Args:
            values: (m,) one for each film of ``which``.
            which: numbers of the films; the first m where ``None``.
            share: they are shares in [0, 1].
        """
        chosen = np.arange(len(values)) if which is None else np.asarray(which, dtype=int)
        known = np.isfinite(values)
        if not known.any():
            return mean_interval(values[:0], np.zeros(0, dtype=np.intp), self.bootstrap).to_dict()
        units = clusters(self.rows.iloc[chosen[known]])
        return mean_interval(values[known], units, self.bootstrap, share=share).to_dict()


def draw_sample(run: RunFolder, model: LoadedModel, options: ScorecardOptions, progress: Progress = quiet) -> Sample:
    """Films that were not trained on, spread over class and source, with their masks.

    Films with a marked lesion come first as long as they are at most half of all; the rest is drawn in turn from each
    class and source, those with outlined lungs first, one a patient as far as that goes.

    Raises:
        RunError: no film held out, or none that can be read.
        DatasetError: no such table of annotations.
    """
    manifest = kept(run.dataset().manifest())
    rows = manifest[manifest["split"].isin(HELD_OUT)].copy()
    if rows.empty:
        raise RunError(run.root, "has no image that was not trained on", "split the dataset with a test part")
    lesions, lungs = _masks(options)
    places = {path: str(Path(path).resolve()) for path in rows["path"]}
    rows["lesion"] = rows["path"].map(lambda path: places[path] in lesions) & (rows["label"] != NORMAL)
    rows["lungs"] = [places[p] in lungs for p in rows["path"]]
    chosen = choose(rows, options)
    films: list[Film] = []
    problems: list[str] = []
    records = [{str(k): v for k, v in record.items()} for record in chosen.to_dict("records")]
    for record in progress(records, len(records), "reading held-out films"):
        place = places[str(record["path"])]
        try:
            drawn = (lesions.get(place) if record["lesion"] else None), lungs.get(place)
            films.append(_film(model, {str(k): str(v) for k, v in record.items()}, *drawn))
        except (CxrlensError, OSError) as error:
            problems.append(str(error))
    if not films:
        raise RunError(run.root, f"has no held-out image that can be read; the first: {problems[0]}", "mend them")
    found = find_lungs(np.stack([film.frame for film in films]))
    return Sample(films, found, Bootstrap(options.resamples, options.seed), problems)


def choose(rows: pd.DataFrame, options: ScorecardOptions) -> pd.DataFrame:
    """``options.images`` rows in turn from every class and source.

    Args:
        rows: held-out rows of a manifest with ``lesion`` and ``lungs``, true where a mask is at hand.
        options: how many, and the seed.
    """
    mixed = rows.sample(frac=1, random_state=options.seed)
    mixed["again"] = mixed.groupby(clusters(mixed)).cumcount()
    marked = mixed[mixed["lesion"]]
    first = marked if len(marked) * 2 <= options.images else marked.iloc[:0]
    rest = mixed.drop(first.index).sort_values(["again", "lungs"], ascending=[True, False], kind="stable")
    need = max(0, options.images - len(first))
    chosen = pd.concat([first, _in_turn(rest).head(need)])
    return _in_turn(chosen).drop(columns=["again", "turn"], errors="ignore")


def _in_turn(rows: pd.DataFrame) -> pd.DataFrame:
    """The first of every class and source, then the second of every one, and so on."""
    turn = rows.groupby(["label", "source"], sort=False).cumcount()
    return rows.assign(turn=turn).sort_values("turn", kind="stable")


def _masks(options: ScorecardOptions) -> tuple[dict[str, Annotated], dict[str, Annotated]]:
    """Lesions and lungs by absolute path."""
    if options.annotations is None:
        return {}, {}
    table, root = options.annotations, options.root
    lesions = {str(a.path): a for a in read_annotations(table, root)}
    return lesions, {str(a.path): a for a in read_annotations(table, root, of="lungs")}


def _film(model: LoadedModel, row: dict[str, str], lesion: Annotated | None, lungs: Annotated | None) -> Film:
    radiograph = read_radiograph(Path(row["path"]))
    shape = (radiograph.height, radiograph.width)
    placement = model.preprocessing.placement(radiograph)
    marked = lesion.lesion_mask(shape) if lesion is not None else None
    outlined = lungs.lung_mask(shape) if lungs is not None else None
    return Film(
        row,
        model.preprocessing(radiograph),
        placement,
        marked if marked is not None and marked.any() else None,
        placement.mask_to_frame(outlined) if outlined is not None and outlined.any() else None,
        is_synthetic(Path(row["path"])),
    )
