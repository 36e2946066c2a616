"""Fitting: a gate for a run, from its training images; limits from its validation images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cxrlens.batches import pack
from cxrlens.errors import CxrlensError, DatasetError, OptionError
from cxrlens.folders import RunFolder
from cxrlens.gate.clouds import cloud_of
from cxrlens.gate.examination import Examined, Examiner, fallen_score
from cxrlens.gate.features import FeatureReader
from cxrlens.gate.gate import Gate
from cxrlens.gate.learn import LearningOptions, learn
from cxrlens.gate.look import look
from cxrlens.gate.made_up import KINDS, made_up
from cxrlens.gate.network import read_films
from cxrlens.gate.novelty import SOFTMAX
from cxrlens.gate.saved import save_gate
from cxrlens.gate.spaces import SPACES
from cxrlens.gate.thresholds import limits_of, quantile_limit
from cxrlens.manifest import kept
from cxrlens.model import LoadedModel, load_model
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Radiograph
from cxrlens.sources.many import read_many

LEAST_TRAINING = 40
LEAST_VALIDATION = 10
"""Images without which a gate would be guesswork."""

_STRANGERS = 330  # made-up pictures that choose the measure of novelty, not those that were learnt from
_REPAIR_LEAST, _MIRRORED_LEAST = 0.8, 0.8


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How a gate is fitted.

    Args:
        false_refusals: share of the validation radiographs that may be refused, all checks together.
        false_repairs: share of them that may be repaired although nothing seems wrong.
        false_mirrored: share of them about which may be warned that they are mirrored.
        learning: of the gate's network.

    Raises:
        OptionError: a share outside [0, 0.5].
    """

    false_refusals: float = 0.01
    false_repairs: float = 0.005
    false_mirrored: float = 0.01
    learning: LearningOptions = field(default_factory=LearningOptions)

    def __post_init__(self) -> None:
        for name in ("false_refusals", "false_repairs", "false_mirrored"):
            value = getattr(self, name)
            if not 0.0 <= value <= 0.5:
                fault = f"{value!r} is no usable share"
                raise OptionError(name.replace("_", " "), fault, "give a number from 0 to 0.5")


def fit_gate(run: RunFolder, options: FitOptions = FitOptions(), progress: Progress = quiet) -> Gate:
    """Fit a gate to a trained run and keep it in ``RUN/gate``. Test and calibration images are not touched.

    Raises:
        RunError: no run folder, or a corrupt one.
        DatasetError: too few training or validation images are left, or the dataset is gone.
    """
    model, dataset = load_model(run), run.dataset()
    rows = kept(dataset.manifest())
    train, validation = (rows[rows["split"] == part].reset_index(drop=True) for part in ("train", "validation"))
    _check_counts(run, len(train), len(validation))
    films, problems = _films(train, progress)
    watched, more = _films(validation, progress)
    _check_counts(run, len(films), len(watched))
    network = learn(films, options.learning, progress)
    repair_at = quantile_limit(fallen_score(read_films(network, watched)[0]), options.false_repairs, _REPAIR_LEAST)

    reader = FeatureReader(model)
    packed = pack(dataset.manifest(), model.preprocessing, dataset.packed_folder, progress)
    here = train[[path in packed for path in train["path"]]]
    features = reader(packed.pixels[packed.rows(list(here["path"]))])
    labels = here["label"].to_numpy(dtype=np.str_)
    clouds = {space: cloud_of(features.spaces[space], labels, options.learning.seed) for space in SPACES}

    examiner = Examiner(reader, network, clouds, f"mahalanobis, {SPACES[0]}", repair_at)
    seen = list(examined(examiner, validation, progress))
    measures = _separation(examiner, seen, made_up(films, _STRANGERS, options.learning.seed + 1))
    measure = max((name for name in measures if name != SOFTMAX), key=lambda name: measures[name])
    examiner = replace(examiner, measure=measure)
    seen = [with_measure(each, measure) for each in seen]
    limits, share = limits_of([each.scores for each in seen], options.false_refusals)
    mirrored = quantile_limit(np.array([each.mirrored for each in seen]), options.false_mirrored, _MIRRORED_LEAST)
    gate = Gate(examiner, limits, mirrored)
    unreadable = len(problems) + len(more)
    save_gate(run, gate, _facts(options, model, dataset.synthetic, (films, watched), measures, share, unreadable))
    return gate


