"""The evidence of each part of the audit: its figures in plain words, its pictures from the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cxrlens.audit.verdict import Status
from cxrlens.report.audit_named_tables import tables_for
from cxrlens.report.audit_record import LEAVE_ONE_OUT, AuditPart
from cxrlens.report.audit_tables import Table
from cxrlens.report.pictures import Picture, from_file

HOW_ASKED: dict[str, str] = {
    LEAVE_ONE_OUT: "For each source, a network is trained again on all the others and then asked about the source that "
    "it has never seen. This is the nearest that the data can come to another hospital.",
    "leakage": "Patients, copies and look-alikes are searched for afresh on both sides of the split, and the accuracy "
    "is measured with and without the images that they touch.",
    "association": "Everything about a file but its picture (source, size, bit depth, format, tint, border) is "
    "compared with the class; then a classifier is trained that sees nothing else.",
    "shortcuts": "The same small network is trained on pictures that lack the lungs, or fine detail, or all shape. "
    "What it still gets right needs no sight of the disease. Small places around the lungs are also compared one by "
    "one, without a network: a marker that a class has shows there. Apart from that, the finished network is shown "
    "altered pictures.",
    "source_features": "A linear classifier looks at the network's own features and names the source. The better it "
    "does, the more of the source the network carries with it.",
    "suspects": "Networks that never saw an image say what they would call it. Where they contradict its label with "
    "confidence, the label is suspected; labels that were changed on purpose show how many such are found.",
    "calibration": "Whether “90 %” means nine in ten, whether the promised coverage holds, and where it breaks.",
    "gate": "Whether pictures that are no chest radiograph are refused, and how many radiographs with them.",
    "explanations": "Whether the heat-maps depend on what the network learnt, and whether what is hot matters to it.",
}

ELSEWHERE: dict[str, tuple[str, str, str]] = {
    "calibration": ("calibrated", "What a probability is worth", "calibration.json"),
    "gate": ("gate", "What it may judge", "gate/measured.json"),
    "explanations": ("gradcam", "Where it looked", "explanations/scorecard.json"),
}
"""Parts whose figures have a section of their own, once a file is there: its anchor, its name, and that file."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands behind the verdicts of one part; ``elsewhere`` is the section with its other figures."""

    name: str
    title: str
    status: Status
    how: str
    tables: tuple[Table, ...]
    pictures: tuple[tuple[Picture, str], ...]
    lost_pictures: int
    elsewhere: tuple[str, str, str] | None


def evidence_of(part: AuditPart, folder: Path) -> Evidence:
    """Tables and pictures of one part.

    Args:
        part: what was found.
        folder: where the part's pictures lie; names that lead out of it are not followed.
    """
    elsewhere = ELSEWHERE.get(part.name)
    if elsewhere is not None and not (folder.parent / elsewhere[2]).is_file():
        elsewhere = None
    # The section of its own shows the same pictures, but for those of sources left out, which are the audit's alone.
    drawings = [each for each in part.result.drawings if elsewhere is None or "left_out" in each.file]
    found = [(from_file(folder / Path(each.file).name, each.caption), each.caption) for each in drawings]
    pictures = tuple((picture, caption) for picture, caption in found if picture is not None)
    return Evidence(
        name=part.name,
        title=part.title,
        status=part.status,
        how=HOW_ASKED.get(part.name, ""),
        tables=tuple(tables_for(part.name, part.result.figures)),
        elsewhere=elsewhere,
        pictures=pictures,
        lost_pictures=len(found) - len(pictures),
    )
