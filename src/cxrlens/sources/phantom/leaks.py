"""Plants that break a split: one person in two parts, one film in two parts. A phantom has no split of its own, so
``truth/plants.csv`` says where each image has to go, and :func:`spoil_split` puts it there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlens.errors import CollectionError
from cxrlens.sources.phantom.cohort import Record, place
from cxrlens.sources.phantom.encode import Samples
from cxrlens.sources.phantom.faults import Copy
from cxrlens.sources.phantom.grid import as_field
from cxrlens.sources.phantom.hospital import HOSPITALS
from cxrlens.sources.phantom.plants import COPIES_ACROSS, SPLIT_PATIENT

SAME_ID, TWO_IDS, TOGETHER = "same id, another visit", "two ids, near-identical films", "other film of that patient"

_ALTERATIONS = ("resized", "recompressed", "cropped 8 %", "re-windowed")
_ONE_IN, _FEWEST = 40, 4  # a leak for so many images, and at least so many
_LATER = 100  # visits from here on were not in the cohort's plan


@dataclass(frozen=True, slots=True)
class Leaks:
    """What is to be made besides the cohort.

    Args:
        visits: further visits of patients of the cohort, under the same id.
        twins: (original, twin) pairs: the film of one exposure again, hardly changed, under another patient's id.
        copies: altered copies that go to another hospital.
        where: (path, plant, what was done, part of the split), a line an image.
    """

    visits: tuple[Record, ...] = ()
    twins: tuple[tuple[Record, Record], ...] = ()
    copies: tuple[Copy, ...] = ()
    where: tuple[tuple[str, str, str, str], ...] = ()


def plan_leaks(records: Sequence[Record], first_index: int, plants: Sequence[str]) -> Leaks:
    """Which images are leaked how. ``first_index`` is the first that no other file has."""
    seed = records[0].entropy[0]
    order = [records[k] for k in np.random.default_rng(np.random.SeedSequence([seed, 9])).permutation(len(records))]
    many = max(_FEWEST, round(len(records) / _ONE_IN))
    unused = iter(_one_a_patient(order))
    index = first_index
    visits, twins, copies, where = [], [], [], []

    def together(one: Record, plant: str) -> list[tuple[str, str, str, str]]:
        """The patient's other films go with it, or the plant would break more than it says."""
        others = (r.path for r in records if r.patient_id == one.patient_id and r.path != one.path)
        return [(path, plant, TOGETHER, "train") for path in others]

    for number in range(many if SPLIT_PATIENT in plants else 0):
        known = next(unused)
        h = HOSPITALS[known.hospital]
        again = replace(known, index=index, visit=_LATER, path=place(h, known.label, index, seed))
        visits.append(again)
        where += [(known.path, SPLIT_PATIENT, SAME_ID, "train"), (again.path, SPLIT_PATIENT, SAME_ID, "test")]
        where += together(known, SPLIT_PATIENT)
        original = next(unused)
        h = HOSPITALS[original.hospital]
        path = place(h, original.label, index + 1, seed)
        twin = replace(original, index=index + 1, path=path, patient_id=f"{h.name}-t{number:04d}")
        twins.append((original, twin))
        where += [(original.path, SPLIT_PATIENT, TWO_IDS, "train"), (twin.path, SPLIT_PATIENT, TWO_IDS, "test")]
        where += together(original, SPLIT_PATIENT)
        index += 2
    for number in range(many if COPIES_ACROSS in plants else 0):
        original = next(unused)
        others = [h for h in HOSPITALS.values() if h.name != original.hospital]
        target = others[number % len(others)]
        alteration = _ALTERATIONS[number % len(_ALTERATIONS)]
        copy = Copy(original, alteration, target.name, original.label, place(target, original.label, index, seed))
        copies.append(copy)
        where += [(original.path, COPIES_ACROSS, alteration, "train"), (copy.path, COPIES_ACROSS, alteration, "test")]
        where += together(original, COPIES_ACROSS)
        index += 1
    return Leaks(tuple(visits), tuple(twins), tuple(copies), tuple(where))


def near_identical(samples: Samples, seed: Sequence[int]) -> Samples:
    """The same film read out again: a little noise, a hair brighter, two pixels lost at an edge."""
    rng = np.random.default_rng(np.random.SeedSequence([*seed, 10]))
    full = float(np.iinfo(samples.dtype).max)
    kept = samples[2:, :].astype(np.float32) / full
    noise = rng.normal(0, 0.006, kept.shape[:2]).astype(np.float32)
    changed = as_field(np.clip(kept * np.float32(1.01) + (noise if kept.ndim == 2 else noise[..., None]), 0, 1))
    result: Samples = np.rint(changed * full).astype(samples.dtype)
    return result


def spoil_split(manifest: pd.DataFrame, phantom: Path) -> pd.DataFrame:
    """A split manifest in which the planted images lie in two parts, as they do where nobody looked.

    Rows that curation excluded stay excluded. The stored duplicate groups of those images are forgotten, so that only
    a fresh look at the pictures, or the patients' ids, can find them.

    Args:
        manifest: of a dataset made of this phantom, with ``split`` filled.
        phantom: its folder.

    Raises:
        CollectionError: nothing that breaks a split was planted there.
    """
    file = phantom / "truth" / "plants.csv"
    plants = pd.read_csv(file, dtype=str, keep_default_na=False) if file.is_file() else pd.DataFrame({"split": []})
    plants = plants[plants["split"] != ""]
    if plants.empty:
        raise CollectionError(
            phantom, "has no plant that breaks a split", f"make it with {SPLIT_PATIENT} or {COPIES_ACROSS}"
        )
    part = {
        str((phantom / path).absolute()): split for path, split in zip(plants["path"], plants["split"], strict=True)
    }
    asked = manifest["path"].map(lambda path: part.get(str(Path(path).absolute()), ""))
    change = (asked != "") & (manifest["split"] != "")
    spoilt = manifest.copy()
    spoilt.loc[change, "split"] = asked[change]
    spoilt.loc[change, "duplicate_group"] = ""
    return spoilt


def _one_a_patient(records: Sequence[Record]) -> list[Record]:
    """Each patient once, so that no two leaks share one."""
    first: dict[str, Record] = {}
    for record in records:
        first.setdefault(record.patient_id, record)
    return list(first.values())
