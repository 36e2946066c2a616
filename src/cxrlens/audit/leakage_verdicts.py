"""What leakage means: thresholds and sentences in one place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cxrlens.audit.verdict import Status, Verdict, spoken

PATIENT_QUESTION = "Is a patient in more than one part of the split?"
UNKNOWN_QUESTION = "Can images of unknown patients lie in more than one part?"
GROUP_QUESTION = "Is a duplicate group that curation found in more than one part?"
FILM_QUESTION = "Does a fresh look at the pictures find one radiograph in two parts?"
ACCURACY_QUESTION = "Is the accuracy higher because of images that were known already?"

FEW = 0.01
"""Share of the measured part: fewer copies than this can move the accuracy by no more than a hundredth, which is a
warning; a patient or a stored group in two parts is a failure whatever the number, since the split rules it out."""


def verdicts(figures: Mapping[str, Any]) -> list[Verdict]:
    """The answers, from the part's figures, in the order asked."""
    found = [_patients(figures), *_unknown(figures), _groups(figures), _films(figures), _accuracy(figures)]
    return [verdict for verdict in found if verdict is not None]


def _patients(figures: Mapping[str, Any]) -> Verdict:
    shared, images = figures["shared"], figures["images"]
    if not shared["patients"]:
        because = f"none of the {images:,} images tells its patient"
        return Verdict(PATIENT_QUESTION, "unanswered", f"Cannot be answered, because {because}.")
    if not shared["shared_patients"]:
        said = f"None of {shared['patients']:,} known patients has images in more than one part of the split."
        return Verdict(PATIENT_QUESTION, "pass", said)
    said = (
        f"{shared['shared_patients']:,} of {shared['patients']:,} known patients have images in more than one part; "
        f"{_of_measured(figures, 'patient')} show a patient that was learnt from."
    )
    return Verdict(PATIENT_QUESTION, "fail", said)


def _unknown(figures: Mapping[str, Any]) -> list[Verdict]:
    unknown, images = figures["shared"]["images_without_patient"], figures["images"]
    if not unknown or unknown == images:
        return []  # nothing is unknown, or the question before has said it
    because = (
        f"{unknown:,} of {images:,} images ({100 * unknown / images:.0f} %) tell no patient: copies of one film are "
        "looked for among them, another film of one patient would not be noticed"
    )
    return [Verdict(UNKNOWN_QUESTION, "unanswered", f"Cannot be answered, because {because}.")]


def _groups(figures: Mapping[str, Any]) -> Verdict:
    shared = figures["shared"]
    linked = max(shared["shared_duplicate_groups"], shared["shared_units"] - shared["shared_patients"])
    if not shared["shared_duplicate_groups"] and linked <= 0:
        said = f"None of {shared['duplicate_groups']:,} duplicate groups with kept images is in more than one part."
        return Verdict(GROUP_QUESTION, "pass", said)
    said = (
        f"{linked:,} group(s) of copies that curation found, or of images linked by an excluded copy, lie in more than "
        f"one part; {_of_measured(figures, 'group')} have a copy among the images learnt from."
    )
    return Verdict(GROUP_QUESTION, "fail", said)


def _films(figures: Mapping[str, Any]) -> Verdict:
    films, known = figures["afresh"], figures["known"]
    missing = f" {films['unreadable']:,} image(s) could not be read." if films["unreadable"] else ""
    if not films["across"]:
        said = (
            f"A fresh search of {figures['images']:,} kept images found {films['pairs']:,} pair(s) of copies, none of "
            f"them across two parts.{missing}"
        )
        return Verdict(FILM_QUESTION, "pass", said)
    grave = figures["measured_images"] and known["film"] >= FEW * figures["measured_images"]
    said = (
        f"A fresh search of {figures['images']:,} kept images found {films['across']:,} pair(s) that show one "
        f"radiograph in two parts; {_of_measured(figures, 'film')} have a copy among the images learnt from.{missing}"
    )
    return Verdict(FILM_QUESTION, "fail" if grave else "warn", said)


def _accuracy(figures: Mapping[str, Any]) -> Verdict | None:
    part, known, accuracy = figures["measured"], figures["known"]["any"], figures.get("accuracy")
    if accuracy is None:
        because = figures["accuracy_missing"]
        return Verdict(ACCURACY_QUESTION, "unanswered", f"Cannot be answered, because {because}.")
    if not known:
        said = (
            f"No {part} image is known to leak, so the {part} accuracy of {spoken(accuracy['all'])} owes nothing to "
            "leakage that could be found."
        )
        return Verdict(ACCURACY_QUESTION, "pass", said)
    if known == figures["measured_images"]:
        because = f"every one of the {known:,} {part} images was known already, and none is left to compare with"
        return Verdict(ACCURACY_QUESTION, "fail", f"The {part} accuracy means nothing, because {because}.")
    gain = accuracy["difference"]
    lifted = gain["low"] is not None and gain["low"] > 0
    status: Status = "fail" if lifted and gain["value"] >= FEW else "warn"
    meaning = "leakage lifts it" if lifted else "the difference may be chance, the leak is none the less there"
    signed = f"{gain['value']:+.3f}" + (
        f" ({gain['low']:+.3f} to {gain['high']:+.3f})" if gain["low"] is not None else ""
    )
    said = (
        f"The {part} accuracy is {spoken(accuracy['all'])} on all images and {spoken(accuracy['without'])} without the "
        f"{known:,} that were known already ({spoken(accuracy['known'])} on those alone), a difference of {signed}: "
        f"{meaning}."
    )
    return Verdict(ACCURACY_QUESTION, status, said)


def _of_measured(figures: Mapping[str, Any], why: str) -> str:
    return f"{figures['known'][why]:,} of {figures['measured_images']:,} {figures['measured']} images"
