"""How often answers as sure as this one were wrong, where that was measured: a run's risk-coverage curve, exported."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FEWEST = 20
"""Images below which a share says nothing: a surer answer is then counted with less sure ones."""

_Z = 1.959964  # 95 %
_ROUNDED = 1e-6  # of the confidences of the curve in calibration.json


@dataclass(frozen=True, slots=True)
class Risk:
    """What share of answers at least about as sure as one was wrong.

    Args:
        share: wrong among ``images``, in [0, 1].
        low, high: its 95 % interval (Wilson 1927), which counts images and not patients.
        images: that were given a probability of ``probability`` or more.
        probability: calibrated, of the likeliest class.
        measured_on: of which data these images are, in words.
    """

    share: float
    low: float
    high: float
    images: int
    probability: float
    measured_on: str

    @property
    def sentence(self) -> str:
        """As it stands beside an answer."""
        return (
            f"Of the {self.images} images of {self.measured_on} on which the model was about as sure or surer "
            f"(probability {self.probability:.2f} or more), {self.share:.1%} were named wrongly "
            f"(95% interval {self.low:.1%} to {self.high:.1%}). On images from elsewhere it may be more"
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        shares = {"share": self.share, "low": self.low, "high": self.high}
        told = {name: round(value, 6) for name, value in shares.items()}
        return {
            **told,
            "images": self.images,
            "probability": round(self.probability, 6),
            "measured_on": self.measured_on,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """The risk-coverage curve of a calibrated model.

    Args:
        measured_on: of which data, in words.
        points: probability, how many images were given as much or more, and how many of those were named wrongly;
            the surest first.
    """

    measured_on: str
    points: tuple[tuple[float, int, int], ...]

    def at(self, probability: float) -> Risk | None:
        """Of the images that were given this probability or more, as closely as the curve's points tell.

        ``None`` where no image was given so little, or there are fewer than :data:`FEWEST`.
        """
        for least, images, wrong in self.points:
            if least <= probability + _ROUNDED and images >= FEWEST:
                return Risk(wrong / images, *_wilson(wrong, images), images, least, self.measured_on)
        return None

    def to_dict(self) -> dict[str, Any]:
        """For the graph's metadata."""
        return {"measured_on": self.measured_on, "points": [list(point) for point in self.points]}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any] | None) -> RiskCurve | None:
        """From the metadata; ``None`` where there is none in it. KeyError, TypeError, ValueError where garbled."""
        if told is None:
            return None
        points = tuple((float(p), int(images), int(wrong)) for p, images, wrong in told["points"])
        return cls(str(told["measured_on"]), points)


def curve_of(record: Mapping[str, Any]) -> RiskCurve | None:
    """The curve in a whole ``calibration.json``; ``None`` where no independent images were left to measure it on."""
    measured = record.get("measured")
    if not isinstance(measured, Mapping) or not measured.get("risk_coverage", {}).get("points"):
        return None
    n = int(measured["n"])
    points = []
    for point in measured["risk_coverage"]["points"]:
        images = round(float(point["answered"]) * n)
        points.append((float(point["confidence"]), images, round(float(point["risk"]) * images)))
    where = f"the {measured['split']} set of dataset '{record.get('dataset', 'unknown')}' ({measured['meaning']})"
    return RiskCurve(where, tuple(points))


def _wilson(wrong: int, images: int) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927, J. Am. Stat. Assoc. 22:209)."""
    share, z = wrong / images, _Z
    middle = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z / (1 + z * z / images) * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images))
    return max(0.0, middle - half), min(1.0, middle + half)
