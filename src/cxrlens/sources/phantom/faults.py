"""Faults that real collections have, planted on purpose: copies across hospitals, wrong labels, spoilt files."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cxrlens.labels import CLASSES, NORMAL
from cxrlens.sources.phantom.cohort import Record, place
from cxrlens.sources.phantom.encode import MARK, decode, encode, encode_jpeg, encode_png, to_samples
from cxrlens.sources.phantom.exposure import expose_patient
from cxrlens.sources.phantom.grid import Field, as_field
from cxrlens.sources.phantom.hospital import HOSPITALS
from cxrlens.sources.phantom.patient import sample_patient

ALTERATIONS = (
    "same bytes",
    "same pixels",
    "resized",
    "recompressed",
    "cropped 8 %",
    "re-windowed",
    "inverted",
    "rotated and shifted",
)
"""What copies went through; each kind is planted once in every 120 images, and at least once."""

LABEL_CONFLICT, TURNED, BLANK, TRUNCATED, TEXT = (
    "label conflict",
    "rotated by 90°",
    "blank",
    "truncated",
    "text named .png",
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy that is to be planted.

    Args:
        original: whose copy it is.
        alteration: one of :data:`ALTERATIONS`.
        hospital: where it is put.
        label: under which label; another than the original's is a label conflict.
        path: of the copy, relative to the phantom's folder.
    """

    original: Record
    alteration: str
    hospital: str
    label: str
    path: str


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A file that is no copy and has a fault.

    Args:
        fault: one of the constants of this module.
        hospital: where it lies.
        label: under which label.
        path: relative to the phantom's folder.
        data: its bytes.
        patient_id: blank where nobody is on the picture.
        size: width and height; (0, 0) where it cannot be read.
    """

    fault: str
    hospital: str
    label: str
    path: str
    data: bytes
    patient_id: str
    size: tuple[int, int]


def plan_copies(records: list[Record], seed: int) -> list[Copy]:
    """Which images are copied, how and where to. No original is copied twice while there are enough of them."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 6]))
    rounds = max(1, round(len(records) / 120))
    kinds = [(a, False) for a in ALTERATIONS] + [("recompressed", True)]
    order = rng.permutation(len(records))
    copies = []
    for number, (alteration, conflict) in enumerate(kinds * rounds):
        original = records[int(order[number % len(order)])]
        others = [h for h in HOSPITALS.values() if h.name != original.hospital]
        target = others[int(rng.integers(len(others)))]
        wrong = [c for c in CLASSES if c != original.label]
        label = wrong[int(rng.integers(len(wrong)))] if conflict else original.label
        extension = HOSPITALS[original.hospital].extension if alteration == "same bytes" else None
        if alteration == "same pixels":
            extension = ".png"
        index = len(records) + number
        path = place(target, label, index, seed, extension)
        copies.append(Copy(original, alteration, target.name, label, path))
    return copies


def alter(data: bytes, copy: Copy) -> bytes:
    """Bytes of the copy, made from the original file's bytes."""
    if copy.alteration == "same bytes":
        return data
    samples = decode(data)
    if copy.alteration == "same pixels":
        return encode_png(samples, level=9)
    rng = np.random.default_rng(np.random.SeedSequence([*copy.original.entropy, 7, copy.original.visit]))
    grey = samples.astype(np.float32) / (65535.0 if samples.dtype == np.uint16 else 255.0)
    target = HOSPITALS[copy.hospital]
    quality = 60 if copy.alteration == "recompressed" else target.quality
    extension = ".jpeg" if copy.path.endswith(".jpeg") else ".png"
    changed = np.clip(_change(grey, copy.alteration, rng), 0, 1).astype(np.float32)
    if copy.alteration == "recompressed" and extension == ".png":  # the picture went through a JPEG on its way
        return encode_png(decode(encode_jpeg(to_samples(changed, 8), quality)))
    return encode(to_samples(changed, 8), extension, quality)


def _change(p: Field, alteration: str, rng: np.random.Generator) -> Field:
    rows, columns = p.shape[:2]
    if alteration == "resized":
        k = float(rng.uniform(0.6, 0.85))
        return as_field(cv2.resize(p, (round(columns * k), round(rows * k)), interpolation=cv2.INTER_AREA))
    if alteration == "cropped 8 %":
        top, left = (int(v * float(rng.uniform(0.2, 0.8))) for v in (0.08 * rows, 0.08 * columns))
        return p[top : top + round(0.92 * rows), left : left + round(0.92 * columns)]
    if alteration == "re-windowed":
        low, high, gamma = float(rng.uniform(0.04, 0.12)), float(rng.uniform(0.85, 0.95)), float(rng.uniform(0.7, 1.4))
        return as_field(np.clip((p - low) / (high - low), 0, 1) ** np.float32(gamma))
    if alteration == "inverted":
        return as_field(1.0 - p)
    if alteration == "rotated and shifted":
        degrees = float(rng.choice([-1, 1]) * rng.uniform(3.0, 3.6))
        matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
        matrix[:, 2] += rng.uniform(-0.03, 0.03, 2) * (columns, rows)
        return as_field(cv2.warpAffine(p, matrix, (columns, rows), flags=cv2.INTER_LINEAR))
    return p


def spoilt_files(first_index: int, seed: int, size: int) -> list[Spoilt]:
    """One file of each kind: turned by 90°, blank, truncated, a text. Each in another hospital."""
    hospitals = list(HOSPITALS.values())
    spoilt = []
    for number, fault in enumerate((TURNED, BLANK, TRUNCATED, TEXT)):
        h = hospitals[(number + 1) % len(hospitals)]
        label = CLASSES[(number + seed) % len(CLASSES)] if fault != TURNED else NORMAL
        path = place(h, label, first_index + number, seed, ".png" if fault == TEXT else None)
        entropy = (seed, 2, number)
        patient = f"{h.name}-x{number}" if fault in (TURNED, TRUNCATED) else ""
        picture = expose_patient(sample_patient(entropy), 0, label, h.name, round(size * h.scale)).pixels
        if fault == TURNED:
            picture = np.ascontiguousarray(np.rot90(picture))
        elif fault == BLANK:
            picture = np.full_like(picture, 0.02)
        data = encode(to_samples(picture, h.bits, h.tint), h.extension, h.quality)
        width, height = picture.shape[1], picture.shape[0]
        if fault == TRUNCATED:
            data, width, height = data[: int(0.55 * len(data))], 0, 0
        elif fault == TEXT:
            data, width, height = f"This is a text and no picture ({MARK}).\n".encode(), 0, 0
        spoilt.append(Spoilt(fault, h.name, label, path, data, patient, (width, height)))
    return spoilt
