"""The findings of calibration in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrlens.evaluation.calibration.operating import TRIAGE_SENSITIVITY, TRIAGE_SPECIFICITY
from cxrlens.labels import TUBERCULOSIS
from cxrlens.report.figures import parse
from cxrlens.report.rendering import measured as spoken
from cxrlens.report.rendering import number, percent


def sentences(said: Mapping[str, Any]) -> list[str]:
    """Probabilities, sets, answers: one sentence each."""
    measured = said["measured"]
    error, temperature = measured["probabilities"]["ece"]["overall"], said["temperature"]
    after, chance, change = parse(error["after"]), float(error["by_chance"]), parse(error["after_minus_before"])
    beyond = after is not None and after.value > chance
    honest = "more than chance would explain" if beyond else "no more than chance would do to honest probabilities"
    tempered = (
        f"tempered with T = {number(temperature['value'], 2)}" if not temperature["reason"] else "left as they are"
    )
    helped = "it is not shown that this helped"
    if change and change.low is not None and change.high is not None and (change.high < 0 or change.low > 0):
        helped = "this helped" if change.high < 0 else "this did harm"
    helped = "" if temperature["reason"] else f"; before, it was {spoken(parse(error['before']))}, and {helped}"
    answers, sets = measured["answers"]["overall"], measured["sets"]["overall"]
    right, size = parse(answers["accuracy_answered"]), number(sets["size"]["value"], 2)
    given = f"of those answers {spoken(right)} are right" if right else "no answer is given at all"
    return [
        f"The probabilities, {tempered}, are off by {spoken(after)} on average: {honest} ({number(chance)}){helped}.",
        f"The set of likely classes was to hold the truth in {percent(said['conformal']['coverage'])} of each class. "
        f"Of all images it does in {spoken(parse(sets['coverage']))}, with {size} classes in it on average.",
        f"The model answers {spoken(parse(answers['answered']))} of the images and says “not sure” of the others; "
        f"{given}, against {spoken(parse(answers['accuracy_all']))} if it always answered.",
    ]


def cautions(said: Mapping[str, Any]) -> list[str]:
    """What could not be fitted or promised, and what belongs beside every figure."""
    found = []
    if said["synthetic"]:
        found.append("Measured on synthetic radiographs: this says nothing about patients.")
    if said["split_kind"] == "random":
        found.append("The split was random, so every figure here is inflated.")
    if said["temperature"]["reason"]:
        found.append(f"No temperature was fitted: {said['temperature']['reason']}.")
    for label, promise in said["conformal"]["classes"].items():
        if promise["threshold"] is None:
            found.append(f"Nothing can be promised for {label}: {promise['reason']}. It is in every set.")
    if said["abstention"].get("reason"):
        found.append(f"No threshold of confidence is in force: {said['abstention']['reason']}.")
    return found


def tiles(measured: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The four figures to see first, each with its words."""
    answers, sets = measured["answers"]["overall"], measured["sets"]["overall"]
    right = answers["accuracy_answered"]["value"]
    return [
        (percent(answers["answered"]["value"]), "of the images are answered"),
        (number(right), "of those answers are right" if right is not None else "accuracy: no answer given"),
        (number(sets["coverage"]["value"]), "of the sets hold the truth"),
        (number(measured["probabilities"]["ece"]["overall"]["after"]["value"]), "calibration error"),
    ]


def triage(measured: Mapping[str, Any]) -> str:
    """The WHO's target in words; empty where no point was chosen or nothing measured."""
    operating = measured["operating"][TUBERCULOSIS]
    fixed, best = operating["points"]["sensitivity"], operating["points"].get("triage") or {}
    found, spared = parse(best.get("sensitivity")), parse(best.get("specificity"))
    if not found or not spared:
        return ""
    reached = found.value >= TRIAGE_SENSITIVITY and spared.value >= TRIAGE_SPECIFICITY
    sure = all(
        rate.low is not None and rate.low >= target
        for rate, target in ((found, TRIAGE_SENSITIVITY), (spared, TRIAGE_SPECIFICITY))
    )
    verdict = "It reaches that here" if sure else "It reaches that here, but not beyond doubt"
    verdict = verdict if reached else "It does not reach that here"
    target = percent(operating["specificity_at_sensitivity"]["sensitivity"])
    there = f"{spoken(parse(fixed['sensitivity']))} and {spoken(parse(fixed['specificity']))}"
    return (
        "To decide who needs a further test for tuberculosis, the WHO asks for a sensitivity of at least "
        f"{number(TRIAGE_SENSITIVITY, 2)} at a specificity of at least {number(TRIAGE_SPECIFICITY, 2)}. {verdict}: "
        f"{spoken(found)} and {spoken(spared)}, at the threshold that lay farthest inside the target on the "
        f"calibration part. At the one chosen for a sensitivity of {target} it has {there}. People who are screened "
        "differ from these images, and so will the figures."
    )
