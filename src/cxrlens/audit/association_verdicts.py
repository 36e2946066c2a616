"""What the association of class and file means: thresholds and sentences in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrlens.audit.verdict import Status, Verdict, spoken

SOURCE_QUESTION = "Does the source name the class?"
FILE_QUESTION = "Does the file (its size, format, compression, tint, borders) name the class?"
WITHIN_QUESTION = "Within one source, does the file still name the class?"
BLIND_QUESTION = "How far does a classifier get that sees no pixel, only the file's metadata?"

MEDIUM, LARGE = 0.3, 0.5
"""Cohen's w (1988) of a medium and of a large association: from the one on a warning, from the other on a failure. It
measures four classes by two hospitals and one class against the rest by twelve sizes on one scale, as V does not."""

ALPHA = 0.05
"""An association that so many shufflings of the class reach by chance, the strongest of all that are looked at, is
none; and where chance alone reaches a large one, its absence cannot be told either."""

LEAST = 60
"""Images without which absence is not told: with fewer, chance gives a dozen facts a medium association or more."""

ABOVE, FAR_ABOVE = 0.05, 0.15
"""Balanced accuracy above chance (lower end of its interval) of the classifier without pixels: a hint, and too much.
File size per pixel depends a little on what a film shows, so a hair above chance is no fault."""

HALF = 0.5
"""Share of the network's own advantage over chance: metadata that are worth half of it can carry the accuracy."""


def judge(found: Mapping[str, Any]) -> Status:
    """Of the strongest association among many: ``{"n", "strongest": {"w", "p", "by_chance"}}``."""
    strongest = found["strongest"]
    if strongest["p"] > ALPHA:
        return "unanswered" if strongest["by_chance"] >= LARGE or found["n"] < LEAST else "pass"
    return "fail" if strongest["w"] >= LARGE else "warn" if strongest["w"] >= MEDIUM else "pass"


def source_verdict(found: Mapping[str, Any]) -> Verdict:
    """Of class and source; ``found`` as :func:`cxrlens.audit.association.associations` makes it."""
    strongest, v = found["strongest"], spoken(found["facts"]["source"]["v"])
    status = judge(found)
    if status == "unanswered":
        return _powerless(SOURCE_QUESTION, found)
    most = _told_most(strongest)
    if status == "pass":
        small = "too weak to matter" if strongest["p"] <= ALPHA else "no more than chance gives"
        said = f"Class and source are associated with Cramér's V = {v}, {small}: the source does not name the class."
        return Verdict(SOURCE_QUESTION, status, said)
    how = "The source names the class" if status == "fail" else "The source hints at the class"
    said = (
        f"{how}: Cramér's V = {v} over {found['facts']['source']['kinds']} sources{most}. A network that recognises "
        "the hospital by its tone, its borders or its letters needs no lesion; only results on left-out sources show "
        "whether it sees disease."
    )
    return Verdict(SOURCE_QUESTION, status, said)


def file_verdict(found: Mapping[str, Any], question: str = FILE_QUESTION) -> Verdict:
    """Of class and the strongest of the file's facts."""
    strongest = found["strongest"]
    status = judge(found)
    if status == "unanswered":
        return _powerless(question, found)
    words = found["facts"][strongest["fact"]]["words"]
    v = spoken(found["facts"][strongest["fact"]]["v"])
    if status == "pass":
        much = "too little to matter" if strongest["p"] <= ALPHA else "no more than chance gives"
        said = f"No fact of the file names the class: the strongest is {words}, Cramér's V = {v}, {much}."
        return Verdict(question, status, said)
    told = "can be told" if status == "fail" else "can partly be told"
    others = _others(found)
    meaning = found["facts"][strongest["fact"]]["meaning"]
    said = f"The class {told} from {words}: Cramér's V = {v}{_told_most(strongest)}.{others} {meaning}"
    return Verdict(question, status, said)


