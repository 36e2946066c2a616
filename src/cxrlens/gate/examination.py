"""Examination: everything that the checks want to know of some radiographs, in one go through each network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cxrlens.gate.checks import NO_CHEST, NO_WAY_UP, SIMPLE, UNFAMILIAR
from cxrlens.gate.look import Look, look
from cxrlens.gate.novelty import Cloud, novelty
from cxrlens.gate.spaces import ReadsFeatures, ReadsFilms
from cxrlens.gate.views import RIGHT, UPRIGHT, VIEWS, View
from cxrlens.radiograph import Radiograph

_MIRRORED = np.array([view.mirrored for view in VIEWS])


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found of one radiograph.

    Args:
        radiograph: as given, or repaired where :attr:`view` is not upright.
        scores: of every check that was made, by its name, in the check's own unit.
        view: how the film lay; upright where nothing was repaired.
        fallen: one minus the probability that the film as given stands upright and is not inverted.
        mirrored: probability that it is mirrored, after the repair.
        novelties: every measure of ``novelty.py``.
        logits: (K,) of the model's classes.
    """

    radiograph: Radiograph
    scores: dict[str, float]
    view: View = RIGHT
    fallen: float = 0.0
    mirrored: float = 0.0
    novelties: dict[str, float] = field(default_factory=dict)
    logits: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Examiner:
    """Examines radiographs; knows no limits but the one of repairing.

    Args:
        reader: of the trained model's features.
        network: the gate's own, in evaluation mode.
        clouds: the training images in each feature space.
        measure: which measure of novelty counts.
        repair_at: probability from which on a film is taken to lie wrong and is repaired.
    """

    reader: ReadsFeatures
    network: ReadsFilms
    clouds: Mapping[str, Cloud]
    measure: str
    repair_at: float

    def __call__(self, radiographs: Sequence[Radiograph]) -> list[Examined]:
        """Examine n radiographs. Where a fixed limit is broken (blank, too small, lateral) no network is asked."""
        looks = [look(radiograph) for radiograph in radiographs]
        found = [Examined(a.radiograph, {c.name: c.score(a) for c in SIMPLE if c.score is not None}) for a in looks]
        usable = [i for i, each in enumerate(found) if not _hopeless(each.scores)]
        for start in range(0, len(usable), 32):
            self._ask(found, looks, usable[start : start + 32])
        return found

    def _ask(self, found: list[Examined], looks: list[Look], rows: list[int]) -> None:
        films = np.stack([looks[i].film for i in rows])
        views, chest = self.network.read(films)
        fallen = 1.0 - views[:, UPRIGHT].sum(axis=1)
        lay = [lies(probabilities, self.repair_at) for probabilities in views]
        wrong = [k for k, view in enumerate(lay) if not view.upright]
        if wrong:  # the righted film is judged, so that a repair must prove itself
            righted = np.stack([_righted(films[k], lay[k]) for k in wrong])
            views[wrong], chest[wrong] = self.network.read(righted)
        radiographs = [found[i].radiograph for i in rows]
        for k in wrong:
            radiographs[k] = replace(radiographs[k], pixels=lay[k].righted(radiographs[k].pixels))
        prepared = np.stack([self.reader.preprocessing(r) for r in radiographs])
        features = self.reader(prepared)
        novelties = novelty(self.clouds, features)
        for k, i in enumerate(rows):
            asked = {
                NO_CHEST.name: -float(chest[k]),
                NO_WAY_UP.name: 1.0 - float(views[k, UPRIGHT].sum()),
                UNFAMILIAR.name: float(novelties[self.measure][k]),
            }
            found[i] = Examined(
                radiographs[k],
                {**found[i].scores, **asked},
                replace(lay[k], mirrored=bool(views[k, _MIRRORED].sum() > 0.5)),
                float(fallen[k]),
                float(views[k, _MIRRORED].sum()),
                {name: float(values[k]) for name, values in novelties.items()},
                features.logits[k],
            )


def lies(probabilities: NDArray[np.float64], repair_at: float) -> View:
    """How a film lies, mirroring aside, from the probabilities of the views (16,): upright unless another is sure."""
    together = probabilities.reshape(4, 2, 2).sum(axis=1)  # turns, inverted
    turns, inverted = divmod(int(together.argmax()), 2)
    return View(turns, False, bool(inverted)) if together.max() >= repair_at else RIGHT


def fallen_score(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) probability of the likeliest turn or inversion, from (n, 16): what is compared with ``repair_at``."""
    together = probabilities.reshape(-1, 4, 2, 2).sum(axis=2).reshape(-1, 8)
    return np.asarray(together[:, 1:].max(axis=1), dtype=np.float64)


def _hopeless(scores: Mapping[str, float]) -> bool:
    return any(scores[check.name] > check.least for check in SIMPLE if check.fixed)


def _righted(film: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    out = np.rot90(film, -view.turns)
    return np.ascontiguousarray(255 - out if view.inverted else out)
