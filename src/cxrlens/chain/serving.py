"""``cxrlens export``: what the run's figures say goes along, and what eight bits cost is measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from cxrlens import RESEARCH_ONLY, SYNTHETIC_NOTE
from cxrlens.batches import pack
from cxrlens.chain.saying import shown, spoken
from cxrlens.errors import CxrlensError, DatasetError
from cxrlens.evaluation.blocks import Bootstrap, accuracy_of, mean_interval
from cxrlens.evaluation.resampling import clusters
from cxrlens.explanation.measured import measured_on
from cxrlens.folders import RunFolder, check_writable
from cxrlens.labels import CLASSES
from cxrlens.manifest import kept
from cxrlens.model import LoadedModel, load_model
from cxrlens.progress import rich_progress
from cxrlens.serving.export import About, export_model
from cxrlens.serving.run_model import default_export

_FEWEST = 20


def export_run(root: Path, out: Path | None, int8: bool, console: Console) -> int:
    """Export a run; returns how many things were passed over (none)."""
    run = RunFolder(root)
    model = load_model(run)
    target = check_writable(out or default_export(root))
    synthetic = _is_synthetic(run)
    measured = measured_on(run, model) + (f". {SYNTHETIC_NOTE}" if synthetic else "")
    about = About(measured, synthetic, _quantise(run, model) if int8 else None)
    _say(export_model(run, target, about), target, console)
    return 0


def _is_synthetic(run: RunFolder) -> bool:
    """Where the dataset is gone nothing says so any more: the figures' own words do."""
    try:
        return run.dataset().synthetic
    except CxrlensError:
        return False


def _say(manifest: dict[str, Any], target: Path, console: Console) -> None:
    console.print(f"model {manifest['model']['name']}, {manifest['model']['hash'][:12]}…")
    parity = manifest["parity"]
    console.print(f"  torch and ONNX differ by at most {parity['largest_difference']:.1e} in a probability")
    console.print(f"  heat-maps: {escape(manifest['heat_maps'])}")
    for part, command in (("calibrated", "calibrate"), ("gate", "gate")):
        if not manifest[part]:
            console.print(f"  [yellow]not in it:[/] {part}; 'cxrlens {command} RUN' makes it, then export again")
    figures = manifest["openvino_int8"]
    if figures is not None:
        console.print(f"  eight bits, {figures['meaning']}")
        for key in ("accuracy_float32", "accuracy_int8", "int8_minus_float32", "same_class"):
            console.print(f"    {key.replace('_', ' '):<20} {spoken(figures[key])}")
        console.print(f"    largest difference of a probability {figures['largest_difference']:.3f}")
    console.print(f"model: {shown(target)}")
    console.print(f"{escape(manifest['measured_on'])}. {RESEARCH_ONLY}")
    console.print(f"next: cxrlens verify {shown(target)}; cxrlens predict IMAGES --model {shown(target)}")


def _quantise(run: RunFolder, model: LoadedModel) -> Callable[[Path], dict[str, Any]]:
    """Writes the quantised network and measures on the calibration part what that changes."""
    from cxrlens.serving.int8 import MOST, compared, write_int8

    dataset = run.dataset()
    rows = kept(dataset.manifest())
    packed = pack(dataset.manifest(), model.preprocessing, dataset.packed_folder, rich_progress)
    rows = rows[[path in packed for path in rows["path"]]].reset_index(drop=True)
    training, held = rows[rows["split"] == "train"], rows[rows["split"] == "calibration"].reset_index(drop=True)
    if len(held) < _FEWEST or training.empty:
        fault = f"has {len(held)} images in its calibration part, and {_FEWEST} are needed to say what eight bits cost"
        raise DatasetError(dataset.root, fault, "leave out --openvino-int8, or split with a larger --calibration")
    drawn = training.sample(min(MOST, len(training)), random_state=0)

    def quantise(root: Path) -> dict[str, Any]:
        write_int8(root, packed.pixels[packed.rows(list(drawn["path"]))])
        full, small = compared(root, packed.pixels[packed.rows(list(held["path"]))])
        truth = np.array([CLASSES.index(label) for label in held["label"]])
        units, bootstrap = clusters(held), Bootstrap(1000)
        right, right_small = full.argmax(axis=1) == truth, small.argmax(axis=1) == truth
        change = right_small.astype(np.float64) - right.astype(np.float64)
        return {
            "meaning": f"calibration part, n = {len(held)}; ranges from {len(drawn)} training images",
            "n": len(held),
            "accuracy_float32": accuracy_of(right, units, bootstrap).to_dict(),
            "accuracy_int8": accuracy_of(right_small, units, bootstrap).to_dict(),
            "int8_minus_float32": mean_interval(change, units, bootstrap).to_dict(),
            "same_class": accuracy_of(full.argmax(axis=1) == small.argmax(axis=1), units, bootstrap).to_dict(),
            "largest_difference": float(np.abs(full - small).max()),
        }

    return quantise