def within_verdict(sources: Mapping[str, Mapping[str, Any]], skipped: int) -> Verdict:
    """Of each source by itself, the gravest first."""
    because = (
        "no source has enough images of two classes, so within one source there is no class to tell; "
        "class and source cannot be told apart here at all"
    )
    if not sources:
        return Verdict(WITHIN_QUESTION, "unanswered", f"Cannot be answered, because {because}.")
    status_of = {name: judge(found) for name, found in sources.items()}
    answered = [name for name, status in status_of.items() if status != "unanswered"]
    if not answered:
        return _powerless(WITHIN_QUESTION, next(iter(sources.values())))
    status: Status = next(s for s in ("fail", "warn", "pass") if s in status_of.values())
    left = len(sources) - len(answered) + skipped
    apart = f" {left} other source(s) hold too few images or classes to tell." if left else ""
    if status == "pass":
        said = f"Within each of {len(answered)} source(s) by itself, no fact of the file names the class.{apart}"
        return Verdict(WITHIN_QUESTION, status, said)
    mine = [name for name in answered if status_of[name] == status]
    worst = max(mine, key=lambda name: float(sources[name]["strongest"]["w"]))
    found = sources[worst]
    fact = found["facts"][found["strongest"]["fact"]]
    told = "can be told" if status == "fail" else "can partly be told"
    said = (
        f"Within the source {worst} (n = {found['n']}) the class {told} from {fact['words']}: "
        f"Cramér's V = {spoken(fact['v'])}{_told_most(found['strongest'])}; so in {len(mine)} of {len(answered)} "
        f"source(s) that could be looked at by themselves.{apart} Holding the source fixed does not remove this."
    )
    return Verdict(WITHIN_QUESTION, status, said)


def blind_verdict(blind: Mapping[str, Any]) -> Verdict:
    """Of the classifier without pixels, against chance and the network."""
    value, chance, network = blind["files"]["balanced_accuracy"], blind["chance"], blind["network"]
    status = blind_status(value, chance, network)
    by = list(blind["files"]["importance"].items())
    most = f", above all from {_words(blind, by[0][0])}" if status != "pass" and by and by[0][1]["value"] > 0 else ""
    with_source = ""
    if "files_and_source" in blind:
        with_source = f" (with the source told as well, {spoken(blind['files_and_source']['balanced_accuracy'])})"
    against = f"; the network reaches {spoken(network)}" if network["value"] is not None else ""
    meaning = {
        "pass": "the metadata alone do not give the class away",
        "warn": "part of the class can be told from the file without any look at the film",
        "fail": "so much of the accuracy can be had without any look at the film that it is no proof of seeing disease",
    }[status]
    said = (
        f"A classifier that sees only the metadata of the file names the class with a balanced accuracy of "
        f"{spoken(value)} on {blind['n']} {blind['part']} images{with_source}{most}, where chance is "
        f"{chance:.2f}{against}: {meaning}."
    )
    return Verdict(BLIND_QUESTION, status, said)


def blind_status(value: Mapping[str, Any], chance: float, network: Mapping[str, Any]) -> Status:
    """How grave it is that a classifier without pixels scores so."""
    low = value["low"] if value["low"] is not None else 0.0
    if low <= chance + ABOVE:
        return "pass"
    gain = (network["value"] or 0.0) - chance
    rivals = gain > 0 and value["value"] - chance >= HALF * gain
    return "fail" if rivals or low > chance + FAR_ABOVE else "warn"


def _powerless(question: str, found: Mapping[str, Any]) -> Verdict:
    because = (
        f"with {found['n']} images of {found['units']} independent units chance alone gives associations up to "
        f"w = {found['strongest']['by_chance']:.2f}, where {MEDIUM} is medium and {LARGE} is large"
    )
    return Verdict(question, "unanswered", f"Cannot be answered, because {because}.")


def _told_most(strongest: Mapping[str, Any]) -> str:
    w, by_chance = strongest["w"], strongest["by_chance"]
    return (
        f" (effect size w = {w:.2f}, large from {LARGE}; chance gives up to {by_chance:.2f}); "
        f"best told is {strongest['label']}, with w = {strongest['label_w']:.2f} of at most 1"
    )


def _others(found: Mapping[str, Any]) -> str:
    first = found["strongest"]["fact"]
    more = [f for name, f in found["facts"].items() if name != first and f["w"] >= MEDIUM and f["p"] <= ALPHA]
    if not more:
        return ""
    more.sort(key=lambda f: -f["w"])
    return f" So it can from {', '.join(str(f['words']) for f in more[:4])}."


def _words(blind: Mapping[str, Any], name: str) -> str:
    return str(blind["words"].get(name, name))
