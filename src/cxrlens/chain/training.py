"""From a dataset folder to a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from cxrlens.chain.saying import shown
from cxrlens.chain.settings import training_options
from cxrlens.folders import DatasetFolder, check_writable
from cxrlens.progress import rich_progress
from cxrlens.training import train
from cxrlens.training.console import ConsoleObserver


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Side in pixels, options by name (:func:`training_options`), and whether to go on with a killed run."""

    size: int = 128
    options: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False


def train_run(dataset: Path, out: Path, request: TrainRequest, console: Console) -> int:
    """Train; returns how many things were passed over (none)."""
    check_writable(out)
    options = training_options(request.size, request.options)
    train(
        DatasetFolder(dataset),
        out,
        options,
        observer=ConsoleObserver(),
        progress=rich_progress,
        resume=request.resume,
    )
    console.print(f"run: {shown(out)}   curves: {shown(out / 'curves.png')}")
    console.print(f"next: cxrlens evaluate {shown(out)}")
    return 0
