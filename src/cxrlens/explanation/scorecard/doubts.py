"""Is this one heat-map worth reading? What ``cxrlens.doubts`` asks, measured with torch on many maps at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxrlens.borders import Box
from cxrlens.doubts import LIMITS, Doubts, Limits, reasons_of
from cxrlens.doubts.places import Maps, Mask, elsewhere, hottest, share_in_lungs, share_of_film
from cxrlens.doubts.reasons import LUNGS_NOT_FOUND
from cxrlens.explanation.heat import HeatMaps
from cxrlens.explanation.scorecard.deletion import hide
from cxrlens.explanation.scorecard.lungs_of import find_lungs
from cxrlens.explanation.scorecard.maps import Explainer, fast_copy, of_target
from cxrlens.explanation.scorecard.randomisation import random_network
from cxrlens.explanation.scorecard.rivals import centre
from cxrlens.explanation.scorecard.similarity import rank_correlation
from cxrlens.preprocessing import to_model_input


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

    def __init__(self, explainer: Explainer, side: int, limits: Limits = LIMITS, seed: int = 0) -> None:
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
            unchecked = () if lungs is not None else (LUNGS_NOT_FOUND,)
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
