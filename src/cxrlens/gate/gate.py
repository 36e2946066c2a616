"""The gate itself: may the model judge this image?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cxrlens.gate.answer import Answer
from cxrlens.gate.checks import CHECKS, Limit, clipped, coloured
from cxrlens.gate.examination import Examined, Examiner
from cxrlens.radiograph import Radiograph

MIRRORED = "may be mirrored, or the heart is on the right (dextrocardia): see the side marker; it is left as it is"
"""A warning, never a repair."""


@dataclass(frozen=True)
class Gate:
    """Judges radiographs before any class is named. Made by ``fit.py``, kept by ``saved.py``.

    Args:
        examiner: what measures.
        limits: of every check, by its name.
        mirrored_at: probability of being mirrored from which on a reader is warned.
    """

    examiner: Examiner
    limits: Mapping[str, Limit]
    mirrored_at: float

    @property
    def model_hash(self) -> str:
        """SHA-256 of the weights that the gate was fitted to."""
        return self.examiner.reader.hash

    def judge(self, radiograph: Radiograph) -> Answer:
        """What the gate says of one radiograph."""
        return self.judge_all([radiograph])[0]

    def judge_all(self, radiographs: Sequence[Radiograph]) -> list[Answer]:
        """The same for several, in order; faster than one by one."""
        given = list(radiographs)
        return [self.answer(seen, one) for seen, one in zip(self.examiner(given), given, strict=True)]

    def answer(self, seen: Examined, given: Radiograph) -> Answer:
        """From what the examiner measured to what is said."""
        scores = {name: self.limits[name](score) for name, score in seen.scores.items()}
        broken = [CHECKS[name] for name in CHECKS if scores.get(name, 0.0) > 1.0]
        warnings = () if broken else self._warnings(seen, given)
        if broken:
            reasons = tuple(check.words(seen.scores[check.name], self.limits[check.name].limit) for check in broken)
            return Answer("refused", reasons, warnings, given, scores, seen.view, seen.logits)
        status = "pass" if seen.view.upright else "repaired"
        return Answer(status, (), warnings, seen.radiograph, scores, seen.view, seen.logits)  # type: ignore[arg-type]

    def _warnings(self, seen: Examined, given: Radiograph) -> tuple[str, ...]:
        said = [seen.view.repair] if seen.view.repair else []
        if seen.mirrored >= self.mirrored_at:
            said.append(MIRRORED)
        size = self.examiner.reader.size
        if min(given.height, given.width) < size:
            said.append(f"is smaller than the {size} pixels that the model looks at, and was enlarged")
        if seen.scores[clipped.CHECK.name] > clipped.WARN_AT:
            said.append(clipped.words(seen.scores[clipped.CHECK.name], self.limits[clipped.CHECK.name].limit))
        if seen.scores[coloured.CHECK.name] > coloured.WARN_AT:
            cast = seen.scores[coloured.CHECK.name]
            said.append(f"has a colour cast (mean saturation {cast:.2f}), as a photographed film has")
        return tuple(said)
