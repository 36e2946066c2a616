"""``train``: from a dataset folder to a run folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from cxrlens.batches import pack
from cxrlens.errors import CxrlensError, RunError
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.model import build_model
from cxrlens.progress import Progress, quiet
from cxrlens.training.balance import check_doubtful
from cxrlens.training.data import training_rows
from cxrlens.training.launch import launch
from cxrlens.training.machine import machine, versions
from cxrlens.training.observer import Observer, Silent
from cxrlens.training.options import TrainingOptions
from cxrlens.training.session import Job
from cxrlens.training.tensorboard import summary_writer


def train(
    dataset: DatasetFolder,
    out: Path,
    options: TrainingOptions | None = None,
    *,
    observer: Observer | None = None,
    progress: Progress = quiet,
    resume: bool = False,
) -> RunFolder:
    """Train on the split 'train', watch 'validation', write a run folder. 'test' and 'calibration' are never read.

    The same options, dataset and machine give the same weights bit for bit on a CPU, killed and resumed or not; several
    processes give them within rounding.

    Args:
        dataset: a dataset folder with a split.
        out: the run folder to write.
        options: what to do; the defaults are those of ``plain``.
        observer: told of progress in the main process; it is pickled where several processes are started.
        progress: shows the packing of images.
        resume: go on with what ``out`` holds, from its last good checkpoint.

    Returns:
        The run folder: ``config.json``, ``history.csv``, ``curves.png``, ``model.safetensors``, ``model.json`` and
        ``checkpoint/``.

    Raises:
        DatasetError: no split, a class without train images, or images that cannot be packed.
        OptionError: an unknown model, a missing extra, or a device that is not there.
        RunError: ``out`` holds another run, or no good checkpoint, or cannot be written.
    """
    rows = training_rows(dataset)
    options = (options if options is not None else TrainingOptions()).settled(len(rows.train))
    observer = observer if observer is not None else Silent()
    run = RunFolder(out)
    job = Job(dataset, run, options, rows, observer, resume)
    if resume:
        _check_resumable(run, options, rows.dataset_hash)
        if run.model_path.is_file():
            observer.told("this run is complete: nothing to go on with")
            return run
    launch(options, partial(_prepare, job, progress), lambda: job)
    return run


def _prepare(job: Job, progress: Progress) -> Job:
    """All that can be refused is refused before the first step; then config.json is written."""
    o, run = job.options, job.run
    if not job.resume and (run.config_path.is_file() or run.model_path.is_file()):
        raise RunError(run.root, "already holds a run", "give another folder, or go on with it by --resume")
    if o.tensorboard:
        summary_writer()
    if o.doubtful is not None:
        check_doubtful(o.doubtful, job.rows.both)
    build_model(o.model, size=o.preprocessing.size, classes=len(CLASSES), weights=o.weights)
    packed = pack(job.rows.both, o.preprocessing, job.dataset.packed_folder, progress)
    for problem in packed.problems:
        job.observer.told(str(problem))
    if not job.resume:
        try:
            run.root.mkdir(parents=True, exist_ok=True)
            write_json(run.config_path, _config(job, len(packed.problems)))
        except OSError as error:
            fault = f"cannot be written ({error.strerror or error})"
            raise RunError(run.root, fault, "free some space, or choose another folder") from error
    return job


def _config(job: Job, unreadable: int) -> dict[str, Any]:
    o, rows = job.options, job.rows
    device = o.device if o.device != "auto" else _auto_device()
    return {
        "format": RUN_FORMAT,
        "dataset": str(job.dataset.root.resolve()),
        "dataset_hash": rows.dataset_hash,
        "images": {"train": len(rows.train), "validation": len(rows.validation), "unreadable": unreadable},
        "seed": o.seed,
        "options": o.to_dict(),
        "versions": versions(),
        "machine": machine(device),
    }


def _auto_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _check_resumable(run: RunFolder, options: TrainingOptions, dataset_hash: str) -> None:
    """Another dataset or other options would give a run that is neither the old one nor the new one."""
    config = run.config()
    if config.get("dataset_hash") != dataset_hash:
        fault = "was trained on another dataset or split (the hashes differ)"
        raise RunError(run.root, fault, "name the dataset it began with, or train into a new folder")
    try:
        earlier = TrainingOptions.from_dict(config["options"])
    except (CxrlensError, KeyError, TypeError) as error:
        raise RunError(
            run.config_path, f"holds no options to go on with ({error})", "train into a new folder"
        ) from error
    changed = options.differences(earlier)
    if changed:
        fault = f"was begun with another {' and '.join(changed)}"
        raise RunError(run.root, fault, "resume with the options it was begun with (they are in config.json)")
