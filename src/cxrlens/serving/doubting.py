"""The flag "do not read this map" at serving: what ``explain`` asks of a map, asked of the exported network.

All of ``cxrlens.doubts`` but the comparison with an untrained network, which an export does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import Box
from cxrlens.doubts import LIMITS, Doubts, Limits, reasons_of
from cxrlens.doubts.imputing import impute
from cxrlens.doubts.likeness import like_a_blob
from cxrlens.doubts.noise import torch_normal
from cxrlens.doubts.places import elsewhere, hottest, share_in_lungs, share_of_film
from cxrlens.doubts.reasons import LUNGS_NOT_FOUND, LUNGS_NOT_THERE, NOT_COMPARED
from cxrlens.preprocessing import Placement, to_model_input
from cxrlens.serving.heat import in_frame
from cxrlens.serving.lungs import Lungs
from cxrlens.serving.network import Network, softmax

_SEED = 0  # of the places, of the noise, and of ties: that of ``explain``


@dataclass(frozen=True, slots=True)
class Case:
    """One map under doubt.

    Args:
        frame: (S, S) uint8, the film as the network sees it.
        film: where the film lies in the frame.
        target: number of the class that the map explains.
        heat: (S, S) float32 in [0, 1] of the frame, its top 1 unless there is none.
    """

    frame: NDArray[np.uint8]
    film: Box
    target: int
    heat: NDArray[np.float32]

    @classmethod
    def of(cls, frame: NDArray[np.uint8], placement: Placement, target: int, small: NDArray[np.float32]) -> Case:
        """From a map (h, w) as the graph gives it."""
        return cls(frame, placement.inner, target, in_frame(small, placement.size))


def doubts_of(network: Network, lungs: Lungs | None, case: Case, limits: Limits = LIMITS) -> Doubts:
    """What speaks against one map.

    Costs a pass of ten frames through the network, one through the segmenter, and the filling of what is hidden.

    Args:
        network: that made the map.
        lungs: the segmenter; ``None`` where the model was exported without one.
        case: the map and what it is of.
        limits: where doubt begins.
    """
    measures = {"centre": like_a_blob(case.heat), **_hidden(network, case, limits)}
    found = None if lungs is None else lungs.find(case.frame)
    unchecked = [NOT_COMPARED]
    if found is None:
        unchecked.append(LUNGS_NOT_THERE if lungs is None else LUNGS_NOT_FOUND)
    elif case.heat.any():
        measures["in_lungs"] = float(share_in_lungs(case.heat[None], [found])[0])
        measures["lungs_area"] = share_of_film(found, case.film)
    return Doubts(reasons_of(measures, bool(case.heat.any()), limits), measures, tuple(unchecked))


def _hidden(network: Network, case: Case, limits: Limits) -> dict[str, float]:
    """The class's probability, and how far it drops where the hottest place or another one is hidden."""
    rng = np.random.default_rng(_SEED)
    moved = [elsewhere(case.heat[None], rng)[0] for _ in range(limits.places)]
    gone = hottest(np.stack([case.heat, *moved]), limits.hidden, _SEED)
    whole = to_model_input(case.frame)
    frames = np.repeat(whole[0], len(gone), axis=0)
    shown = np.concatenate([whole, impute(frames, gone, _noise(len(case.frame)))[:, None]])
    sure, *hidden = softmax(network.run(("logits",), shown)[0].astype(np.float64))[:, case.target]
    drops = float(sure) - np.array(hidden)
    return {"drop": float(drops[0]), "drop_elsewhere": float(np.median(drops[1:])), "probability": float(sure)}


@lru_cache(maxsize=4)
def _noise(side: int) -> NDArray[np.float32]:
    """(side, side) of standard deviation 1, the same for every film."""
    return torch_normal(side, _SEED)
