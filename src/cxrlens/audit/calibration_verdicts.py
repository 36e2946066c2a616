"""What the figures of calibration come to: one verdict a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cxrlens.audit.case import FEWEST
from cxrlens.audit.verdict import ORDER, Status, Verdict, spoken
from cxrlens.evaluation.calibration.operating import TRIAGE_SENSITIVITY, TRIAGE_SPECIFICITY
from cxrlens.labels import TUBERCULOSIS

Record = Mapping[str, Any]

OFF = 0.05
"""A probability that is off by more than this on average is not worth its second digit."""

DOUBT = 0.05
"""Chance of calling a promise broken that holds; shared out over the classes."""

PROBABILITIES = "Are the probabilities calibrated?"
PROBABILITIES_BY_SOURCE = "Are the probabilities calibrated on every source?"
BY_CLASS = "Does the prediction set keep its promise for every class?"
BY_SOURCE = "Does the prediction set keep its promise on every source?"
LEFT_OUT = "Does the prediction set keep its promise on a source that the network has never seen?"
ABSTENTION = "Are the answers safer for saying 'not sure'?"
TRIAGE = "Does it meet the WHO's triage target for tuberculosis?"


def because(question: str, reason: str) -> Verdict:
    """No answer; ``reason`` completes the sentence, without a full stop."""
    return Verdict(question, "unanswered", f"Cannot be answered, because {reason}.")


def of_probabilities(record: Record) -> Verdict:
    """The error after tempering, against what chance alone would do to a calibrated model."""
    measured = record["measured"]
    error = measured["probabilities"]["ece"]["overall"]
    after, chance = error["after"]["value"], error["by_chance"]
    status: Status = "pass" if after <= chance else "warn" if after < OFF else "fail"
    change = error["after_minus_before"]
    helps = "tempering is not shown to change that"
    if change["low"] is not None and change["high"] < 0:
        helps = f"tempering made it smaller by {abs(change['value']):.3f}"
    elif change["low"] is not None and change["low"] > 0:
        helps = f"tempering made it larger by {change['value']:.3f}"
    temperature = record["temperature"]
    how = f"tempered (T = {temperature['value']:.2f})" if not temperature["reason"] else "left as they are"
    sentence = (
        f"On the {measured['n']} images of the {where(measured)}, the probabilities, {how}, are off by "
        f"{spoken(error['after'], 3)} on average, where a calibrated model would be off by at most {chance:.3f} in 95 "
        f"of 100 sets of this size; before, it was {spoken(error['before'], 3)}, and {helps}."
    )
    return _capped(Verdict(PROBABILITIES, status, sentence), record)


def of_probabilities_by_source(record: Record) -> Verdict:
    """Sources whose error is beyond chance, and those where the network is surely too sure or too timid."""
    parts = {
        name: part
        for name, part in record["measured"]["probabilities"]["ece"]["by_source"].items()
        if part["n"] >= FEWEST
    }
    if len(parts) < 2:
        return because(PROBABILITIES_BY_SOURCE, f"fewer than two sources have {FEWEST} images to measure on")
    beyond = {name: part for name, part in parts.items() if part["after"]["value"] > part["by_chance"]}
    surely = [name for name, part in beyond.items() if _off_to_one_side(part["too_sure"]["after"])]
    worst = max(parts, key=lambda name: parts[name]["after"]["value"])
    part = parts[worst]
    lean = part["too_sure"]["after"]
    said = "above" if lean["value"] > 0 else "below"
    sentence = (
        f"Of {len(parts)} sources with at least {FEWEST} images, {len(beyond)} have an error beyond chance; the "
        f"largest is {spoken(part['after'], 3)} on {worst} (n = {part['n']}), where the stated confidence lies "
        f"{abs(lean['value']):.2f} {said} the share right."
    )
    status: Status = "fail" if surely else "warn" if beyond else "pass"
    return _capped(Verdict(PROBABILITIES_BY_SOURCE, status, sentence), record)


def of_classes(record: Record) -> Verdict:
    """Coverage by class, judged by the patients' interval and by the exact test of exchangeability together."""
    promise, classes = record["conformal"]["coverage"], record["measured"]["sets"]["by_class"]
    judged = {name: part for name, part in classes.items() if part["promised"] and part["n"]}
    needed = next(iter(record["conformal"]["classes"].values()))["needed"]
    if not judged:
        reason = f"no class has the {needed} calibration images that a promise of {promise:.0%} needs"
        return because(BY_CLASS, reason if not any(p["promised"] for p in classes.values()) else "no image is measured")
    statuses: list[Status] = []
    for part in judged.values():
        signs = [part["coverage"]["high"] is not None and part["coverage"]["high"] < promise]
        signs.append(part["surprise"] < DOUBT / len(judged))
        statuses.append("fail" if all(signs) else "warn" if any(signs) else "pass")
    said = ", ".join(f"{name} {spoken(part['coverage'])}" for name, part in judged.items())
    sentence = (
        f"Sets that should hold the truth in {promise:.0%} of each class hold it, on the {where(record['measured'])}, "
        f"in: {said}."
    )
    missing = [name for name, part in classes.items() if not part["promised"]]
    if missing:
        statuses.append("warn")
        sentence += f" Nothing could be promised for {' and '.join(missing)} ({needed} calibration images are needed)."
    return _capped(Verdict(BY_CLASS, min(statuses, key=ORDER.index), sentence), record)


