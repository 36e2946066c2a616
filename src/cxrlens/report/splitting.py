"""How the images were divided, and a proof made here, from the manifest, that no patient or copy is on two sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cxrlens.manifest import SPLITS, dataset_hash
from cxrlens.report.records import DatasetRecord
from cxrlens.split import count_shared

KINDS = {
    "grouped": "by patient and by duplicate group, spread alike over class and source",
    "random": "at random, image by image, as the original document did",
}


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """The split in figures.

    Args:
        kind: ``grouped``, ``random`` or what ``split.json`` says.
        sizes: images by split, only those that hold some.
        shared_patients: known patients on more than one side, counted here.
        shared_groups: duplicate groups on more than one side, counted here.
        warnings: what the split itself found worth saying (a class of one image, a part without a class).
        hash: the dataset's hash, computed here.
    """

    kind: str
    words: str
    seed: str
    sizes: tuple[tuple[str, int], ...]
    patients: int
    groups: int
    shared_patients: int
    shared_groups: int
    unknown_patients: int
    images: int
    warnings: tuple[str, ...]
    hash: str

    @property
    def random(self) -> bool:
        """Whether images of one patient or copies of one radiograph may lie on both sides."""
        return self.kind == "random" or bool(self.shared_groups or self.shared_patients)


def split_facts(record: DatasetRecord) -> SplitFacts | None:
    """``None`` before ``cxrlens split`` (no kept image is in a split)."""
    kept = record.kept
    if record.manifest is None or kept is None or not (kept["split"] != "").any():
        return None
    said = record.split or {}
    kind = str(said.get("kind", "unknown"))
    sizes = [(name, int((kept["split"] == name).sum())) for name in SPLITS]
    sizes.append(("in no split", int((kept["split"] == "").sum())))
    shared = count_shared(record.manifest)
    return SplitFacts(
        kind=kind,
        words=KINDS.get(kind, "in a way that split.json does not name"),
        seed=_seed(said),
        sizes=tuple((name, n) for name, n in sizes if n),
        patients=int(shared["patients"]),
        groups=int(shared["duplicate_groups"]),
        shared_patients=int(shared["shared_patients"]),
        shared_groups=int(shared["shared_duplicate_groups"]),
        unknown_patients=int((kept["patient_id"] == "").sum()),
        images=len(kept),
        warnings=tuple(str(each) for each in said.get("warnings") or ()),
        hash=dataset_hash(record.manifest),
    )


def _seed(said: dict[str, Any]) -> str:
    options = said.get("options")
    seed = said.get("seed", options.get("seed") if isinstance(options, dict) else None)
    return "not recorded" if seed is None else str(seed)
