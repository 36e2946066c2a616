"""Is this one heat-map worth reading? Measured reasons against it: "do not read this one"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxrlens.borders import Box
from cxrlens.explanation.heat import HeatMaps
from cxrlens.explanation.scorecard.deletion import hide, hottest
from cxrlens.explanation.scorecard.lungs_of import Mask, find_lungs, share_in_lungs, share_of_film
from cxrlens.explanation.scorecard.maps import Explainer, fast_copy, of_target
from cxrlens.explanation.scorecard.randomisation import random_network
from cxrlens.explanation.scorecard.rivals import centre, elsewhere
from cxrlens.explanation.scorecard.similarity import Maps, rank_correlation
from cxrlens.preprocessing import to_model_input

SHORT: dict[str, str] = {
    "no evidence": "no evidence",
    "random network": "like an untrained network's",
    "centre": "like a blob in the middle",
    "no effect": "hiding it changes little",
    "outside the lungs": "outside the lungs",
    "unsure": "the network is unsure",
}
"""Reasons by key, in the words that fit under a picture."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where doubt begins. Conventions, set before any figure of the flag was known; what they are worth is measured.

    Args:
        like: rank correlation from which a map hardly differs from another one.
        hidden: hottest share of the frame that is hidden.
        places: random places that the hottest one is compared with.
        sure: probability of the class below which the network is unsure.
    """

    like: float = 0.8
    hidden: float = 0.1
    places: int = 8
    sure: float = 0.5


@dataclass(frozen=True, slots=True)
class Doubts:
    """What speaks against one map.

    Args:
        reasons: key of :data:`SHORT` to a sentence with its figures; empty where nothing speaks against it.
        measures: the figures behind, whether they speak against it or not.
        unchecked: what could not be looked at, in words.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)
    unchecked: tuple[str, ...] = ()

    @property
    def flagged(self) -> bool:
        """Do not read this one."""
        return bool(self.reasons)

    @property
    def short(self) -> tuple[str, ...]:
        """The reasons in a few words each."""
        return tuple(SHORT[key] for key in self.reasons)

    @property
    def unchecked_sentence(self) -> str:
        """What could not be looked at; blank where all of it was."""
        return f"Not checked: {'; '.join(self.unchecked)}." if self.unchecked else ""

    @property
    def sentence(self) -> str:
        """The flag as it stands beside a map; blank where there is none."""
        return f"Do not read this map: {'; '.join(self.reasons.values())}." if self.reasons else ""


@dataclass(frozen=True, slots=True)
class Case:
    """Maps under doubt, n of them.

    Args:
        frames: (n, S, S) uint8.
        films: where the film lies in each frame.
        lungs: (S, S) of each, ``None`` where they were not found.
        targets: (n,) the class that each map explains.
        maps: (n, S, S).
    """

    frames: NDArray[np.uint8]
    films: Sequence[Box]
    lungs: Sequence[Mask | None]
    targets: NDArray[np.intp]
    maps: Maps


class Doubter:
    """Judges maps of one network, method and layer.

    Args:
        explainer: what made the maps.
        side: of the frames in pixels.
        limits: where doubt begins.
        seed: of the random network and the random places.
    """

    def __init__(self, explainer: Explainer, side: int, limits: Limits = Limits(), seed: int = 0) -> None:
        self._module: nn.Module = fast_copy(explainer.module)
        random = random_network(self._module, side, seed)
        self._random = Explainer(random, explainer.method, explainer.layer)
        self._limits, self._seed = limits, seed

    def __call__(self, case: Case) -> list[Doubts]:
        """Doubts of each map, in order."""
        if not len(case.maps):
            return []
        frames = torch.from_numpy(to_model_input(case.frames))
        n, side = len(case.maps), case.maps.shape[-1]
        untrained = rank_correlation(case.maps, self._random(frames, case.targets))
        middle = rank_correlation(case.maps, centre(n, side))
        sure = of_target(self._module, frames, case.targets)
        rng = np.random.default_rng(self._seed)
        drop = self._drop(frames, case, case.maps, sure)
        moved = [elsewhere(case.maps, rng) for _ in range(self._limits.places)]
        elsewhere_drop = np.median([self._drop(frames, case, maps, sure) for maps in moved], axis=0)
        doubts = []
        for i, heat in enumerate(case.maps):
            measures = {
                "untrained_network": float(untrained[i]),
                "centre": float(middle[i]),
                "drop": float(drop[i]),
                "drop_elsewhere": float(elsewhere_drop[i]),
                "probability": float(sure[i]),
            }
            lungs = case.lungs[i]
            if lungs is not None and heat.any():
                measures["in_lungs"] = float(share_in_lungs(heat[None], [lungs])[0])
                measures["lungs_area"] = share_of_film(lungs, case.films[i])
            unchecked = () if lungs is not None else ("the lungs: they were not found in this film",)
            doubts.append(Doubts(reasons_of(measures, bool(heat.any()), self._limits), measures, unchecked))
        return doubts

    def _drop(self, frames: torch.Tensor, case: Case, maps: Maps, whole: NDArray[np.float64]) -> NDArray[np.float64]:
        gone = hottest(maps, self._limits.hidden, self._seed)
        return np.asarray(whole - hide(self._module, frames, case.targets, gone, self._seed), dtype=np.float64)


def doubts_of(doubter: Doubter, heats: HeatMaps, target: int) -> Doubts:
    """Doubts of the last map of one radiograph.

    Args:
        doubter: of the network, the method and the layer that made the map.
        heats: what was drawn.
        target: number of the class that the maps explain.
    """
    lungs = find_lungs(heats.frame[None])
    case = Case(heats.frame[None], [heats.placement.inner], lungs, np.array([target]), heats.in_frame[None])
    return doubter(case)[0]


def reasons_of(measures: dict[str, float], heat: bool, limits: Limits = Limits()) -> dict[str, str]:
    """Reasons not to read a map, by key of :data:`SHORT`.

    Args:
        measures: as :class:`Doubts` holds them; ``in_lungs`` and ``lungs_area`` are absent where lungs are unknown.
        heat: whether the map has any.
        limits: where doubt begins.
    """
    if not heat:
        return {"no evidence": "nothing in it speaks for the class"}
    m, reasons = measures, {}
    if m["untrained_network"] >= limits.like:
        reasons["random network"] = (
            f"a network with random weights draws nearly the same (rank correlation {m['untrained_network']:.2f})"
        )
    if m["centre"] >= limits.like:
        reasons["centre"] = f"it is nearly a blob in the middle (rank correlation {m['centre']:.2f})"
    if m["drop"] <= max(m["drop_elsewhere"], 0.0):
        reasons["no effect"] = (
            f"hiding its hottest tenth changes the probability by {-m['drop']:+.2f}, "
            f"hiding other places of that shape by {-m['drop_elsewhere']:+.2f}"
        )
    if "in_lungs" in m and m["in_lungs"] < m["lungs_area"]:
        reasons["outside the lungs"] = (
            f"it does not prefer the lungs ({m['in_lungs']:.0%} of the heat on {m['lungs_area']:.0%} of the film)"
        )
    if m["probability"] < limits.sure:
        reasons["unsure"] = f"the network gives this class {m['probability']:.0%}"
    return reasons
