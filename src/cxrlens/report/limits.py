"""The limits of a run, said in plain words and drawn from its own facts only."""

from __future__ import annotations

from collections.abc import Iterator

from cxrlens.report.data_facts import DataFacts
from cxrlens.report.findings import Findings
from cxrlens.report.headline import ORIGINAL, Headline
from cxrlens.report.licences import caveats_of
from cxrlens.report.records import RunRecord
from cxrlens.report.rendering import measured, number, percent, plural
from cxrlens.report.splitting import SplitFacts

SMALL_TEST = 100
UNCALIBRATED = 0.05

Limit = tuple[str, str]
"""A short claim, and the sentence that supports it."""


def limits(
    record: RunRecord, data: DataFacts | None, split: SplitFacts | None, head: Headline | None, found: Findings | None
) -> list[Limit]:
    """The gravest first."""
    result: list[Limit] = []
    if record.dataset.synthetic:
        words = "Every picture is computed. The figures show that the software works, and nothing about patients."
        result.append(("The radiographs are synthetic.", words))
    result.extend(_of_measure(head, record))
    result.extend(_of_split(split, data))
    if data is not None:
        result.extend(_of_data(data))
        if not record.dataset.synthetic:
            result.extend(_of_catalogue(data))
    if found is not None and found.conflicts:
        pairs = plural(found.conflicts, "pair of copies carries", "pairs of copies carry")
        words = f"{pairs} two different labels; other wrong labels cannot be seen this way."
        result.append(("Some labels are known to be wrong.", words))
    words = (
        "Grad-CAM shows where the network reacted. It localises findings worse than people do (Saporta 2022), "
        "and a plausible map does not make a prediction right."
    )
    result.append(("A heat-map is no explanation of a disease.", words))
    return result


def _of_measure(head: Headline | None, record: RunRecord) -> Iterator[Limit]:
    if head is None:
        yield "Nothing has been measured yet.", "Until 'cxrlens evaluate' has run, nothing is known about this model."
        return
    if head.split != "test":
        words = f"The headline is from {head.split} images, which training has used. An independent one would be lower."
        yield "There is no test figure.", words
    elif head.n < SMALL_TEST:
        words = f"{plural(head.n, 'image')} give {measured(head.accuracy)}: a wide interval."
        yield "The test is small.", words
    worst = head.outside.worst if head.outside else None
    if head.outside and worst and head.outside.sentence:
        chance = f", where guessing gives {head.outside.chance:.2f}" if head.outside.chance is not None else ""
        words = (
            f"{head.outside.sentence}{chance}; the worst is “{worst.source}” with {measured(worst.mean_recall)}. On a "
            "hospital that gave no image to the training, expect the second figure and not the first."
        )
        yield "What it can do, it can do on the sources that it knows.", words
    elif not (record.folder.root / "external").is_dir():
        words = (
            "Test images come from the same collections as the training images. Published four-class models fall from "
            "0.94–0.99 inside to chance on another hospital (DeGrave 2021, Zech 2018, Roberts 2021); so may this one."
        )
        yield "Nothing here is from an unseen hospital.", words
    if head.verdict and head.gain and head.gain.low is not None and head.gain.low <= 0:
        yield "The source alone may do as well.", head.verdict
    if head.weakest and head.weakest.accuracy:
        words = f"On “{head.weakest.source}” the accuracy is {measured(head.weakest.accuracy)} (n = {head.weakest.n})."
        yield "It is not equally good everywhere.", words
    words = (
        f"The original document reports {ORIGINAL['train']:.4f} in training and {ORIGINAL['validation']:.4f} in "
        "validation, on other images and with a random split. Those figures and this one answer different questions."
    )
    yield "It is not comparable with the original document.", words


def _of_split(split: SplitFacts | None, data: DataFacts | None) -> Iterator[Limit]:
    if split is not None and split.random:
        words = (
            "Images of one patient, and copies of one radiograph, may lie on both sides of the split. "
            "The model may have seen the answers; the figures are too high by an unknown amount."
        )
        yield "The split was random." if split.kind == "random" else "The split is not clean.", words
    if data is not None and data.unknown_patients:
        share = data.unknown_patients / max(data.images, 1)
        words = (
            f"For {plural(data.unknown_patients, 'image')} of {data.images:,} ({percent(share)}) nobody recorded the "
            "patient. Another image of the same person may be in another split."
        )
        yield "Not every patient is known.", words


def _of_data(data: DataFacts) -> Iterator[Limit]:
    if data.source_gives_class - data.commonest_share > 0.1 or data.source_gives_class > 0.9:
        words = (
            f"{percent(data.source_gives_class)} of the images could be labelled rightly by knowing only the source; "
            f"the commonest class alone gives {percent(data.commonest_share)}. A network can learn the hospital, the "
            "scanner or the frame of the picture instead of the disease."
        )
        yield "The source gives the class away.", words
    if data.single_source_classes:
        named = "; ".join(f"{label} from {source} only" for label, source in data.single_source_classes)
        words = f"{named}. What makes that source different cannot be told from the disease."
        yield "Some classes come from one source.", words
    if data.children:
        shown = plural(data.children, "image")
        words = f"{shown} of {data.ages_known:,} with a known age show children; the figures mix them with adults."
        yield "Children and adults are mixed.", words
    scarce = [known for known in data.known if known.known < known.total / 2]
    if scarce:
        counted = ", ".join(f"{known.column} {known.known:,}" for known in scarce)
        words = f"Known of {data.images:,} images: {counted}. How the model does by them cannot be told."
        yield "Little is known of the patients.", words


def _of_catalogue(data: DataFacts) -> Iterator[Limit]:
    for row in data.rows:
        caveats = caveats_of(row.source, row.collections)
        if caveats:
            yield f"About {row.source}:", " ".join(f"{each[:1].upper()}{each[1:].rstrip('.')}." for each in caveats)


def calibration_words(ece: float | None) -> str:
    """What the expected calibration error means for a reader; empty where it was not measured."""
    if ece is None:
        return ""
    if ece > UNCALIBRATED:
        return f"The probabilities are off by {number(ece)} on average: do not read 0.90 as “nine in ten”."
    return f"The probabilities are off by {number(ece)} on average."
