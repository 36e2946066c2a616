"""The headline of the audit: what a network recalls of a source that it was never shown, the worst source first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cxrlens.labels import CLASSES
from cxrlens.report.audit_record import LEAVE_ONE_OUT, AuditRecord
from cxrlens.report.figures import Measured, parse


@dataclass(frozen=True, slots=True)
class UnseenSource:
    """One source, left out of the training.

    Args:
        n: its images.
        recalls: by class that the source holds: images and recall.
        mean_recall: mean of those recalls, for a network that never saw the source.
        kept: share of the inside advantage over chance that is left on the source; ``None`` where undefined.
        said: images that the network gave to each class.
        internal: balanced accuracy of the same network on the test part of the sources it knows.
        removed: images kept out of its training because they show what the source shows (copies, patients).
        left_out_with: sources that were left out with it, since they hold films of its hospitals.
        stayed: sources that hold films of its hospitals but had to stay, or a class would be lost: the recall is too
            high by what the network has seen of the source there.
    """

    source: str
    n: int
    recalls: tuple[tuple[str, int, Measured | None], ...]
    mean_recall: Measured | None
    kept: float | None
    said: tuple[tuple[str, int], ...]
    internal: Measured | None
    trained_on: int
    removed: int
    left_out_with: tuple[str, ...]
    stayed: tuple[str, ...]

    def recall_of(self, label: str) -> tuple[int, Measured | None] | None:
        """Images and recall of one class; ``None`` where the source holds none of it."""
        return next(((n, recall) for name, n, recall in self.recalls if name == label), None)


@dataclass(frozen=True, slots=True)
class Unseen:
    """Leave one source out, in figures.

    Args:
        network: which network was trained again for each source.
        chance: mean recall of guessing.
        internal: balanced accuracy of such networks on the sources they know.
        mean: mean over the sources that were left out.
        clean: the same over those alone whose radiographs no other source holds; ``None`` where that is all or none.
        sources: the worst first.
        classes: the classes that some left-out source holds, in the house's order.
        passed_over: sources that the question does not fit, with the reason.
        because: the sentence that says why there is no answer; empty where there is one.
    """

    network: str
    chance: float | None
    internal: Measured | None
    mean: Measured | None
    clean: Measured | None
    sources: tuple[UnseenSource, ...]
    classes: tuple[str, ...]
    passed_over: tuple[tuple[str, int, str], ...]
    because: str = ""

    @property
    def worst(self) -> UnseenSource | None:
        """The source with the lowest mean recall."""
        return next((each for each in self.sources if each.mean_recall is not None), None)

    @property
    def sentence(self) -> str:
        """``0.85 inside; 0.31 on a source it has never seen``, from the same network; empty where not measured."""
        worst = self.worst
        if worst is None or worst.mean_recall is None:
            return ""
        outside = self.mean or worst.mean_recall
        inside = self.internal or worst.internal
        start = f"{inside.value:.2f} inside; " if inside is not None else ""
        return f"{start}{outside.value:.2f} on a source it has never seen"


def unseen_sources(audit: AuditRecord | None) -> Unseen | None:
    """``None`` where the part was not run, cannot be read, or speaks of another model."""
    part = audit.part(LEAVE_ONE_OUT) if audit is not None and not audit.foreign else None
    if part is None:
        return None
    figures = part.result.figures
    sources = [_source(each) for each in _list(figures.get("sources"))]
    sources.sort(key=lambda s: (s.mean_recall is None, s.mean_recall.value if s.mean_recall else 0.0, s.source))
    held = {name for each in sources for name, _, _ in each.recalls}
    unanswered = [v.sentence for v in part.result.verdicts if v.status == "unanswered"]
    chance = parse(figures.get("chance"))
    return Unseen(
        network=str(figures.get("network") or "network"),
        chance=chance.value if chance else None,
        internal=parse(figures.get("internal")),
        mean=parse(figures.get("mean")),
        clean=parse(figures.get("mean_without_relatives")),
        sources=tuple(sources),
        classes=tuple(sorted(held, key=_place)),
        passed_over=tuple(
            (str(each.get("source")), _whole(each.get("n")), str(each.get("because", "")))
            for each in _list(figures.get("left_out_of_the_question"))
        ),
        because="" if sources else next(iter(unanswered), "Cannot be answered, because no source was left out."),
    )


def _source(said: Mapping[str, Any]) -> UnseenSource:
    classes = said.get("classes")
    by_class = classes if isinstance(classes, Mapping) else {}
    kept, named = parse(said.get("skill_kept")), said.get("said")
    return UnseenSource(
        source=str(said.get("source", "")),
        n=_whole(said.get("n")),
        recalls=tuple(
            (str(name), _whole(of.get("n")), parse(of.get("recall")))
            for name, of in sorted(by_class.items(), key=lambda pair: _place(str(pair[0])))
            if isinstance(of, Mapping)
        ),
        mean_recall=parse(said.get("mean_recall")),
        kept=kept.value if kept else None,
        said=tuple((str(c), _whole(n)) for c, n in named.items()) if isinstance(named, Mapping) else (),
        internal=parse(said.get("internal")),
        trained_on=_whole(said.get("trained_on")),
        removed=_whole(said.get("shared_units_removed")),
        left_out_with=_names(said.get("related_left_out")),
        stayed=_names(said.get("related")),
    )


def _place(label: str) -> tuple[int, str]:
    return (CLASSES.index(label) if label in CLASSES else len(CLASSES), label)


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list | tuple) else ()


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
