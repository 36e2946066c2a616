"""Many small trainings for one question, side by side on the cores there are, each kept once it is done."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray

from cxrlens.audit.alterations import ALTERATIONS
from cxrlens.audit.case import Case
from cxrlens.augmentation import STRENGTHS
from cxrlens.batches import PackedPixels, open_packed, pack
from cxrlens.cores import usable_cores
from cxrlens.errors import CxrlensError, RunError
from cxrlens.evaluation.prediction import predict_table, read_predictions
from cxrlens.folders import read_json, write_atomically, write_json
from cxrlens.progress import quiet
from cxrlens.sources.hashing import file_sha256
from cxrlens.training.options import TrainingOptions
from cxrlens.training.retrain import retrain

_Answer = tuple[str, "pd.DataFrame | tuple[str, str, str]", float]
"""Name of the job, predictions or the three parts of an error, seconds."""

VERSION = 1
"""Raise it when the same job would give other predictions: kept ones are then made again."""


@dataclass(frozen=True)
class Job:
    """One training and what it is asked afterwards.

    Args:
        name: of the file that keeps its predictions, unique within the part.
        train: rows to learn from.
        validation: rows that choose the epoch.
        asked: rows to predict; their column ``split`` travels into the predictions.
        options: of the training.
        alteration: a key of :data:`cxrlens.audit.alterations.ALTERATIONS`: what every pixel goes through first.
    """

    name: str
    train: pd.DataFrame
    validation: pd.DataFrame
    asked: pd.DataFrame
    options: TrainingOptions
    alteration: str = "none"

    def key(self, weights: str) -> str:
        """Hex digest of all that decides the predictions; ``weights`` names the lungs' segmenter where it is used."""
        options = {k: v for k, v in self.options.to_dict().items() if k not in ("device", "devices")}
        if self.options.doubtful is not None:  # what the file says decides, not where it lies
            options["doubtful"] = file_sha256(str(self.options.doubtful))
        tables = (self.train, self.validation, self.asked)
        seen = [sorted(zip(t["path"], t["sha256"], t["label"], t["split"], strict=True)) for t in tables]
        facts = [VERSION, options, self.alteration, weights, seen]
        return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Pixels:
    """Where the jobs' pixels lie; it travels to other processes.

    Args:
        folder: of packed pixels.
        lungs: file of the dataset's lung masks, for alterations that need them.
        mask_hash: of the segmenter behind it.
    """

    folder: Path
    lungs: Path | None = None
    mask_hash: str = ""


def recipe(case: Case) -> TrainingOptions:
    """How the audit's own networks are trained: as the run was, or (not ``full``) small and short."""
    own = TrainingOptions.from_dict(case.run.config()["options"])
    own = replace(own, weights=None, devices=1, tensorboard=False, seed=case.options.seed)
    if case.options.full:
        return replace(own, epochs=max(1, int(case.run.model()["epochs"])), patience=0)
    small = replace(own.preprocessing, size=case.options.size)
    return replace(own, model="compact", preprocessing=small, epochs=case.options.epochs, patience=0)


def probe(case: Case) -> TrainingOptions:
    """How the networks are trained that ask what there is to learn in the data: :func:`recipe` without its remedies.

    A remedy such as strong augmentation is meant to keep a network from learning a marker or a tone; a search for
    them that is trained the same way would find less of what is there.
    """
    own = recipe(case)
    return replace(own, augmentation=STRENGTHS["standard"], objective="mean", balance="class", doubtful=None)


def pack_for(case: Case, options: TrainingOptions) -> PackedPixels:
    """Pixels of every kept row at the size of the audit's networks."""
    return pack(case.manifest, options.preprocessing, case.dataset.packed_folder, case.progress)


