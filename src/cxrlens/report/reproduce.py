"""What somebody needs to get the same again: commands, versions, seeds, hashes."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import PurePath
from typing import Any

from cxrlens import __version__
from cxrlens.augmentation import STRENGTHS
from cxrlens.report.records import RunRecord
from cxrlens.report.splitting import SplitFacts
from cxrlens.training import TrainingOptions

PACKAGES = ("torch", "numpy", "opencv-python-headless", "kornia", "lightning-fabric", "scikit-learn")

LATER = {"calibrate": "calibration.json", "gate": "gate/gate.json", "audit": "audit.json"}
"""Commands that not every run has seen, with the file that tells."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """Commands in order; names and values of what fixes the result."""

    commands: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]


def reproduction(record: RunRecord, split: SplitFacts | None) -> Reproduction:
    """Folders are named without the path before them: that part belongs to the machine, not to the result."""
    root = record.folder.root
    run = root.resolve().name
    dataset = record.dataset.root.resolve().name if record.dataset.root else "DATASET"
    config, model = record.config, record.model or {}
    seed = _find(config, "seed")
    facts = [
        ("Dataset hash", split.hash if split else str(_find(config, "dataset_hash") or "")),
        ("Dataset hash at training", str(model.get("dataset_hash") or config.get("dataset_hash") or "")),
        ("Seed of the split", split.seed if split else ""),
        ("Seed of the training", "" if seed is None else str(seed)),
        ("SHA-256 of the weights", str(model.get("weights_sha256") or "")),
        ("Preprocessing", str(model.get("preprocessing_fingerprint") or "")),
    ]
    split_options = f" --seed {split.seed}" if split is not None and split.seed.isdigit() else ""
    split_options += " --random" if split is not None and split.kind == "random" else ""
    train_options = _train_options(config.get("options", {}))
    collections = "COLLECTION..."
    if record.dataset.manifest is not None:
        names = sorted(set(record.dataset.manifest["collection"]) - {""})
        collections = " ".join(shlex.quote(name) for name in names) if 0 < len(names) <= 4 else collections
    return Reproduction(
        commands=(
            f"cxrlens curate {collections} --out {shlex.quote(dataset)}",
            f"cxrlens split {shlex.quote(dataset)}{split_options}",
            f"cxrlens train {shlex.quote(dataset)} --out {shlex.quote(run)}{train_options}",
            f"cxrlens evaluate {shlex.quote(run)}",
            f"cxrlens explain {shlex.quote(run)}",
            *(f"cxrlens {command} {shlex.quote(run)}" for command, made in LATER.items() if (root / made).is_file()),
            f"cxrlens report {shlex.quote(run)}",
        ),
        facts=tuple((name, value) for name, value in facts if value),
        versions=tuple(_versions(config)),
    )


def _train_options(options: Mapping[str, Any]) -> str:
    """What was asked of the training besides the defaults, as the shell takes it."""
    default = TrainingOptions().to_dict()
    named = {"model": "--model", "epochs": "--epochs", "seed": "--seed", "devices": "--devices", "weights": "--weights"}
    words: list[str] = []
    for key, value in options.items():
        usual = default.get(key)
        if value == usual:
            continue
        if key == "augmentation" and isinstance(value, Mapping):
            words += _augmentation(value)
        elif isinstance(value, Mapping) and isinstance(usual, Mapping):
            inner = {name: of for name, of in value.items() if of != usual.get(name)}
            if key == "preprocessing" and "size" in inner:
                words += ["--size", str(inner.pop("size"))]
            for name, of in inner.items():
                words += ["--set", f"{key}.{name}={of}"]
        elif key in named:
            # Weights are named without the folders before them: those belong to the machine, not to the result.
            words += [named[key], PurePath(str(value)).name if key == "weights" else str(value)]
        else:
            words += ["--set", f"{key}={value}"]
    return "".join(f" {shlex.quote(word)}" for word in words)


def _augmentation(effects: Mapping[str, float]) -> list[str]:
    """The strength by its name, or what differs from ``standard``, from which the shell starts."""
    standard = STRENGTHS["standard"].to_dict()
    whole = {**standard, **effects}
    for name, strength in STRENGTHS.items():
        if strength.to_dict() == whole:
            return ["--set", f"augmentation={name}"]
    return [w for name, of in whole.items() if of != standard[name] for w in ("--set", f"augmentation.{name}={of}")]


def _versions(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Those that the training recorded; those of this machine, and said so, where it recorded none."""
    recorded = config.get("versions")
    if isinstance(recorded, Mapping) and recorded:
        return [(str(name), str(value)) for name, value in recorded.items()] + _machine(config.get("machine"))
    found = [("cxrlens (writing this report)", __version__), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    return found


def _machine(said: Any) -> list[tuple[str, str]]:
    """Sums of floats depend on the processor and its threads; the machine's own name is nobody's business."""
    about = said if isinstance(said, Mapping) else {}
    names = {"device": "Device", "accelerator": "Accelerator", "threads": "Threads", "cpu_capability": "Instructions"}
    return [(words, str(about[key])) for key, words in names.items() if key in about]


def _find(config: Mapping[str, Any], key: str) -> Any:
    options = config.get("options")
    return config.get(key, options.get(key) if isinstance(options, Mapping) else None)
