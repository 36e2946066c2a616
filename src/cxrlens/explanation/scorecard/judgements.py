"""What the figures of the scorecard say, method by method: pass, warn, fail or unanswered, and a sentence to quote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cxrlens.explanation.methods import METHODS
from cxrlens.explanation.scorecard.lesions_hit import KINDS
from cxrlens.explanation.scorecard.rivals import RIVALS

Status = Literal["pass", "warn", "fail", "unanswered"]
Json = Mapping[str, Any]

QUESTIONS: dict[str, str] = {
    "weights": "Does the heat-map depend on what the network learnt?",
    "deletion": "Does hiding what is hot hurt more than hiding something else?",
    "real": "Does the heat lie on real lesions better than a blob in the middle?",
    "phantom": "Does the heat lie on phantom lesions better than a blob in the middle?",
    "lungs": "Does the heat stay in the lungs?",
    "shifts": "Is the heat-map repeatable when the film moves a little?",
    "seeds": "Is the heat-map repeatable when the network is trained again?",
}

UNLIKE, ALIKE = 0.5, 0.7
"""Rank correlations: below the first, two maps are called unlike; above the second, alike. Conventions."""

MOSTLY = 0.5
"""Share of the heat that must lie in the lungs for it to be said to stay there."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One question, answered for one method.

    Args:
        topic: key of :data:`QUESTIONS`.
        question: in plain words.
        status: how it came out.
        sentence: whole and quotable, with its figures.
        key: the figure that decided, as ``{"value", "low", "high"}``; empty where there is none.
    """

    topic: str
    question: str
    status: Status
    sentence: str
    key: Json


def judge(method: str, block: Json) -> list[dict[str, Any]]:
    """Judgements of one method, in the order of :data:`QUESTIONS`, for JSON.

    Args:
        method: a key of :data:`cxrlens.explanation.METHODS`.
        block: its part of the scorecard.
    """
    title = METHODS[method].title
    made = [
        _weights(title, block["weights"]),
        _deletion(title, block["following"]["deletion"], int(block["following"]["n"])),
        *(_lesions(title, method, kind, block["lesions"][kind]) for kind in KINDS),
        _lungs(title, block["lungs"]),
        _repeatable(title, "shifts", block["shifts"]),
        _repeatable(title, "seeds", block["seeds"]),
    ]
    return [asdict(judgement) for judgement in made]


def above(interval: Json, value: float) -> bool:
    """The whole interval lies above; false where there is none."""
    return interval.get("low") is not None and float(interval["low"]) > value


def below(interval: Json, value: float) -> bool:
    """The whole interval lies below; false where there is none."""
    return interval.get("high") is not None and float(interval["high"]) < value


def spoken(interval: Json, signed: bool = False) -> str:
    """``0.12 (0.10 to 0.15)``, with a sign where it is a difference."""
    form = "+.3f" if signed else ".3f"
    value, low, high = (interval.get(key) for key in ("value", "low", "high"))
    if value is None:
        return "unknown"
    if low is None:
        return f"{value:{form}} (no interval: {interval.get('reason', 'none')})".replace("-", "−")
    return f"{value:{form}} ({low:{form}} to {high:{form}})".replace("-", "−")


def _weights(title: str, found: Json) -> Judgement:
    if not found["stages"]:
        return _silent("weights", "the network has no layer with weights")
    first, last = found["stages"][0], found["stages"][-1]
    rank = last["rank"]
    if rank["low"] is None:
        return _silent("weights", f"{found['n']} film(s) give no interval")
    status: Status = "pass" if below(rank, UNLIKE) else "fail" if above(rank, UNLIKE) else "warn"
    said = {
        "pass": "it depends on what was learnt",
        "warn": "it is not shown that it depends on what was learnt",
        "fail": "an untrained network draws much the same map",
    }[status]
    sentence = (
        f"{title}: {said}. With all {last['of']} layers random the map keeps a rank correlation of {spoken(rank)} "
        f"with the true one, with the top layer alone random {spoken(first['rank'])}; maps of two different films "
        f"have {spoken(found['another_film']['rank'])} (n = {found['n']})."
    )
    return Judgement("weights", QUESTIONS["weights"], status, sentence, rank)


def _deletion(title: str, found: Json, n: int) -> Judgement:
    minus = found["minus"]
    if any(minus[rival].get("low") is None for rival in minus):
        return _silent("deletion", f"{n} film(s) give no interval")
    beaten = [RIVALS[rival] for rival in minus if above(minus[rival], 0)]
    lost = [RIVALS[rival] for rival in minus if below(minus[rival], 0)]
    open_ = [RIVALS[rival] for rival in minus if RIVALS[rival] not in beaten + lost]
    status: Status = "fail" if RIVALS["elsewhere"] not in beaten else "pass" if len(beaten) == len(minus) else "warn"
    parts = [
        f"more than {_listed(beaten)}" if beaten else "",
        f"less than {_listed(lost)}" if lost else "",
        f"not shown to differ from {_listed(open_)}" if open_ else "",
    ]
    differences = "; ".join(f"minus {RIVALS[rival]} {spoken(minus[rival], True)}" for rival in minus)
    sentence = (
        f"{title}: hiding the hottest pixels lowers the probability by {spoken(found['drop'])}, "
        f"{', '.join(part for part in parts if part)} ({differences}; n = {n})."
    )
    worst = min(minus.values(), key=lambda interval: float(interval["value"]))
    return Judgement("deletion", QUESTIONS["deletion"], status, sentence, worst)


def _lesions(title: str, method: str, kind: str, found: Json | None) -> Judgement:
    words = KINDS[kind]
    if found is None:
        return _silent(kind, f"no held-out film has {words} marked")
    own, centre = found["maps"][method], found["priors"]["centre"]
    gain = own["minus_centre"]["energy"]
    if gain.get("low") is None:
        return _silent(kind, f"{found['n']} film(s) with {words} give no interval")
    status: Status = "pass" if above(gain, 0) else "fail" if below(gain, 0) else "warn"
    said = {"pass": "more than", "warn": "not shown to differ from", "fail": "less than"}[status]
    sentence = (
        f"{title}: {spoken(own['energy'])} of the heat lies inside {words}, {said} that of a blob in the middle, "
        f"{spoken(centre['energy'])} (difference {spoken(gain, True)}); the hottest pixel lies within 15 pixels of one "
        f"in {spoken(own['pointing_15px'])} of films, the blob's in {spoken(centre['pointing_15px'])} "
        f"(n = {found['n']})."
    )
    return Judgement(kind, QUESTIONS[kind], status, sentence, gain)


def _lungs(title: str, found: Json) -> Judgement:
    if not found["n"]:
        return _silent("lungs", str(found.get("reason", "no map has any heat")))
    gain, share = found["minus_area"], found["share"]
    if gain.get("low") is None:
        return _silent("lungs", f"{found['n']} film(s) with known lungs give no interval")
    more = above(gain, 0)
    status: Status = "pass" if more and share["value"] >= MOSTLY else "warn" if more else "fail"
    said = {
        "pass": "most of the heat lies in the lungs",
        "warn": "the heat prefers the lungs, yet most of it lies outside",
        "fail": "the heat does not prefer the lungs to the rest of the film",
    }[status]
    sentence = (
        f"{title}: {said}. The lungs hold {spoken(share)} of it and are {spoken(found['area'])} of the film "
        f"(difference {spoken(gain, True)}; n = {found['n']}, lungs drawn by hand in {found['drawn']}, "
        f"found by the segmenter in {found['found']}, not found in {found['not_found']})."
    )
    return Judgement("lungs", QUESTIONS["lungs"], status, sentence, gain)


def _repeatable(title: str, topic: str, found: Json) -> Judgement:
    if "rank" not in found:
        return _silent(topic, str(found.get("reason", "it was not measured")))
    rank, gain = found["rank"], found["minus_another_film"]
    if rank.get("low") is None:
        return _silent(topic, f"{found['n']} film(s) give no interval")
    if below(rank, UNLIKE) or not above(gain, 0):
        status: Status = "fail"
    else:
        status = "pass" if above(rank, ALIKE) else "warn"
    how = "when the film is shifted by 3 % or turned by 4°" if topic == "shifts" else "in a network of another seed"
    said = {"pass": "the map is much the same", "warn": "the map is only roughly the same", "fail": "the map changes"}
    sentence = (
        f"{title}: {said[status]} {how}. The rank correlation is {spoken(rank)}; that of two different films' maps is "
        f"{spoken(found['another_film'])} (n = {found['n']})."
    )
    return Judgement(topic, QUESTIONS[topic], status, sentence, rank)


def _silent(topic: str, because: str) -> Judgement:
    return Judgement(topic, QUESTIONS[topic], "unanswered", f"Cannot be answered, because {because}.", {})


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
