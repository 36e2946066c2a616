"""One process of a training: build everything, go on from a checkpoint, loop, and write the run folder."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cxrlens.allocator import keep_freed_memory
from cxrlens.batches import PackedPixels, open_packed
from cxrlens.errors import RunError
from cxrlens.folders import DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.model import build_model, parameter_count, save_model
from cxrlens.training.checkpoint import read_checkpoint, write_checkpoint
from cxrlens.training.curves import draw_curves
from cxrlens.training.data import TrainingRows, make_loaders
from cxrlens.training.history import EpochRow, write_history
from cxrlens.training.loop import Position, Training
from cxrlens.training.machine import peak_memory_mb, quieten, versions
from cxrlens.training.measure import measure
from cxrlens.training.observer import Observer, Plan, Silent
from cxrlens.training.options import TrainingOptions
from cxrlens.training.parallel import StepContext, share_batches
from cxrlens.training.randomness import INITIAL_WEIGHTS, derived_seed
from cxrlens.training.tensorboard import TensorBoardObserver


@dataclass(frozen=True, slots=True)
class Job:
    """What every process needs to know; it travels to them by pickle.

    Args:
        dataset: the dataset folder.
        run: the run folder, whose config.json is written.
        options: what was asked for.
        rows: what training may look at.
        observer: told of progress by the main process.
        resume: go on from the last checkpoint.
    """

    dataset: DatasetFolder
    run: RunFolder
    options: TrainingOptions
    rows: TrainingRows
    observer: Observer
    resume: bool


def work(fabric: Fabric, job: Job) -> None:
    """Train in this process, as one of ``fabric.world_size``; the main one writes."""
    quieten()
    if job.options.tensorboard and fabric.is_global_zero:
        job = replace(job, observer=TensorBoardObserver(job.run.root / "tensorboard", job.observer))
    began = time.perf_counter()
    training = prepare_training(fabric, job)
    try:
        if fabric.is_global_zero:
            job.observer.started(_plan(fabric, job, training))
        training.run()
        _finish(fabric, job, training, time.perf_counter() - began)
    finally:
        if fabric.is_global_zero:
            job.observer.finished()


def prepare_training(fabric: Fabric, job: Job) -> Training:
    """Data, network and optimiser, as they were at the last checkpoint where the job resumes."""
    packed = open_packed(job.dataset.packed_folder, job.options.preprocessing)
    checkpoint = read_checkpoint(job.run.root / "checkpoint") if job.resume else None
    observer = job.observer if fabric.is_global_zero else Silent()
    weights = checkpoint.tensors if checkpoint is not None else None
    training = assemble(fabric, Material(packed, job.rows, job.run.root), job.options, observer, weights)
    if checkpoint is not None:
        _restore(training, checkpoint.tensors, checkpoint.state, job)
    training.save = lambda: _save(training, job)
    return training


@dataclass(frozen=True, slots=True)
class Material:
    """What a training is made from.

    Args:
        packed: pixels of all its rows.
        rows: what it may look at.
        where: named in error messages.
    """

    packed: PackedPixels
    rows: TrainingRows
    where: Path


def assemble(
    fabric: Fabric,
    material: Material,
    options: TrainingOptions,
    observer: Observer,
    weights: Mapping[str, Tensor] | None = None,
) -> Training:
    """A training about to begin, or with the network of a checkpoint's ``model/`` tensors; it saves nothing."""
    keep_freed_memory(2 << 30, whole=True)
    o = options
    loaders = make_loaders(material.packed, material.rows, o, fabric.global_rank, fabric.world_size)
    torch.manual_seed(derived_seed(o.seed, INITIAL_WEIGHTS))
    bare = build_model(o.model, classes=len(CLASSES), size=o.preprocessing.size, weights=o.weights)
    context = StepContext(seed=o.seed)
    share_batches(bare, context, fabric.world_size)
    if o.channels_last:
        bare = bare.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(_groups(bare, o.weight_decay), lr=o.lr)
    if weights is not None:
        _load_part(bare, weights, "model/")
    model, wrapped = fabric.setup(bare, optimizer)
    averaged = copy.deepcopy(bare) if o.ema else bare
    return Training(fabric, model, bare, averaged, wrapped, loaders, o, context, observer, lambda: None, material.where)


