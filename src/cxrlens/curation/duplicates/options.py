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

    # 5,991 real radiographs: 302 known pairs reach this test with 0.88 and more; the likest other films (one patient,
    # the same day or the next) have 0.845 and less; between the two lie 2 pairs at 0.870, by eye copies.
    score: float = 0.85
    overlap: float = 0.5
    # The right partner of a known pair is among the first 10 for 99.3 %; 15 add nothing.
    neighbours: int = 10
    # 99.5 % of the real pairs have 0.65 and more; copies framed in black by a rotation have 0.60 and more.
    similarity: float = 0.60
    # 99 % of the known pairs have 0.68, 0.74, 0.66 and 0.74 and more; copies cropped at one corner ask for less.
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
