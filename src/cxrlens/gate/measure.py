"""Measuring: what a fitted gate does to held-out radiographs, to altered ones, and to strangers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxrlens.errors import CxrlensError, DatasetError, OptionError
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.folders import RunFolder, write_atomically, write_json
from cxrlens.gate.altered import ALTERATIONS, Alteration
from cxrlens.gate.answer import Answer
from cxrlens.gate.examination import Examined
from cxrlens.gate.figures import figures_of
from cxrlens.gate.gate import Gate
from cxrlens.gate.strangers import Stranger, strangers
from cxrlens.manifest import kept
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Radiograph
from cxrlens.sources.many import read_many

HELD_OUT: tuple[str, ...] = ("test", "calibration")
"""Parts of the split that neither the gate's networks nor its limits have seen."""

LEAST_HELD_OUT = 20
UNALTERED = "unaltered"
LATERAL = "lateral views"
RADIOGRAPH, ALTERED, STRANGER = "radiograph", "altered", "stranger"

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """What is measured.

    Args:
        negatives: folders of images that are no chest films.
        altered: held-out films of the test part that are altered, each in every way; drawn with the seed.
        bootstrap: of the intervals.
        seed: of the draw and of the noise.
    """

    negatives: tuple[Path, ...] = ()
    altered: int = 200
    bootstrap: Bootstrap = field(default_factory=lambda: Bootstrap(1000))
    seed: int = 0

    def __post_init__(self) -> None:
        for folder in self.negatives:
            if not folder.exists():
                remedy = "give a folder of images that are no chest films"
                raise OptionError(f"negatives {folder}", "does not exist", remedy)


def measure_gate(
    run: RunFolder, gate: Gate, options: MeasureOptions = MeasureOptions(), progress: Progress = quiet
) -> dict[str, Any]:
    """Measure a gate; writes ``gate/measured.json`` and ``gate/judged.csv`` (an image a row) and returns the former.

    Raises:
        DatasetError: fewer than 20 held-out radiographs can be read.
    """
    dataset = run.dataset()
    rows = kept(dataset.manifest())
    rows = rows[rows["split"].isin(HELD_OUT)].reset_index(drop=True)
    if len(rows) < LEAST_HELD_OUT:
        _too_few(run, len(rows))
    others = strangers(options.negatives, options.seed)
    sideways = laterals(dataset.manifest())
    pictures = (*others.pictures, *sideways)
    records = [*_radiographs(gate, rows, options, progress), *_of_strangers(gate, pictures, progress)]
    judged = pd.DataFrame(records)
    if int((judged["group"] == RADIOGRAPH).sum()) < LEAST_HELD_OUT:
        _too_few(run, int((judged["group"] == RADIOGRAPH).sum()))
    write_atomically(run.gate / "judged.csv", judged.to_csv(index=False).encode())
    figures = {
        "format": 1,
        "model_sha256": gate.model_hash,
        "meaning": "held-out radiographs (test and calibration parts), on which nothing of the gate was fitted or set",
        "synthetic": dataset.synthetic,
        "seed": options.seed,
        "not_used": list(others.missing),
        **figures_of(judged, gate.examiner.measure, options.bootstrap),
    }
    write_json(run.gate / "measured.json", figures)
    return figures


def _radiographs(
    gate: Gate, rows: pd.DataFrame, options: MeasureOptions, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Every held-out film as it is, and some of the test part in every alteration."""
    test = np.flatnonzero(rows["split"] == "test")
    rng = np.random.default_rng([options.seed, 3])
    chosen = set(rng.permutation(test)[: options.altered].tolist())
    waiting: list[tuple[dict[str, Any], Radiograph, Alteration | None]] = []
    for index, read in read_many([Path(path) for path in rows["path"]], progress=progress):
        if isinstance(read, CxrlensError):
            continue
        about = _about(rows.iloc[index])
        waiting.append(({"group": RADIOGRAPH, "kind": UNALTERED, **about}, read, None))
        if index in chosen:
            for name, alteration in ALTERATIONS.items():
                waiting.append(({"group": ALTERED, "kind": name, **about}, alteration(read), alteration))
        if len(waiting) >= _AT_ONCE:
            yield from _judged(gate, waiting)
            waiting = []
    yield from _judged(gate, waiting)


def laterals(manifest: pd.DataFrame) -> tuple[Stranger, ...]:
    """Lateral views that the manifest knows of (curation excludes them), without their header: the pixels must tell."""
    rows = manifest[manifest["view"] == "LATERAL"].reset_index(drop=True)
    found = []
    for index, read in read_many([Path(path) for path in rows["path"]]):
        if not isinstance(read, CxrlensError):
            unit = str(rows["patient_id"].iloc[index] or rows["path"].iloc[index])
            found.append(Stranger(LATERAL, unit, replace(read, metadata={})))
    return tuple(found)


def _of_strangers(gate: Gate, pictures: Sequence[Stranger], progress: Progress) -> Iterator[dict[str, Any]]:
    starts = range(0, len(pictures), _AT_ONCE)
    for start in progress(starts, len(starts), "judging strangers"):
        part = pictures[start : start + _AT_ONCE]
        yield from _judged(
            gate, [({"group": STRANGER, "kind": p.kind, "unit": p.unit}, p.radiograph, None) for p in part]
        )


def _judged(
    gate: Gate, waiting: Sequence[tuple[dict[str, Any], Radiograph, Alteration | None]]
) -> Iterator[dict[str, Any]]:
    given = [radiograph for _about_it, radiograph, _alteration in waiting]
    for (about, radiograph, alteration), seen in zip(waiting, gate.examiner(given), strict=True):
        answer = gate.answer(seen, radiograph)
        yield {**about, **_record(gate, seen, answer), "right": _right(alteration, answer, gate, seen)}


def _record(gate: Gate, seen: Examined, answer: Answer) -> dict[str, Any]:
    return {
        "status": answer.status,
        "reasons": "; ".join(answer.reasons),
        "warned_mirrored": bool(answer.accepted and seen.mirrored >= gate.mirrored_at),
        "turns": answer.view.turns,
        "inverted": answer.view.inverted,
        "score: gate": answer.score,
        "score: fallen": seen.fallen,
        "score: mirrored": seen.mirrored,
        **{f"score: {name}": value for name, value in answer.scores.items()},
        **{f"novelty: {name}": value for name, value in seen.novelties.items()},
    }


def _right(alteration: Alteration | None, answer: Answer, gate: Gate, seen: Examined) -> bool:
    """Whether the gate did what was due: nothing, where nothing was altered."""
    if alteration is None:
        return answer.status == "pass"
    if alteration.due == "refusal":
        return answer.status == "refused"
    if alteration.due == "warning":
        return answer.accepted and answer.view.upright and seen.mirrored >= gate.mirrored_at
    lay, was = answer.view, alteration.view
    return answer.status == "repaired" and (lay.turns, lay.inverted) == (was.turns, was.inverted)


def _about(row: pd.Series[str]) -> dict[str, Any]:
    names = ("path", "label", "source", "split", "patient_id", "duplicate_group")
    return {name: str(row[name]) for name in names}


def _too_few(run: RunFolder, count: int) -> None:
    raise DatasetError(
        run.root,
        f"gives {count} held-out radiographs that can be read; a gate is measured on {LEAST_HELD_OUT} or more",
        "split with a larger test part ('cxrlens split --test 0.2'), or restore the files",
    )
