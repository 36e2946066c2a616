"""The five questions put to one method: figures with intervals, and the baseline beside each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxrlens.doubts.places import Maps, share_in_lungs, share_of_film
from cxrlens.explanation.scorecard.deletion import SHARES, Followed
from cxrlens.explanation.scorecard.maps import Explainer, of_target
from cxrlens.explanation.scorecard.randomisation import cascade
from cxrlens.explanation.scorecard.repeatability import MOVES, moved, moved_back, seen_by_both
from cxrlens.explanation.scorecard.sample import Sample
from cxrlens.explanation.scorecard.similarity import rank_correlation, structural_similarity

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One method, its maps, and the films they are of.

    Args:
        explainer: network, method and layer.
        sample: n films.
        targets: (n,) class that each map explains: the one that the network names.
        maps: (n, S, S).
        few: how many films are used where many maps of each are needed.
        seed: of what is drawn at random.
    """

    explainer: Explainer
    sample: Sample
    targets: NDArray[np.intp]
    maps: Maps
    few: int
    seed: int

    def another(self) -> Maps:
        """For each of the few, the map of another film: how alike two maps of this network are for no reason."""
        return np.roll(self.maps[: self.few], 1, axis=0)


def weights(asked: Asked) -> Json:
    """Does the map depend on the weights? Likeness to the map itself while layers lose what they learnt."""
    few, sample = asked.few, asked.sample
    maps, frames = asked.maps[:few], sample.pixels[:few]
    stages, last = [], np.zeros(few)
    for stage in cascade(asked.explainer.module, frames.shape[-1], asked.seed):
        random = Explainer(stage.module, asked.explainer.method, asked.explainer.layer)(frames, asked.targets[:few])
        last = rank_correlation(maps, random)
        stages.append(
            {
                "randomised": stage.randomised,
                "of": stage.of,
                "down_to": stage.down_to,
                "rank": sample.mean(last),
                "ssim": sample.mean(structural_similarity(maps, random)),
                "without_heat": int((random.max(axis=(1, 2)) == 0).sum()),
            }
        )
    other = rank_correlation(maps, asked.another())
    return {
        "n": few,
        "stages": stages,
        "another_film": {
            "rank": sample.mean(other),
            "ssim": sample.mean(structural_similarity(maps, asked.another())),
        },
        "minus_another_film": sample.mean(last - other),
    }


def following(asked: Asked, own: Followed, rivals: Mapping[str, Followed]) -> Json:
    """Does the probability follow the heat? Deletion first, insertion beside it; paired differences to each rival."""
    mean = asked.sample.mean
    result: Json = {"n": len(asked.maps), "shares": list(SHARES)}
    for name in ("drop", "kept"):
        mine = getattr(own, name)
        theirs = {rival: getattr(followed, name) for rival, followed in rivals.items()}
        result["deletion" if name == "drop" else "insertion"] = {
            name: mean(mine),
            "rivals": {rival: mean(values) for rival, values in theirs.items()},
            "minus": {rival: mean(mine - values) for rival, values in theirs.items()},
        }
    return result


def in_lungs(asked: Asked) -> Json:
    """Does the heat stay in the lungs? Its share there, beside the lungs' share of the film."""
    films, found = asked.sample.films, asked.sample.found_lungs
    masks = [film.drawn_lungs if film.drawn_lungs is not None else found[i] for i, film in enumerate(films)]
    known = [i for i, mask in enumerate(masks) if mask is not None]
    lungs = [mask for mask in masks if mask is not None]
    drawn = sum(film.drawn_lungs is not None for film in films)
    if not known:
        return {"n": 0, "reason": "nobody drew the lungs of these films, and the segmenter found none"}
    share = share_in_lungs(asked.maps[known], lungs)
    area = np.array([share_of_film(mask, films[i].placement.inner) for i, mask in zip(known, lungs, strict=True)])
    mean = asked.sample.mean
    return {
        "n": int(np.isfinite(share).sum()),
        "drawn": drawn,
        "found": len(known) - drawn,
        "not_found": len(films) - len(known),
        "share": mean(share, known, share=True),
        "area": mean(area, known, share=True),
        "minus_area": mean(share - area, known),
    }


def shifts(asked: Asked) -> Json:
    """Is it repeatable when the film moves a little? Maps moved back over the ones of the film as it was."""
    few, mean = asked.few, asked.sample.mean
    frames = asked.sample.pixels[:few, 0].numpy()
    maps, targets = asked.maps[:few], asked.targets[:few]
    whole = of_target(asked.explainer.module, asked.sample.pixels[:few], targets)
    likeness, change, by_move = [], [], {}
    for move in MOVES:
        pixels = torch.from_numpy(moved(frames, move))[:, None]
        back = moved_back(asked.explainer(pixels, targets), move)
        alike = rank_correlation(maps, back, seen_by_both(frames.shape[-1], move))
        by_move[move.name] = mean(alike)
        likeness.append(alike)
        change.append(np.abs(of_target(asked.explainer.module, pixels, targets) - whole))
    alike = np.mean(likeness, axis=0)
    other = rank_correlation(maps, asked.another())
    return {
        "n": few,
        "rank": mean(alike),
        "another_film": mean(other),
        "minus_another_film": mean(alike - other),
        "change_of_probability": mean(np.mean(change, axis=0)),
        "by_move": by_move,
    }


def seeds(asked: Asked, other: nn.Module, layer: str) -> Json:
    """Is it repeatable when the network is trained again with another seed? On films that both name alike."""
    frames = asked.sample.pixels
    again = Explainer(other, asked.explainer.method, layer)
    same = np.flatnonzero(again.named(frames) == asked.targets)[: asked.few]
    if len(same) < 2:
        return {"n": len(same), "reason": "the two networks name fewer than two of the films alike"}
    alike = rank_correlation(asked.maps[same], again(frames[same], asked.targets[same]))
    unlike = rank_correlation(asked.maps[same], np.roll(asked.maps[same], 1, axis=0))
    mean = asked.sample.mean
    return {
        "n": len(same),
        "rank": mean(alike, same),
        "another_film": mean(unlike, same),
        "minus_another_film": mean(alike - unlike, same),
    }
