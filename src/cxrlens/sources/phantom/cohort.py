"""Who is radiographed where, how often, with what: the plan of a synthetic cohort. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from cxrlens.labels import CLASSES
from cxrlens.sources.phantom.hospital import HOSPITALS, Hospital

_FOLLOW_UP = (0.72, 0.20, 0.08)  # of one, two, three images a patient
_NEARLY_ALL = 0.97
_PRIME = 99991  # file numbers jump about, so that neighbours on disk tell nothing


@dataclass(frozen=True, slots=True)
class Record:
    """One image that is to be made.

    Args:
        index: its place in the cohort.
        entropy: the patient's.
        patient_id: known to the truth, and to the hospital that keeps a table.
        visit: 0 for the first.
        label: one of ``CLASSES``.
        hospital: one of ``HOSPITALS``.
        path: relative to the phantom's folder.
    """

    index: int
    entropy: tuple[int, ...]
    patient_id: str
    visit: int
    label: str
    hospital: str
    path: str


@dataclass(frozen=True, slots=True)
class Mix:
    """How classes and hospitals go together.

    Args:
        balanced: every hospital has the same shares of the classes; else each has its own.
        one_source: (class, hospital): nearly all patients of this class come from this hospital, and hardly any others.
    """

    balanced: bool = False
    one_source: tuple[str, str] | None = None


def plan_cohort(images: int, seed: int, mix: Mix = Mix()) -> list[Record]:
    """The first ``images`` records of the cohort that ``seed`` draws; a longer plan begins with the shorter one.

    The first 16 patients have one image each and cover every class in every hospital.
    """
    records: list[Record] = []
    for number, visits, label, hospital in _patients(seed, mix):
        for visit in range(visits):
            if len(records) == images:
                return records
            index = len(records)
            path = place(hospital, label, index, seed)
            entropy = (seed, 1, number)
            records.append(Record(index, entropy, f"{hospital.name}-{number:05d}", visit, label, hospital.name, path))
    raise AssertionError("the stream of patients has no end")


def place(hospital: Hospital, label: str, index: int, seed: int, extension: str | None = None) -> str:
    """Path of the image ``index``, relative to the phantom's folder, as this hospital lays its pictures out."""
    number = (index + 1) * 48271 % _PRIME + (index // _PRIME) * _PRIME
    name = hospital.stem.format(n=number) + (extension or hospital.extension)
    spelled = hospital.spelling[label]
    if hospital.layout == "table":
        inner = PurePosixPath("images", name)
    elif hospital.layout == "tree":
        draw = np.random.default_rng(np.random.SeedSequence([seed, 5, index])).random()
        # As such uploads are made: by image, so that a patient may lie on both sides.
        inner = PurePosixPath("train" if draw < 0.72 else "val" if draw < 0.82 else "test", spelled, name)
    else:
        inner = PurePosixPath(spelled, name)
    return str(PurePosixPath("collections", hospital.name, inner))


def _patients(seed: int, mix: Mix) -> Iterator[tuple[int, int, str, Hospital]]:
    """Number, number of visits, class and hospital of each patient, without end."""
    combinations = [(label, h) for h in HOSPITALS.values() for label in CLASSES]
    weights = np.array([h.shares[CLASSES.index(label)] for label, h in combinations], dtype=np.float64)
    weights /= weights.sum()
    first = np.random.default_rng(np.random.SeedSequence([seed, 3])).permutation(len(combinations))
    number = 0
    while True:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 4, number]))
        chosen, visits = int(rng.choice(len(combinations), p=weights)), int(rng.choice(3, p=_FOLLOW_UP)) + 1
        if number < len(first):
            chosen, visits = int(first[number]), 1
        elif mix.balanced:  # in blocks that hold each combination once
            block = np.random.default_rng(np.random.SeedSequence([seed, 11, number // len(combinations)]))
            chosen = int(block.permutation(len(combinations))[number % len(combinations)])
        label, hospital = combinations[chosen]
        if mix.one_source is not None and number >= len(first):
            hospital = _moved(label, hospital, mix.one_source, np.random.SeedSequence([seed, 12, number]))
        yield number, visits, label, hospital
        number += 1


def _moved(label: str, hospital: Hospital, one_source: tuple[str, str], seed: np.random.SeedSequence) -> Hospital:
    """Where a patient goes when one hospital takes nearly all of one class, and little else."""
    rng = np.random.default_rng(seed)
    only_class, only_hospital = one_source
    if rng.random() >= _NEARLY_ALL or (label == only_class) == (hospital.name == only_hospital):
        return hospital
    others = [h for h in HOSPITALS.values() if h.name != only_hospital]
    return HOSPITALS[only_hospital] if label == only_class else others[int(rng.integers(len(others)))]
