"""Reasons not to read one heat-map: the limits, and the sentences that are shown everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HEADLINE = "Do not read this map"
"""The flag itself."""

SHORT: dict[str, str] = {
    "no evidence": "no evidence",
    "random network": "like an untrained network's",
    "centre": "like a blob in the middle",
    "no effect": "hiding it changes little",
    "outside the lungs": "outside the lungs",
    "unsure": "the network is unsure",
}
"""Reasons by key, in the words that fit under a picture."""

LUNGS_NOT_FOUND = "the lungs: they were not found in this film"
LUNGS_NOT_THERE = "the lungs: the model was exported without the segmenter that finds them"
NOT_COMPARED = "likeness to an untrained network's map, which 'cxrlens explain' looks at"
"""What could not be looked at, each completing :attr:`Doubts.unchecked_sentence`."""


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


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Doubts:
    """What speaks against one map.

    Args:
        reasons: key of :data:`SHORT` to a sentence with its figures; empty where nothing speaks against it.
        measures: the figures behind, whether they speak against it or not; see :func:`reasons_of`.
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
        return f"{HEADLINE}: {'; '.join(self.reasons.values())}." if self.reasons else ""


def reasons_of(measures: Mapping[str, float], heat: bool, limits: Limits = LIMITS) -> dict[str, str]:
    """Reasons not to read a map, by key of :data:`SHORT`.

    Args:
        measures: what was measured of it; what was not is absent, and no reason. ``untrained_network`` and ``centre``:
            rank correlation with the map of a network with random weights and with a blob in the middle; ``drop`` and
            ``drop_elsewhere``: of the class's probability where the hottest place is hidden, and another place of that
            shape (the median of several); ``in_lungs`` and ``lungs_area``: the share of the heat in the lungs, and
            theirs of the film; ``probability``: of the class, by the network itself.
        heat: whether the map has any.
        limits: where doubt begins.
    """
    if not heat:
        return {"no evidence": "nothing in it speaks for the class"}
    m, reasons = measures, {}
    if "untrained_network" in m and m["untrained_network"] >= limits.like:
        reasons["random network"] = (
            f"a network with random weights draws nearly the same (rank correlation {m['untrained_network']:.2f})"
        )
    if "centre" in m and m["centre"] >= limits.like:
        reasons["centre"] = f"it is nearly a blob in the middle (rank correlation {m['centre']:.2f})"
    if "drop" in m and m["drop"] <= max(m["drop_elsewhere"], 0.0):
        reasons["no effect"] = (
            f"hiding its hottest tenth changes the probability by {-m['drop']:+.2f}, "
            f"hiding other places of that shape by {-m['drop_elsewhere']:+.2f}"
        )
    if "in_lungs" in m and m["in_lungs"] < m["lungs_area"]:
        reasons["outside the lungs"] = (
            f"it does not prefer the lungs ({m['in_lungs']:.0%} of the heat on {m['lungs_area']:.0%} of the film)"
        )
    if "probability" in m and m["probability"] < limits.sure:
        reasons["unsure"] = f"before any calibration, the network gives this class {m['probability']:.0%}"
    return reasons
