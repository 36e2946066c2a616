"""The methods against the default one: is another clearly better on the evidence?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrlens.explanation.scorecard.deletion import Followed
from cxrlens.explanation.scorecard.judgements import above, below, spoken
from cxrlens.explanation.scorecard.lesions_hit import KINDS
from cxrlens.explanation.scorecard.sample import Sample

WORDS = {"drop": "the drop by deletion", "real": "heat in real lesions", "phantom": "heat in phantom lesions"}


def against_default(sample: Sample, own: Mapping[str, Followed], hit: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Paired differences of every other method to the first: ``drop``, and energy in ``real``, ``phantom`` lesions."""
    default, *others = own
    result: dict[str, dict[str, Any]] = {}
    for method in others:
        result[method] = {"drop": sample.mean(own[method].drop - own[default].drop)}
        result[method].update({kind: hit[kind]["gains"][method][default] for kind in KINDS if hit[kind]})
    return result


def verdict_on_methods(record: Mapping[str, Any]) -> dict[str, Any]:
    """Methods that are clearly better than the default, and a sentence.

    Clearly: better in one figure at least with its whole interval, worse in none, and depending on the weights.
    """
    methods, default = record["methods"], record["default"]
    title = methods[default]["title"]
    better: dict[str, str] = {}
    for method, gains in record["against_default"].items():
        won = [key for key, gain in gains.items() if above(gain, 0)]
        lost = [key for key, gain in gains.items() if below(gain, 0)]
        trusted = next(j for j in methods[method]["judgements"] if j["topic"] == "weights")["status"] == "pass"
        if won and not lost and trusted:
            figures = ", ".join(f"{WORDS[key]} {spoken(gains[key], True)}" for key in won)
            better[method] = f"{methods[method]['title']} ({figures})"
    if better:
        sentence = f"Clearly better than {title} on these films: {'; '.join(better.values())}."
    elif record["against_default"]:
        sentence = f"No other method is clearly better than {title} on these films."
    else:
        sentence = f"{title} alone was scored."
    return {"better": list(better), "sentence": sentence}
