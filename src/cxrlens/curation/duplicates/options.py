"""What decides whether two pictures show the same radiograph, with the measurement behind each number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DuplicateOptions:
    """Thresholds of the search for near-duplicates; every score is a correlation in [-1, 1], higher is more alike.

    Args:
        score: local contrast at 128 px after registration, at least so alike to be the same radiograph.
        overlap: share of the smaller picture's frame that the other must cover.
        neighbours: candidates an image proposes.
        similarity: descriptors less alike than this are no candidates.
        gates: correlation that a candidate needs after each stage of the registration to reach the next.
        stretch: of one axis against the other, at most: beyond it strangers' registrations run away.
        exhaustive: up to so many images every pair is registered, since there are too few to learn descriptors from.
        inverted_index: from so many images on, the index looks at a part of them only, so that the search grows slower
            than the square of their number.
        workers: threads; 0 takes one for each core.
    """

    score: float = 0.85
    overlap: float = 0.5
    neighbours: int = 10
    similarity: float = 0.60
    gates: tuple[float, float, float, float] = (0.61, 0.68, 0.58, 0.57)
    stretch: float = 1.7
    exhaustive: int = 64
    inverted_index: int = 2000
    workers: int = 0

    def __post_init__(self) -> None:
        for name in ("score", "overlap"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in (0, 1], not {getattr(self, name)}")
        if self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, not {self.neighbours}")