def examined(examiner: Examiner, rows: pd.DataFrame, progress: Progress) -> Sequence[Examined]:
    """Examine the readable images of a manifest's rows, in order; a few in memory at a time."""
    found: list[Examined] = []
    waiting: list[Radiograph] = []
    for _index, read in read_many([Path(path) for path in rows["path"]], progress=progress):
        if not isinstance(read, CxrlensError):
            waiting.append(read)
        if len(waiting) == 32:
            found += [_without_pixels(each) for each in examiner(waiting)]
            waiting = []
    return found + [_without_pixels(each) for each in examiner(waiting)]


def with_measure(seen: Examined, measure: str) -> Examined:
    """The same, with another measure of novelty as the one that counts."""
    if measure not in seen.novelties:
        return seen
    return replace(seen, scores={**seen.scores, "unfamiliar": seen.novelties[measure]})


def _without_pixels(seen: Examined) -> Examined:
    return replace(seen, radiograph=replace(seen.radiograph, pixels=np.zeros((1, 1), dtype=np.float32)))


def _films(rows: pd.DataFrame, progress: Progress) -> tuple[NDArray[np.uint8], list[str]]:
    """(n, 64, 64) of the rows that can be read, and a line for each that cannot."""
    films, problems = [], []
    for _index, read in read_many([Path(path) for path in rows["path"]], progress=progress):
        if isinstance(read, CxrlensError):
            problems.append(read.fault)
        else:
            films.append(look(read).film)
    return np.stack(films) if films else np.zeros((0, 64, 64), np.uint8), problems


def _separation(examiner: Examiner, seen: Sequence[Examined], pictures: NDArray[np.uint8]) -> dict[str, float]:
    """AUROC of each measure of novelty between validation radiographs and made-up pictures."""
    larger = pictures.repeat(2, axis=1).repeat(2, axis=2)
    strange = examiner([Radiograph(np.asarray(p / np.float32(255), dtype=np.float32)) for p in larger])
    known = [each.novelties for each in seen if each.novelties]
    unknown = [each.novelties for each in strange if each.novelties]
    if not known or not unknown:
        return {}
    truth = np.repeat([0, 1], [len(known), len(unknown)])
    return {name: float(roc_auc_score(truth, [each[name] for each in (*known, *unknown)])) for name in known[0]}


def _facts(
    options: FitOptions,
    model: LoadedModel,
    synthetic: bool,
    films: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    measures: dict[str, float],
    share: float,
    unreadable: int,
) -> dict[str, Any]:
    return {
        "model": model.name,
        "synthetic": synthetic,
        "training_images": len(films[0]),
        "validation_images": len(films[1]),
        "unreadable": unreadable,
        "options": asdict(options),
        "made_up_kinds": list(KINDS),
        "novelty_auroc_made_up": {name: round(value, 4) for name, value in measures.items()},
        "validation_refused": round(share, 4),
        "validation_meaning": "share of the validation radiographs refused, on which the limits were set: no measure",
    }


def _check_counts(run: RunFolder, training: int, validation: int) -> None:
    if training < LEAST_TRAINING or validation < LEAST_VALIDATION:
        raise DatasetError(
            run.root,
            f"gives {training} training and {validation} validation images that can be read; "
            f"a gate needs {LEAST_TRAINING} and {LEAST_VALIDATION}",
            "train on a larger dataset, or restore its files",
        )
