"""One process, several that we start, or several that torchrun or a cluster started: the same work in each."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from torch.multiprocessing.spawn import ProcessException

from cxrlens import errors
from cxrlens.errors import CxrlensError, OptionError, RunError
from cxrlens.training.machine import quieten
from cxrlens.training.options import TrainingOptions
from cxrlens.training.session import Job, work


def launch(options: TrainingOptions, prepare: Callable[[], Job], job: Callable[[], Job]) -> None:
    """Run ``prepare`` in the main process alone, then :func:`work` in every one.

    Args:
        options: device, precision and number of processes.
        prepare: checks and writes what the processes read; raises before any of them works.
        job: what the processes that torchrun started make for themselves.
    """
    quieten()
    external = started_from_outside()
    fabric = make_fabric(options, external)
    if external:
        fabric.launch()
        mine = prepare() if fabric.is_global_zero else None
        fabric.barrier()
        work(fabric, mine if mine is not None else job())
    elif options.devices == 1:
        fabric.launch(work, prepare())
    else:
        with tempfile.TemporaryDirectory(prefix="cxrlens-") as scratch:
            said = Path(scratch) / "error.json"
            ready = prepare()
            try:
                fabric.launch(partial(_work_and_tell, job=ready, said=said))  # as arguments, Fabric would copy them
            except ProcessException as error:
                raise _error_of_process(ready, said, error) from error


def started_from_outside() -> bool:
    """Whether torchrun or a cluster's launcher started this process as one of several."""
    in_slurm = SLURMEnvironment.detect() and int(os.environ.get("SLURM_NTASKS", "1")) > 1
    return bool(TorchElasticEnvironment.detect() or in_slurm)


def make_fabric(options: TrainingOptions, external: bool) -> Fabric:
    """Device, precision and strategy; :class:`OptionError` where the machine lacks them."""
    cuda = torch.cuda.is_available() and options.device in ("auto", "cuda")
    precision = options.precision
    if precision == "auto":
        precision = "bf16-mixed" if cuda and torch.cuda.is_bf16_supported() else "32-true"
    devices, nodes, strategy = options.devices, 1, "auto"
    if external:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("SLURM_NTASKS_PER_NODE", "1")))
        world = int(os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")))
        devices, nodes, strategy = here, max(1, world // here), "ddp"
    elif devices > 1:
        strategy = "ddp_spawn"  # from a script, a notebook's kernel or a test alike; "ddp" would start the script again
    try:
        return Fabric(
            accelerator=options.device, devices=devices, num_nodes=nodes, strategy=strategy, precision=precision
        )
    except (
        RuntimeError,
        ValueError,
        ImportError,
    ) as error:  # what Lightning raises
        subject = f"device {options.device} × {options.devices}"
        raise OptionError(
            subject, f"cannot be had here ({str(error).splitlines()[0]})", "use --device cpu, or fewer devices"
        ) from error


def _work_and_tell(fabric: Fabric, job: Job, said: Path) -> None:
    """What a process raises reaches its parent as text only: leave the parts of our own errors in a file."""
    try:
        work(fabric, job)
    except CxrlensError as error:
        parts = [type(error).__name__, error.subject, error.fault, error.remedy]
        said.write_text(json.dumps(parts), encoding="utf-8")
        raise


def _error_of_process(job: Job, said: Path, error: ProcessException) -> CxrlensError:
    if said.is_file():
        name, *parts = json.loads(said.read_text(encoding="utf-8"))
        kind: type[CxrlensError] = getattr(errors, name)
        return kind(*parts)
    last = str(error).strip().splitlines()[-1]
    return RunError(job.run.root, f"a process ended ({last})", "go on with --resume, or use one process")