def of_sources(record: Record) -> Verdict:
    """Coverage by source, which class-conditional sets do not promise and readers expect."""
    promise = record["conformal"]["coverage"]
    parts = {n: p for n, p in record["measured"]["sets"]["by_source"].items() if p["n"] >= FEWEST}
    if not any(part["promised"] for part in record["measured"]["sets"]["by_class"].values()):
        return because(BY_SOURCE, "nothing could be promised for any class")
    if len(parts) < 2:
        return because(BY_SOURCE, f"fewer than two sources have {FEWEST} images to measure on")
    broken = [n for n, p in parts.items() if p["coverage"]["high"] is not None and p["coverage"]["high"] < promise]
    low = [n for n, p in parts.items() if p["coverage"]["value"] < promise - OFF]
    worst = min(parts, key=lambda name: parts[name]["coverage"]["value"])
    sentence = (
        f"Of {len(parts)} sources with at least {FEWEST} images, {len(broken)} are covered less than the promised "
        f"{promise:.0%} beyond doubt and {len(low)} by more than {OFF:.0%} in the figure itself; the least is "
        f"{spoken(parts[worst]['coverage'])} on {worst} (n = {parts[worst]['n']})."
    )
    status: Status = "fail" if broken else "warn" if low else "pass"
    return _capped(Verdict(BY_SOURCE, status, sentence), record)


def of_left_out(sources: Sequence[Record], promise: float) -> Verdict:
    """Coverage on sources that networks were trained without (``source`` and :func:`shift_coverage`'s record each)."""
    shown = [s for s in sources if s["outside"]["n"] >= FEWEST]
    if not shown:
        return because(LEFT_OUT, "no network was trained with a source left out (part leave_one_out of the audit)")
    outside = {s["source"]: s["outside"]["sets"]["overall"]["coverage"] for s in shown}
    broken = [name for name, c in outside.items() if c["high"] is not None and c["high"] < promise]
    low = [name for name, c in outside.items() if c["value"] < promise - OFF]
    worst = min(outside, key=lambda name: outside[name]["value"])
    known = [s["inside"]["sets"]["overall"]["coverage"]["value"] for s in shown if "inside" in s]
    answered = sum(s["outside"]["answers"]["overall"]["n_answered"] for s in shown)
    right = sum(
        s["outside"]["answers"]["overall"]["n_answered"] * (_value(s["outside"]["answers"]["overall"]) or 0.0)
        for s in shown
    )
    beside = f", against {sum(known) / len(known):.0%} on the sources that the same networks know" if known else ""
    sentence = (
        f"On {len(shown)} sources, each left out of the training of one network, sets that promise {promise:.0%} hold "
        f"the truth in {sum(c['value'] for c in outside.values()) / len(outside):.0%} on average{beside}; the promise "
        f"is broken beyond doubt on {len(broken)} of them, worst on {worst}: {spoken(outside[worst])}."
    )
    total = sum(s["outside"]["n"] for s in shown)
    if answered:
        share = f"{answered / total:.0%} were answered, {right / answered:.0%} of those rightly"
        sentence += f" Of the {total} images there, {share}."
    status: Status = "fail" if broken else "warn" if low else "pass"
    return Verdict(LEFT_OUT, status, sentence)


