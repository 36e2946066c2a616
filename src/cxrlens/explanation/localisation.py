"""Does the heat lie on the lesion? Pointing game and energy inside the mask, against priors that see no image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrlens.doubts.likeness import centre_prior
from cxrlens.errors import CxrlensError, DatasetError, OptionError
from cxrlens.evaluation import style
from cxrlens.evaluation.blocks import Bootstrap, mean_interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.explanation.gallery import SALIENCY_LIMITS
from cxrlens.explanation.heat import choose_layers, heat_maps
from cxrlens.explanation.lesions import Annotated, Mask, read_annotations
from cxrlens.explanation.localisation_figure import localisation_figure
from cxrlens.explanation.methods import METHODS, find_method
from cxrlens.folders import RUN_FORMAT, RunFolder, write_json
from cxrlens.labels import NORMAL
from cxrlens.manifest import kept
from cxrlens.model import LoadedModel, load_model
from cxrlens.progress import Progress, quiet
from cxrlens.sources import read_radiograph

TOLERANCE = 15
"""Pixels that a hottest point may lie beside the lesion in the tolerant pointing game (Zhang et al. 2016)."""

SCORES: tuple[str, ...] = ("pointing", "pointing_15px", "energy")

HELD_OUT: tuple[str, ...] = ("validation", "calibration", "test")


@dataclass(frozen=True, slots=True)
class LocalisationOptions:
    """Which images count, and how sure the figures are.

    Args:
        splits: images of these parts; all that were not trained on, by default.
        resamples: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        OptionError: no split, or the training split among them.
    """

    splits: tuple[str, ...] = HELD_OUT
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [s for s in self.splits if s not in HELD_OUT]
        if wrong or not self.splits:
            fault = f"'{wrong[0]}' is no held-out part" if wrong else "names no part"
            raise OptionError("splits", fault, f"use some of {', '.join(HELD_OUT)}")


def score_localisation(
    run: RunFolder,
    annotations: Path,
    root: Path | None = None,
    method: str = "grad-cam",
    options: LocalisationOptions = LocalisationOptions(),
    progress: Progress = quiet,
) -> dict[str, Any]:
    """Score the heat-maps of held-out images against lesion masks; for each image its true class is explained.

    * **Pointing game** (Zhang et al., ECCV 2016): share of images whose hottest pixel lies in the mask; once without
      tolerance, once within 15 pixels of the original.
    * **Energy** (Wang et al., Score-CAM, CVPR Workshops 2020): share of the heat that lies in the mask. A map without
      heat scores 0.
    * Priors that see no image: ``uniform`` heat, a Gaussian at the image's ``centre`` (deviation a quarter of each
      side), and, where somebody drew the lungs, uniform heat in the ``lungs``. Paired differences to each.

    Writes ``explanations/localisation.json`` and ``explanations/localisation.png``.

    Args:
        run: a trained run.
        annotations: table of :mod:`cxrlens.explanation.lesions`.
        root: folder that its paths are relative to; found by itself where ``None``.
        method: a key of :data:`cxrlens.explanation.METHODS`.
        options: see :class:`LocalisationOptions`.
        progress: shown over images.

    Returns:
        What ``localisation.json`` holds.

    Raises:
        DatasetError: no annotated image is among the held-out ones of the run's dataset.
    """
    found = find_method(method)
    model = load_model(run)
    layers = choose_layers(model)
    rows = _held_out(run, options)
    annotated = [(a, rows[str(a.path)]) for a in read_annotations(annotations, root) if str(a.path) in rows]
    if not annotated:
        fault = f"annotates no image of the {', '.join(options.splits)} part(s) that shows a disease"
        raise DatasetError(annotations, fault, "give the annotations of the images that this run was trained with")
    images: list[dict[str, Any]] = []
    problems: list[str] = []
    for item, row in progress(annotated, len(annotated), "scoring heat-maps"):
        try:
            images.append(_score_image(model, item, row, method, layers))
        except CxrlensError as error:
            problems.append(str(error))
    if not images:
        raise DatasetError(annotations, f"no image could be scored; the first: {problems[0]}", "mend the annotations")
    record = {
        "format": RUN_FORMAT,
        "method": method,
        "citation": found.citation,
        "meaning": f"heat for the true class on images of the {', '.join(options.splits)} part(s), none trained on",
        "limits": SALIENCY_LIMITS,
        "tolerance_px": TOLERANCE,
        **summary(images, Bootstrap(options.resamples, options.seed)),
        "images": images,
        "problems": problems,
    }
    write_json(run.explanations / "localisation.json", record)
    figure = localisation_figure(record, METHODS[method].title)
    style.save(figure, run.explanations / "localisation.png", synthetic=run.dataset().synthetic)
    return record


def summary(images: list[dict[str, Any]], bootstrap: Bootstrap) -> dict[str, Any]:
    """Means with 95 % intervals by patient of every map and prior, and paired differences of each map to each prior.

    Args:
        images: from scoring: ``scores`` is name to score name to value in [0, 1]; priors are named ``prior:…``.
        bootstrap: resamples and seed.
    """
    frame = pd.DataFrame(images)
    names = list(dict.fromkeys(name for image in images for name in image["scores"]))
    priors = [name for name in names if name.startswith("prior:")]
    maps: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    for name in names:
        has = [name in image["scores"] for image in images]
        scored = {score: _mean(images, name, None, score, frame, bootstrap) for score in SCORES}
        entry: dict[str, Any] = {"n": sum(has), **scored}
        if name in priors:
            baselines[name.removeprefix("prior:")] = entry
            continue
        for prior in priors:
            minus = {score: _mean(images, name, prior, score, frame, bootstrap) for score in SCORES}
            entry[f"minus_{prior.removeprefix('prior:')}"] = minus
        maps[name.removeprefix("network.")] = entry
    splits = frame["split"].value_counts()
    return {
        "n": len(images),
        "units": int(clusters(frame).max()) + 1,
        "splits": {str(s): int(splits[s]) for s in sorted(splits.index)},
        "rightly_named": int((frame["predicted"] == frame["label"]).sum()),
        "without_heat": {n.removeprefix("network."): int(sum(n in i["without_heat"] for i in images)) for n in names},
        "maps": maps,
        "priors": baselines,
    }


def scores_of_heat(heat: NDArray[np.float32], lesion: Mask, tolerance: int = TOLERANCE) -> dict[str, float]:
    """Pointing game, tolerant pointing game and energy of one map.

    Args:
        heat: (H, W), 0 or more. Where several pixels are hottest alike, the share of them that hits counts.
        lesion: (H, W), true inside.
        tolerance: pixels that the tolerant game allows beside the lesion.
    """
    total = float(heat.sum(dtype=np.float64))
    if total <= 0:
        return dict.fromkeys(SCORES, 0.0)
    hottest = heat == heat.max()
    near = cv2.distanceTransform((~lesion).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= tolerance
    return {
        "pointing": float(lesion[hottest].mean()),
        "pointing_15px": float(near[hottest].mean()),
        "energy": float(heat[lesion].sum(dtype=np.float64) / total),
    }


def _held_out(run: RunFolder, options: LocalisationOptions) -> dict[str, dict[str, str]]:
    """Rows of the run's dataset that may be scored, by absolute path. A normal film has no lesion of its class."""
    manifest = kept(run.dataset().manifest())
    rows = manifest[manifest["split"].isin(options.splits) & (manifest["label"] != NORMAL)]
    records = ({str(k): str(v) for k, v in record.items()} for record in rows.to_dict("records"))
    return {str(Path(row["path"]).resolve()): row for row in records}


