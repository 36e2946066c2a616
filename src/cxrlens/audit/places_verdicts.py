"""What a small place that tells a class means: thresholds and sentences in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrlens.audit.places import GRID, WIDE
from cxrlens.audit.places_search import APART
from cxrlens.audit.verdict import Status, Verdict, spoken

PLACE = "Does one small place outside the lungs tell a class?"
WITHIN = "Within one source, does one small place outside the lungs still tell a class?"

FIFTH, NEARLY_ALL = 0.6, 0.9
"""AUROC (lower end of its interval) to warn and to fail from. A sign that a share s of a class has and no other image
gives 0.5 + s / 2: surely on a fifth of a class it is worth a look, surely on four fifths it gives the class away."""

LOOK = 0.1
"""Share of the places further off that tell half as much: from here on it is a look of the pictures and no mark."""

Entry = Mapping[str, Any]

_ORDER: tuple[Status, ...] = ("pass", "warn", "fail")
_KINDS = {"bright": "small bright things", "dark": "small dark things", "fine": "fine detail"}


@dataclass(frozen=True, slots=True)
class Told:
    """One class, told by one place.

    Args:
        label: of the class.
        entry: as :func:`cxrlens.audit.places_search.search` makes it.
        source: the one that was searched by itself; blank where images of each source were compared with each other.
        everywhere: whether images were compared whatever their sources.
    """

    label: str
    entry: Entry
    source: str = ""
    everywhere: bool = False

    @property
    def among(self) -> str:
        """From whom it was told, in words that follow "the rest"."""
        if self.everywhere:
            return ""
        return f" of {self.source} (n = {self.entry['n']:,})" if self.source else " of its own source"


def place_verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """Over all images, and among images of one source; ``reason`` in the figures where nothing could be asked."""
    if "reason" in figures:
        return [Verdict(PLACE, "unanswered", f"Cannot be answered, because {figures['reason']}.")]
    found = everywhere(figures)
    first = gravest(found)
    said = _sentence(first, figures["places"]) + _others(first, found) + _not_asked(figures["too_few"])
    return [Verdict(PLACE, gravity(first.entry), said), _within(figures)]


def everywhere(figures: Mapping[str, Any]) -> list[Told]:
    """Each class, told from all others."""
    return [Told(label, entry, everywhere=True) for label, entry in figures["overall"].items()]


def within(figures: Mapping[str, Any]) -> list[Told]:
    """Each class, told among images of one source: over all sources together, and in each large one by itself."""
    pooled = [Told(label, entry) for label, entry in figures["within_source"].items()]
    return pooled + [Told(c, e, source) for source, of in figures["by_source"].items() for c, e in of.items()]


def gravest(found: Sequence[Told]) -> Told:
    """The one to be named; a mark before a look, and of two classes told alike the one that has more of something.

    Where nothing is told, the best over all sources: of small ones, one looks good by chance.
    """

    def key(told: Told) -> tuple[int, bool, float, bool]:
        entry = told.entry
        status = _ORDER.index(gravity(entry))
        calm = not told.source if status == 0 else not is_look(entry)
        return status, calm, round(entry["auroc"]["value"] or 0.0, 2), entry["more"]

    return max(found, key=key)


def _within(figures: Mapping[str, Any]) -> Verdict:
    found = within(figures)
    if not found:
        because = "no source holds enough images of a class and of others to compare"
        return Verdict(WITHIN, "unanswered", f"Cannot be answered, because {because}.")
    first = gravest(found)
    said = _sentence(first, figures["places"])
    alone = [gravest([t for t in found if t.source == source]) for source in figures["by_source"]]
    told = [t for t in alone if gravity(t.entry) != "pass"]
    if alone:
        looks = [f"{t.source}{' (a look)' if is_look(t.entry) else ''}" for t in told]
        names = f": {', '.join(looks)}" if told else ""
        said += f" By itself a class is told so in {len(told)} of {len(alone)} source(s) large enough to ask{names}."
    return Verdict(WITHIN, gravity(first.entry), said)


def gravity(entry: Entry) -> Status:
    """How grave it is that a class can be told so well."""
    low = entry["auroc"]["low"]
    return "pass" if low is None or low < FIFTH else "warn" if low < NEARLY_ALL else "fail"


def is_look(entry: Entry) -> bool:
    """Whether so many other places do as well that the place itself means nothing."""
    return entry["elsewhere"] is not None and entry["elsewhere"] > LOOK


def where(row: int, column: int) -> str:
    """``the lower left corner``: of the picture as it is seen."""
    tall, wide = ((k + 0.5) / GRID for k in (row, column))
    up, across = (_third(tall, "upper", "lower"), _third(wide, "left", "right"))
    at_rim = [min(k, 1 - k) < 0.2 for k in (tall, wide)]
    if up and across:
        return f"the {up} {across}{' corner' if all(at_rim) else ''}"
    if up:
        return f"the {'top' if up == 'upper' else 'bottom'}, in the middle"
    if across:
        return f"the {across} {'edge' if at_rim[1] else 'half'}, half-way up"
    return "the middle"


def what(entry: Entry) -> str:
    """``more small bright things``."""
    return f"{'more' if entry['more'] else 'less'} {_KINDS[entry['statistic']]}".replace("less small", "fewer small")


def _third(share: float, low: str, high: str) -> str:
    return low if share < 1 / 3 else high if share > 2 / 3 else ""


def _sentence(told: Told, places: int) -> str:
    entry, label = told.entry, told.label
    place, area = where(entry["row"], entry["column"]), spoken(entry["auroc"])
    if gravity(entry) == "pass":
        high = 1.0 if entry["auroc"]["high"] is None else float(entry["auroc"]["high"])
        left = f"; an AUROC of up to {high:.2f} is not ruled out" if high > FIFTH else ""
        return (
            f"None was found: of {places} places, each {WIDE:.0%} of the film wide, the best is {place}, for {label}, "
            f"which it tells from the rest{told.among} with an AUROC of {area} on images that had no part in choosing "
            f"it, where chance is 0.50{left}."
        )
    partly = "" if gravity(entry) == "fail" else "partly "
    seen = "" if entry["seen"] > 0.9 else f" and show it free of lung ({entry['seen']:.0%})"
    return (
        f"{label} can {partly}be told from the rest{told.among} by one small place outside the lungs, {place}: it has "
        f"{what(entry)} there, AUROC {area} on images that had no part in choosing the place{seen}. {_meaning(entry)}"
    )


def _meaning(entry: Entry) -> str:
    share = 0.0 if entry["elsewhere"] is None else float(entry["elsewhere"])
    if is_look(entry):
        return (
            f"But {share:.0%} of the places elsewhere tell half as much or more: that speaks for the look of whole "
            "pictures (tone, sharpness, framing) rather than for a mark at this place."
        )
    few = "No place elsewhere tells" if not share else f"Only {share:.0%} of the places elsewhere tell"
    what_it_is, then = (
        ("a marker, a letter, a mask, an edge", "look there, and crop or cover it before training")
        if entry["more"]
        else ("painted over, cut off, burnt out by another tone, or without a mark that the others have", "look there")
    )
    return f"{few} half as much, so it lies in this place ({what_it_is}), not in the look of the whole picture: {then}."


def _others(first: Told, found: Sequence[Told]) -> str:
    """Other classes that are told too, but for those that merely lack what the first has."""
    named = []
    for told in found:
        entry = told.entry
        same = all(abs(entry[k] - first.entry[k]) <= APART for k in ("row", "column"))
        lacks = same and entry["more"] != first.entry["more"]
        if told.label != first.label and gravity(entry) != "pass" and not lacks:
            look = "; a look" if is_look(entry) else ""
            named.append(f"{told.label} ({where(entry['row'], entry['column'])}, {spoken(entry['auroc'])}{look})")
    return f" So can {' and '.join(named)}." if named else ""


def _not_asked(labels: Sequence[str]) -> str:
    return f" Of {' and '.join(labels)} there are too few images to ask." if labels else ""