def of_abstention(record: Record) -> Verdict:
    """Whether what is answered is wrong as seldom as it was meant to be."""
    rule, parts = record["abstention"], record["measured"]["answers"]["overall"]
    if rule["confidence"] is None and not rule["sets_decide"]:
        return because(ABSTENTION, "the calibration part is too small to choose when to say 'not sure'")
    right = parts["accuracy_answered"]
    if right["value"] is None:
        return Verdict(ABSTENTION, "warn", f"No image of the {where(record['measured'])} is answered at all.")
    wrong, most = 1 - right["value"], 1 - (right["low"] if right["low"] is not None else 0.0)
    status: Status = "pass" if most <= rule["risk"] else "warn" if wrong <= rule["risk"] else "fail"
    aim = f"at most {rule['risk']:.0%} were to be wrong"
    if rule["confidence"] is None:  # nothing was promised that could be broken
        status, aim = "warn", f"no limit of their risk was promised ({rule['reason']})"
    sentence = (
        f"On the {where(record['measured'])} it answers {spoken(parts['answered'])} of the images and is right in "
        f"{spoken(right)} of those answers, against {spoken(parts['accuracy_all'])} if it answered all and "
        f"{spoken(parts['accuracy_withheld'])} of those withheld; {aim}."
    )
    return _capped(Verdict(ABSTENTION, status, sentence), record)


def of_triage(record: Record) -> Verdict:
    """The WHO's minimum against a point that was chosen on the calibration part."""
    operating = record["measured"]["operating"][TUBERCULOSIS]
    point, fixed = operating["points"].get("triage"), operating["points"]["sensitivity"]
    if point is None or point["threshold"] is None:
        return because(TRIAGE, point["reason"] if point else "no operating point was chosen")
    found, spared = point["sensitivity"], point["specificity"]
    if found["value"] is None or spared["value"] is None:
        return because(TRIAGE, str((found if found["value"] is None else spared)["reason"]))
    targets = ((found, TRIAGE_SENSITIVITY), (spared, TRIAGE_SPECIFICITY))
    status: Status = "fail"
    if all(rate["value"] >= target for rate, target in targets):
        sure = all(rate["low"] is not None and rate["low"] >= target for rate, target in targets)
        status = "pass" if sure else "warn"
    sentence = (
        f"At a threshold chosen on the calibration part, tuberculosis is found with a sensitivity of {spoken(found)} "
        f"and a specificity of {spoken(spared)} on the {where(record['measured'])}, where the WHO asks for at least "
        f"{TRIAGE_SENSITIVITY:.2f} and {TRIAGE_SPECIFICITY:.2f}; at the threshold meant for a sensitivity of "
        f"{record['options']['sensitivity']:.0%} they are {spoken(fixed['sensitivity'])} and "
        f"{spoken(fixed['specificity'])}. These images come from the collections that it was trained on, and not from "
        "people who were screened."
    )
    return _capped(Verdict(TRIAGE, status, sentence), record)


def where(measured: Record) -> str:
    """``test set (locked away until now)``: no figure without what it was measured on."""
    return f"{measured['split']} set ({measured['meaning']})"


def _capped(verdict: Verdict, record: Record) -> Verdict:
    """Nothing passes on images that chose the epoch, or that share patients with the training."""
    inflated = record["split_kind"] == "random" or record["measured"]["split"] != "test"
    if inflated and verdict.status == "pass":
        return Verdict(verdict.question, "warn", verdict.sentence)
    return verdict


def _off_to_one_side(lean: Record) -> bool:
    return lean["low"] is not None and (lean["low"] > 0 or lean["high"] < 0) and abs(lean["value"]) >= OFF


def _value(answers: Record) -> float | None:
    value = answers["accuracy_answered"]["value"]
    return None if value is None else float(value)
