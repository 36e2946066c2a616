"""The first thing a reader sees: one figure with its interval, what it is compared with, and where it is weakest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrlens.report.figures import Measured, SourceFigure, guesses, parse, split_metrics, weakest_source
from cxrlens.report.records import RunRecord
from cxrlens.report.unseen_sources import Unseen

ORIGINAL = {"train": 0.9780, "validation": 0.9494}
"""Accuracies of the original document: internal, from a random split, 30 epochs."""

SPLIT_WORDS = {
    "test": "test images: locked away until the end",
    "validation": "validation images: they chose the epoch, so this flatters the model",
    "train": "training images: the model has seen them, so this is no score",
}


@dataclass(frozen=True, slots=True)
class Guess:
    """A guess that looks at no radiograph, on the same images."""

    words: str
    accuracy: Measured


@dataclass(frozen=True, slots=True)
class Headline:
    """The figure of the most independent split that was measured.

    Args:
        split: ``test``; ``validation`` or ``train`` only where there is nothing better.
        accuracy: share named rightly, with its 95 % interval.
        n: images.
        patients: known patients among them.
        patients_unknown: images whose patient is unknown.
        guesses: what guessing scores, on the same images.
        gain: accuracy above the source's guess, with its interval, paired; ``None`` where not measured.
        weakest: the source with the lowest accuracy among those of at least 20 images.
        outside: what the audit found on sources that a network had never seen; ``None`` before that part was run.
    """

    split: str
    words: str
    accuracy: Measured
    n: int
    patients: int
    patients_unknown: int
    guesses: tuple[Guess, ...]
    gain: Measured | None
    weakest: SourceFigure | None
    outside: Unseen | None = None

    @property
    def verdict(self) -> str:
        """One sentence on the figure against the guess from the source."""
        if self.gain is None or self.gain.low is None or self.gain.high is None:
            return ""
        if self.gain.low > 0:
            return "The model is better than knowing only where each image came from."
        if self.gain.high < 0:
            return "The model is worse than knowing only where each image came from."
        return "This does not show that the model is better than knowing only where each image came from."


def headline(record: RunRecord, outside: Unseen | None = None) -> Headline | None:
    """``None`` before ``cxrlens evaluate``; ``outside`` from the audit, to stand beside the figure."""
    for split, words in SPLIT_WORDS.items():
        block = split_metrics(record.metrics, split)
        accuracy = parse(block.get("accuracy")) if block else None
        if block and accuracy:
            return Headline(
                split=split,
                words=words,
                accuracy=accuracy,
                n=int(block["n"]),
                patients=int(block.get("patients") or 0),
                patients_unknown=int(block.get("patients_unknown") or 0),
                guesses=_guesses(record, split),
                gain=parse(_baseline(record, split, "source_majority").get("model_minus_baseline")),
                weakest=weakest_source(block),
                outside=outside,
            )
    return None


def _guesses(record: RunRecord, split: str) -> tuple[Guess, ...]:
    """From ``metrics.json`` where it has them for this split, counted from the manifest otherwise."""
    commonest, source = _baseline(record, split, "majority_class"), _baseline(record, split, "source_majority")
    of_class, of_source = parse(commonest.get("accuracy")), parse(source.get("accuracy"))
    name = str(commonest.get("guess", ""))
    if (of_class is None or of_source is None) and record.dataset.kept is not None:
        counted = guesses(record.dataset.kept, split)
        if counted is None:
            return ()
        of_class, of_source = Measured(counted.commonest_class), Measured(counted.commonest_of_source)
        name = counted.class_name
    if of_class is None or of_source is None:
        return ()
    return (
        Guess("Guessing each source's commonest class, without looking", of_source),
        Guess(f"Guessing “{name}” every time" if name else "Guessing the commonest class every time", of_class),
    )


def _baseline(record: RunRecord, split: str, name: str) -> Mapping[str, Any]:
    baselines = (record.metrics or {}).get("baselines")
    if not isinstance(baselines, Mapping) or baselines.get("split") != split:
        return {}
    found = baselines.get(name)
    return found if isinstance(found, Mapping) else {}
