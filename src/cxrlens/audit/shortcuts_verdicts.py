"""What the figures on shortcuts mean: thresholds and sentences in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrlens.audit.recall import CHANCE
from cxrlens.audit.verdict import Status, Verdict, spoken

OUTSIDE = "Can the class be told without looking at the lungs?"
COARSE = "Is a thumbnail, or texture without anatomy, enough?"
LEANS = "Does the trained model still name classes when the lungs are gone?"
MARKS = "Does the trained model lean on borders or markers?"

NOTICEABLE = 0.05
"""Balanced accuracy above chance from which (by its interval's lower end) something is given away at all."""

HALF = 0.5
"""Share of the whole image's advantage over chance: a shortcut that is worth half of it is no side issue."""

NEARLY_ALL = 0.8
"""The same share for coarse images. They hold the lungs too, and disease that is spread over a lung shows on an 8 × 8
thumbnail: on clean phantoms, which have no shortcut, it gave 0.58. So only nearly all of it speaks against detail."""

GIVEAWAY, HINT = 0.9, 0.65
"""AUROC of one class (lower end of its interval) that gives this class away, or hints at it, all by itself."""

LOSS = 0.05
"""Loss of balanced accuracy (upper end of its interval) from which the model is said to lean on what was removed."""

Entries = Mapping[str, Mapping[str, Any]]


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """The four answers, from the part's figures."""
    learnt, full = figures["by_retraining"], figures["full"]
    if full["low"] is not None and full["low"] <= CHANCE + NOTICEABLE:
        because = (
            f"the small network reaches only {spoken(full)} on whole images, where chance is {CHANCE:.2f}: with so "
            "little learnt, nothing can be said about parts of them"
        )
        first = [Verdict(q, "unanswered", f"Cannot be answered, because {because}.") for q in (OUTSIDE, COARSE)]
    else:
        first = [_outside(learnt, full), _coarse(learnt, full)]
    return [*first, _leans(figures["by_testing"], figures["tested_full"]), _marks(figures["by_testing"])]


def _outside(learnt: Entries, full: Mapping[str, Any]) -> Verdict:
    entries = {name: learnt[name] for name in ("lungs-out", "border-only")}
    status = max((severity(e) for e in entries.values()), key=("pass", "warn", "fail").index)
    words = "; ".join(
        f"a network trained on {e['title']} reaches a balanced accuracy of {spoken(e['balanced_accuracy'])}"
        for e in entries.values()
    )
    given = sorted({c for e in entries.values() for c, f in e["by_class"].items() if _low(f["auroc"]) >= GIVEAWAY})
    also = f" {' and '.join(given)} can be told from the rest this way almost always." if given else ""
    end = f"the same network on whole images {spoken(full)}, chance {CHANCE:.2f}."
    meaning = {
        "pass": f" Nothing was found that gives the class away outside the lungs{_not_ruled_out(entries)}.",
        "warn": " Something outside the lungs gives part of the class away.",
        "fail": " Most of what the whole image tells can be had without the lungs: the accuracy is no proof that "
        "disease is seen.",
    }[status]
    return Verdict(OUTSIDE, status, f"{words[0].upper()}{words[1:]}; {end}{also}{meaning}")


def _not_ruled_out(entries: Entries) -> str:
    """What a pass leaves open: small networks on few images miss a small sign. Blank where little is left open."""
    most = max(float(e["balanced_accuracy"]["high"] or 0.0) for e in entries.values())
    if most <= CHANCE + 2 * NOTICEABLE:
        return ""
    return f"; with these few images a balanced accuracy of up to {most:.2f} cannot be ruled out"


def severity(entry: Mapping[str, Any]) -> Status:
    """How grave it is that a network without the lungs scores so."""
    value, share = entry["balanced_accuracy"], entry["above_chance_share"]
    areas = [_low(f["auroc"]) for f in entry["by_class"].values()]
    noticeable = _low(value) > CHANCE + NOTICEABLE
    if (noticeable and share is not None and share >= HALF) or any(a >= GIVEAWAY for a in areas):
        return "fail"
    return "warn" if noticeable or any(a >= HINT for a in areas) else "pass"


def _coarse(learnt: Entries, full: Mapping[str, Any]) -> Verdict:
    entries = [learnt["thumbnail"], learnt["shuffled"]]
    most = max((e["above_chance_share"] or 0.0) for e in entries)
    status: Status = "warn" if most >= NEARLY_ALL else "pass"
    words = " and ".join(f"{spoken(e['balanced_accuracy'])} from {e['title']}" for e in entries)
    meaning = (
        "nearly all of the accuracy needs no fine detail, so tone, framing and device may carry it"
        if status == "warn"
        else "a part of the accuracy needs detail in its place"
    )
    said = f"Networks trained on coarse images reach {words}, whole images {spoken(full)}: {meaning}."
    return Verdict(COARSE, status, said)


def _leans(tested: Entries, full: Mapping[str, Any]) -> Verdict:
    entry = tested["lungs-out"]
    status = severity(entry)
    meaning = {
        "pass": "without lungs it is lost, as it should be",
        "warn": "it still names part of them, so it looks outside the lungs too",
        "fail": "it hardly needs the lungs",
    }[status]
    return Verdict(
        LEANS,
        status,
        f"On test images with the lungs blacked out the trained model has a balanced accuracy of "
        f"{spoken(entry['balanced_accuracy'])}, against {spoken(full)} on whole images and {CHANCE:.2f} by chance: "
        f"{meaning}. "
        "(Blacked-out lungs are strange to it: this is another question than what could be learnt there.)",
    )


def _marks(tested: Entries) -> Verdict:
    entries = [tested["border-out"], tested["markers-out"]]
    losses = [e["minus_full"] for e in entries]
    grave = [x for x in losses if x["high"] is not None and x["high"] < -LOSS]
    status: Status = "warn" if grave else "pass"
    words = " and ".join(f"by {_signed(e['minus_full'])} on {e['title']}" for e in entries)
    meaning = "it leans on what was taken away" if grave else "it does not depend on them much"
    return Verdict(MARKS, status, f"The trained model's balanced accuracy changes {words}: {meaning}.")


def _signed(interval: Mapping[str, Any]) -> str:
    if interval["low"] is None:
        return f"{interval['value']:+z.2f}"
    return f"{interval['value']:+z.2f} ({interval['low']:+z.2f} to {interval['high']:+z.2f})"


def _low(interval: Mapping[str, Any]) -> float:
    """Lower end, 0 where there is none."""
    return 0.0 if interval.get("low") is None else float(interval["low"])