def _groups(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and filters only: pulling biases and scales to zero is no regularisation."""
    wide = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    narrow = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    return [{"params": wide, "weight_decay": decay}, {"params": narrow, "weight_decay": 0.0}]


def _save(training: Training, job: Job) -> None:
    """Checkpoint, then history.csv, by the main process; the others wait, so that none runs ahead of a failed write."""
    if training.fabric.is_global_zero:
        tensors = {f"model/{k}": t for k, t in training.bare.state_dict().items()}
        tensors |= {f"best/{k}": t for k, t in training.best.items()}
        if training.averaged is not training.bare:
            tensors |= {f"averaged/{k}": t for k, t in training.averaged.state_dict().items()}
        for index, state in training.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{k}": torch.as_tensor(v) for k, v in state.items()}
        tensors |= {f"objective/{k}": t for k, t in training.objective.state().items()}
        p = training.position
        state = {**asdict(p), "history": [row.to_dict() for row in p.history]}
        if not p.best_epoch:
            state["best_value"] = None  # minus infinity is no JSON
        write_checkpoint(job.run.root / "checkpoint", tensors, state)
        try:
            write_history(job.run.history_path, p.history)
        except OSError as error:
            raise RunError(
                job.run.history_path, f"cannot be written ({error.strerror})", "free some space and go on with --resume"
            ) from error
    training.fabric.barrier()


def _restore(training: Training, tensors: dict[str, Tensor], state: dict[str, Any], job: Job) -> None:
    try:
        history = [EpochRow.from_dict(row) for row in state["history"]]
        best = state["best_value"] if state["best_epoch"] else float("-inf")
        training.position = Position(**{**state, "history": history, "best_value": best})
        training.best = {k.removeprefix("best/"): t for k, t in tensors.items() if k.startswith("best/")}
        if training.averaged is not training.bare:
            _load_part(training.averaged, tensors, "averaged/")
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer/"):
                _, index, key = name.split("/")
                moments.setdefault(int(index), {})[key] = tensor
        groups = training.optimizer.state_dict()["param_groups"]
        training.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        begun = {k.removeprefix("objective/"): t for k, t in tensors.items() if k.startswith("objective/")}
        training.objective.load(begun)
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            job.run.root, f"has a checkpoint that does not fit ({error})", "train again without --resume"
        ) from error
    at = f"epoch {training.position.epoch + 1}, step {training.position.step + 1}"
    if training.fabric.is_global_zero:
        job.observer.told(f"going on from the checkpoint: {at}")


def _load_part(module: nn.Module, tensors: Mapping[str, Tensor], prefix: str) -> None:
    module.load_state_dict({k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)})


def _plan(fabric: Fabric, job: Job, training: Training) -> Plan:
    images = (training.loaders.train.images, training.loaders.validation.images)
    place = f"{fabric.world_size} × {fabric.device.type}" if fabric.world_size > 1 else str(fabric.device.type)
    p = training.position
    o = job.options
    count = parameter_count(training.bare)
    return Plan(o.model, count, images, o.epochs, len(training.loaders.train), p.epoch + 1, p.step, place)


def _finish(fabric: Fabric, job: Job, training: Training, seconds: float) -> None:
    """Measure the best weights as they are, and let the main process write model, curves and final facts."""
    o, p = job.options, training.position
    training.averaged.load_state_dict(training.best)
    parts = {"train": training.loaders.whole_train, "validation": training.loaders.validation}
    measured = {k: measure(fabric, training.averaged, part, o.channels_last).to_dict() for k, part in parts.items()}
    if not fabric.is_global_zero:
        return
    facts: dict[str, Any] = {
        "parameters": parameter_count(training.bare),
        "dataset_hash": job.rows.dataset_hash,
        "best_epoch": p.best_epoch,
        "epochs": len(p.history),
        "seed": o.seed,
        "trained": measured,
        "versions": versions(),
    }
    curves = job.run.root / "curves.png"
    draw_curves(p.history, p.best_epoch, measured, curves, synthetic=job.dataset.synthetic)
    config = job.run.config()
    config["timings"] = {
        "seconds_of_epochs": sum(row.seconds for row in p.history),
        "seconds_of_this_process": seconds,
        "images_per_s": sum(row.images_per_s for row in p.history) / len(p.history),
        "peak_memory_mb": peak_memory_mb(),
    }
    write_json(job.run.config_path, config)
    save_model(job.run, training.best, name=o.model, classes=CLASSES, preprocessing=o.preprocessing, facts=facts)