def _score_image(
    model: LoadedModel, item: Annotated, row: dict[str, str], method: str, layers: list[Any]
) -> dict[str, Any]:
    radiograph = read_radiograph(item.path)
    shape = (radiograph.height, radiograph.width)
    lesion = item.lesion_mask(shape)
    if not lesion.any():
        raise DatasetError(item.path, "has a lesion mask with nothing in it", "mend the annotations")
    heats = heat_maps(model, radiograph, method, row["label"], layers)
    candidates: dict[str, NDArray[np.float32]] = dict(heats.maps)
    candidates["prior:uniform"] = np.ones(shape, dtype=np.float32)
    candidates["prior:centre"] = centre_prior(shape)
    lungs = item.lung_mask(shape)
    if lungs is not None and lungs.any():
        candidates["prior:lungs"] = lungs.astype(np.float32)
    return {
        "path": row["path"],
        "label": row["label"],
        "predicted": heats.predicted,
        "split": row["split"],
        "source": row["source"],
        "patient_id": row["patient_id"],
        "duplicate_group": row["duplicate_group"],
        "findings": list(item.findings),
        "lesion_share": round(float(lesion.mean()), 6),
        "without_heat": [name for name, heat in candidates.items() if not heat.any()],
        "scores": {
            name: {score: round(value, 6) for score, value in scores_of_heat(heat, lesion).items()}
            for name, heat in candidates.items()
        },
    }


def _mean(
    images: list[dict[str, Any]], name: str, prior: str | None, score: str, frame: pd.DataFrame, bootstrap: Bootstrap
) -> dict[str, Any]:
    """Interval of the mean of a score, or of its difference to a prior, over the images that have both."""
    names = [name] if prior is None else [name, prior]
    have = [i for i, image in enumerate(images) if all(n in image["scores"] for n in names)]
    values = np.array([images[i]["scores"][name][score] for i in have], dtype=np.float64)
    if prior is not None:
        values = values - np.array([images[i]["scores"][prior][score] for i in have], dtype=np.float64)
    return mean_interval(values, clusters(frame.iloc[have]), bootstrap, share=prior is None).to_dict()