def retrain_all(case: Case, jobs: Sequence[Job], folder: Path, pixels: Pixels) -> dict[str, pd.DataFrame]:
    """Predictions of each job by its name; those that an earlier audit kept are read, the others are trained.

    One thread a job and a job a core: small networks gain little from a second thread. What is done is written at
    once, so an interrupted audit goes on with the jobs that are left.

    Raises:
        CxrlensError: the first job that failed; the finished ones are kept.
    """
    done: dict[str, pd.DataFrame] = {}
    waiting: list[Job] = []
    for job in jobs:
        kept = _kept(folder, job, pixels.mask_hash)
        if kept is None:
            waiting.append(job)
        else:
            done[job.name] = kept
    for job, table, seconds in case.progress(_run(waiting, pixels), len(waiting), "training audit networks"):
        _keep(folder, job, table, pixels.mask_hash, seconds)
        done[job.name] = table
    return {job.name: done[job.name] for job in jobs}


def _run(jobs: Sequence[Job], pixels: Pixels) -> Iterator[tuple[Job, pd.DataFrame, float]]:
    workers = min(usable_cores(), len(jobs))
    by_name = {job.name: job for job in jobs}
    results: Iterator[_Answer]
    if torch.cuda.is_available() or workers < 2:
        results = (_one(job, pixels, None) for job in jobs)
    else:
        # Processes started afresh: torch's threads and a fork do not go together.
        pool = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1, pre_dispatch=workers)
        results = pool(delayed(_one)(job, pixels, 1) for job in jobs)
    with warnings.catch_warnings():
        # A process that grew by a training's memory is replaced between two jobs; nobody need know.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        for name, result, seconds in results:
            if isinstance(result, tuple):
                raise RunError(*result)
            yield by_name[name], result, seconds


def _one(job: Job, pixels: Pixels, threads: int | None) -> _Answer:
    """Train and ask one network; an error travels back as its three parts."""
    began = time.perf_counter()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        packed = open_packed(pixels.folder, job.options.preprocessing)
        packed = altered(packed, job, pixels)
        network = retrain(packed, job.train, job.validation, job.options)
        table = predict_table(network, job.asked, packed, quiet)
    except CxrlensError as error:
        return job.name, (error.subject, error.fault, error.remedy), 0.0
    return job.name, table, time.perf_counter() - began


def altered(packed: PackedPixels, job: Job, pixels: Pixels) -> PackedPixels:
    """The pixels of this job's rows, altered as it says; only those rows are kept in memory."""
    if job.alteration == "none":
        return packed
    alteration = ALTERATIONS[job.alteration]
    paths = list(dict.fromkeys(path for rows in (job.train, job.validation, job.asked) for path in rows["path"]))
    paths = [path for path in paths if path in packed]
    places = packed.rows(paths)
    frames = np.asarray(packed.pixels[places])
    masks: NDArray[np.bool_] | None = None
    if alteration.needs_lungs:
        if pixels.lungs is None:
            raise RunError(job.name, "needs lung masks and has none", "run the audit again")
        masks = np.load(pixels.lungs, mmap_mode="r")[places].astype(bool)
    changed = alteration(frames, masks, np.asarray(places, dtype=np.int64))
    return PackedPixels(changed, tuple(paths), tuple(packed.sha256s[p] for p in places), packed.preprocessing)


def _kept(folder: Path, job: Job, mask_hash: str) -> pd.DataFrame | None:
    table, note = folder / f"{job.name}.csv", folder / f"{job.name}.json"
    if not table.is_file() or not note.is_file() or read_json(note).get("key") != job.key(mask_hash):
        return None
    return read_predictions(table)


def _keep(folder: Path, job: Job, table: pd.DataFrame, mask_hash: str, seconds: float) -> None:
    note: Mapping[str, Any] = {
        "key": job.key(mask_hash),
        "alteration": job.alteration,
        "train": len(job.train),
        "validation": len(job.validation),
        "seconds": round(seconds, 1),
        "options": job.options.to_dict(),
    }
    write_atomically(folder / f"{job.name}.csv", table.to_csv(index=False, float_format="%.8g").encode())
    write_json(folder / f"{job.name}.json", dict(note))
