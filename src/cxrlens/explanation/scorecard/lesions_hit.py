"""Does the heat lie on the lesion? All methods and priors at once, real masks and phantom masks apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.doubts.likeness import centre_prior
from cxrlens.doubts.places import Maps
from cxrlens.explanation.heat import to_original
from cxrlens.explanation.localisation import scores_of_heat, summary
from cxrlens.explanation.scorecard.maps import Explainer
from cxrlens.explanation.scorecard.sample import Film, Sample

KINDS: dict[str, str] = {"real": "real lesions", "phantom": "phantom lesions"}


def marked(sample: Sample, kind: str) -> list[int]:
    """Numbers of the films with a lesion of that kind."""
    return [i for i, f in enumerate(sample.films) if f.lesion is not None and f.synthetic == (kind == "phantom")]


def lesions(
    sample: Sample, explainers: Mapping[str, Explainer], maps: Mapping[str, Maps], classes: tuple[str, ...]
) -> dict[str, Any]:
    """Scores of :mod:`cxrlens.explanation.localisation` for the true class of each film with a lesion.

    Args:
        sample: n films.
        explainers: by method.
        maps: by method, (n, S, S) for the class that the network names; used again where that is the true one.
        classes: in the order of the network.

    Returns:
        For ``real`` and ``phantom``: what :func:`cxrlens.explanation.localisation.summary` gives, with a map for each
        method, and ``gains``: the paired difference in energy of each method to each other; ``None`` without films.
    """
    return {kind: _kind(sample, marked(sample, kind), explainers, maps, classes) for kind in KINDS}


def _kind(
    sample: Sample,
    numbers: list[int],
    explainers: Mapping[str, Explainer],
    maps: Mapping[str, Maps],
    classes: tuple[str, ...],
) -> dict[str, Any] | None:
    if not numbers:
        return None
    frames = sample.pixels[numbers]
    truth = np.array([classes.index(sample.films[i].row["label"]) for i in numbers], dtype=np.intp)
    named = next(iter(explainers.values())).named(frames)
    heats = {}
    for method, explainer in explainers.items():
        own = maps[method][numbers].copy()
        other = np.flatnonzero(named != truth)
        own[other] = explainer(frames[other], truth[other])
        heats[method] = own
    images = [
        _scored(sample.films[i], {method: own[k] for method, own in heats.items()}, classes[int(named[k])])
        for k, i in enumerate(numbers)
    ]
    result = summary(images, sample.bootstrap)
    energy = {m: np.array([image["scores"][m]["energy"] for image in images]) for m in explainers}
    gains = {a: {b: sample.mean(energy[a] - energy[b], numbers) for b in explainers if b != a} for a in explainers}
    return {**result, "gains": gains}


def _scored(film: Film, heats: Mapping[str, NDArray[np.float32]], predicted: str) -> dict[str, Any]:
    """Scores of one film's maps and priors, in the original's pixels."""
    assert film.lesion is not None
    shape = film.lesion.shape
    candidates = {method: to_original(heat, film.placement) for method, heat in heats.items()}
    candidates["prior:uniform"] = np.ones(shape, dtype=np.float32)
    candidates["prior:centre"] = centre_prior((shape[0], shape[1]))
    if film.drawn_lungs is not None:
        candidates["prior:lungs"] = to_original(film.drawn_lungs.astype(np.float32), film.placement)
    keys = ("label", "split", "source", "patient_id", "duplicate_group")
    return {
        **{key: film.row[key] for key in keys},
        "predicted": predicted,
        "without_heat": [name for name, heat in candidates.items() if not heat.any()],
        "scores": {name: scores_of_heat(heat, film.lesion) for name, heat in candidates.items()},
    }
