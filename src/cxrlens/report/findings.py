"""What curation found, chosen for a reader: reasons of exclusion, instructive duplicate pairs, suspects by flag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from cxrlens.report.naming import Namer
from cxrlens.report.pictures import Picture, of_pixels, of_radiograph, read_pixels
from cxrlens.report.reasons import Unreadable, in_words, unreadable
from cxrlens.report.records import DatasetRecord
from cxrlens.report.registration import Shift, difference, overlay

PAIRS_SHOWN = 8
CONFLICTS_SHOWN = 4
SUSPECTS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Side:
    """One image of a pair. ``picture`` is ``None`` where its file is gone."""

    name: str
    label: str
    collection: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two copies side by side, and their difference after registration (``None`` where a file is gone)."""

    kind: str
    words: str
    score: float | None
    conflict: bool
    a: Side
    b: Side
    difference: Picture | None


@dataclass(frozen=True, slots=True)
class Suspect:
    """An image with a flag; ``score`` in [0, 1], higher = more suspicious."""

    name: str
    label: str
    source: str
    score: float
    excluded: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class Flag:
    """All images with one flag, and the most suspicious of them as pictures."""

    name: str
    count: int
    suspects: tuple[Suspect, ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything the section "what was found" shows.

    Args:
        excluded: reasons with their number of images, the most frequent first.
        unreadable: files without trustworthy pixels.
        kinds: kinds of duplicate pairs with their number.
        groups: sets of images that show the same radiograph.
        in_groups: images in such sets.
        conflicts: pairs whose two labels differ.
        pairs: the chosen pairs, conflicts first.
        flags: flags by name, the most frequent first.
    """

    excluded: tuple[tuple[str, int], ...]
    unreadable: tuple[Unreadable, ...]
    kinds: tuple[tuple[str, int], ...]
    groups: int
    in_groups: int
    conflicts: int
    pairs: tuple[Pair, ...]
    flags: tuple[Flag, ...]


def findings(record: DatasetRecord, namer: Namer) -> Findings | None:
    """Counts and pictures; ``None`` where there is no manifest to look at."""
    counted = counted_findings(record, namer)
    if counted is None or record.manifest is None:
        return None
    pairs = () if record.pairs is None else tuple(_pair(row, record, namer) for row in chosen_pairs(record.pairs))
    return replace(counted, pairs=pairs, flags=_flags(record.manifest, namer))


def counted_findings(record: DatasetRecord, namer: Namer) -> Findings | None:
    """Counts only, no picture read; ``None`` where there is no manifest."""
    if record.manifest is None:
        return None
    manifest, pairs = record.manifest, record.pairs
    grouped = manifest.loc[manifest["duplicate_group"] != "", "duplicate_group"]
    return Findings(
        excluded=_counted(manifest.loc[manifest["excluded"] != "", "excluded"].map(lambda e: in_words(str(e), namer))),
        unreadable=unreadable(manifest, namer),
        kinds=_counted(pairs["kind"]) if pairs is not None else (),
        groups=int(grouped.nunique()),
        in_groups=len(grouped),
        conflicts=0 if pairs is None else int((pairs["label_a"] != pairs["label_b"]).sum()),
        pairs=(),
        flags=(),
    )


def chosen_pairs(frame: pd.DataFrame) -> list[dict[str, str]]:
    """At most :data:`PAIRS_SHOWN` rows: conflicts, then one of each alteration, then the least alike."""
    pairs = frame.reset_index(drop=True)
    numeric = {c: pd.to_numeric(pairs[c], errors="coerce").fillna(0.0) for c in ("score", "scale", "rotation_deg")}
    order = [int(i) for i in np.argsort(numeric["score"].to_numpy(), kind="stable")]
    turned, crop = numeric["rotation_deg"].abs(), (numeric["scale"] - 1).abs()
    conflict = pairs["label_a"] != pairs["label_b"]
    alterations: list[pd.Series[bool]] = [
        pairs["mirrored"].map(_truth),
        pairs["inverted"].map(_truth),
        turned >= 45,
        (turned >= 1) & (turned < 45),
        crop >= 0.04,
        pairs["kind"] == "near",
        pairs["kind"] == "same-pixels",
        pairs["kind"] == "exact-bytes",
    ]
    picked: list[int] = [i for i in order if conflict[i]][:CONFLICTS_SHOWN]
    for alteration in alterations:
        fresh = [i for i in order if alteration[i] and i not in picked]
        if fresh and not any(alteration[i] for i in picked if not conflict[i]):
            picked.append(fresh[0])
    picked += [i for i in order if i not in picked]
    rows = pairs.loc[picked[:PAIRS_SHOWN]].to_dict("records")
    return [{str(k): str(v) for k, v in row.items()} for row in rows]


def words_for(row: dict[str, str]) -> str:
    """What was done to b, in words: "turned by 3.0°, cropped or zoomed by 8 %"."""
    if row["kind"] == "exact-bytes":
        return "the same file twice"
    if row["kind"] == "same-pixels":
        return "the same pixels in other bytes"
    shift, words = _shift(row), []
    if shift.mirrored:
        words.append("left and right changed")
    if shift.inverted:
        words.append("black and white changed")
    if abs(shift.rotation_deg) >= 0.5:
        words.append(f"turned by {abs(shift.rotation_deg):.1f}°")
    if abs(shift.scale - 1) >= 0.01:
        words.append(f"cropped or zoomed by {100 * abs(shift.scale - 1):.0f} %")
    if max(abs(shift.dx), abs(shift.dy)) >= 0.01:
        words.append(f"shifted by {100 * max(abs(shift.dx), abs(shift.dy)):.0f} % of the frame")
    return ", ".join(words) or "resized, re-compressed or re-windowed"


def _pair(row: dict[str, str], record: DatasetRecord, namer: Namer) -> Pair:
    path_a, path_b = (_resolve(row[c], record.root) for c in ("path_a", "path_b"))
    a, b = read_pixels(path_a), read_pixels(path_b)
    seen = difference_picture = None
    if a is not None and b is not None:
        a, seen, covered = overlay(a, b, _shift(row))
        alt = f"Absolute difference of the two after registration; black where they agree, {words_for(row)}"
        difference_picture = of_pixels(difference(a, seen, covered), alt)
    score = pd.to_numeric(row["score"], errors="coerce")
    return Pair(
        kind=row["kind"],
        words=words_for(row),
        score=None if pd.isna(score) else float(score),
        conflict=row["label_a"] != row["label_b"],
        a=_side(path_a, row["label_a"], record, namer),
        b=_side(path_b, row["label_b"], record, namer),
        difference=difference_picture,
    )


def _side(path: Path, label: str, record: DatasetRecord, namer: Namer) -> Side:
    sha256 = collection = ""
    if record.manifest is not None:
        match = record.manifest[record.manifest["path"] == str(path)]
        if len(match):
            sha256, collection = str(match.iloc[0]["sha256"]), str(match.iloc[0]["collection"])
    name = namer.name(str(path), sha256)
    return Side(name, label, collection, of_radiograph(path, f"Radiograph {name}, labelled {label}"))


def _flags(manifest: pd.DataFrame, namer: Namer) -> tuple[Flag, ...]:
    rows: dict[str, list[tuple[float, int]]] = {}
    for index, cell in manifest.loc[manifest["flags"] != "", "flags"].items():
        for part in str(cell).split(";"):
            name, _, score = part.rpartition(":")
            value = pd.to_numeric(score, errors="coerce")
            if name and not pd.isna(value):
                rows.setdefault(name.strip(), []).append((float(value), int(str(index))))
    flags = [Flag(name, len(found), tuple(_suspects(found, manifest, namer, name))) for name, found in rows.items()]
    return tuple(sorted(flags, key=lambda flag: (-flag.count, flag.name)))


def _suspects(found: list[tuple[float, int]], manifest: pd.DataFrame, namer: Namer, flag: str) -> list[Suspect]:
    shown: list[Suspect] = []
    for score, index in sorted(found, key=lambda each: (-each[0], each[1]))[:SUSPECTS_SHOWN]:
        row = {str(column): str(cell) for column, cell in manifest.loc[index].items()}
        name = namer.name(row["path"], row["sha256"])
        reason = in_words(row["excluded"], namer) if row["excluded"] else ""
        picture = of_radiograph(Path(row["path"]), f"Radiograph {name}, flagged {flag}")
        shown.append(
            Suspect(
                name,
                row["label"],
                row["source"],
                score,
                reason,
                picture,
            )
        )
    return shown


def _shift(row: dict[str, str]) -> Shift:
    value: Callable[[str, float], float] = lambda c, default: float(row[c]) if row.get(c) else default  # noqa: E731
    return Shift(
        scale=value("scale", 1.0),
        rotation_deg=value("rotation_deg", 0.0),
        dx=value("dx", 0.0),
        dy=value("dy", 0.0),
        inverted=_truth(row["inverted"]),
        mirrored=_truth(row["mirrored"]),
    )


def _resolve(path: str, root: Path | None) -> Path:
    return Path(path) if root is None or Path(path).is_absolute() else root / path


def _truth(cell: object) -> bool:
    return str(cell).strip().lower() in ("true", "1", "yes")


def _counted(values: pd.Series[str]) -> tuple[tuple[str, int], ...]:
    return tuple((str(value), int(n)) for value, n in values.value_counts().items())
