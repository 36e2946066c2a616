"""A trained network in a run folder: ``model.safetensors`` and ``model.json``, the one naming the other's SHA-256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from cxrlens.errors import CxrlensError, RunError
from cxrlens.folders import RUN_FORMAT, RunFolder, write_atomically, write_json
from cxrlens.model.build import build_model
from cxrlens.model.initial_weights import read_tensors
from cxrlens.model.network import Classifier
from cxrlens.preprocessing import Preprocessing


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A trained network and all that using it needs.

    Args:
        module: in evaluation mode, on the CPU; (B, 1, size, size) float32 in [0, 1] to (B, len(classes)) logits.
        preprocessing: the very one it was trained with.
        classes: names in the order of the logits.
        name: the network's name in the zoo.
        size: side of the input in pixels.
        hash: hex SHA-256 of the weights.
    """

    module: Classifier
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    name: str
    size: int
    hash: str


def save_model(
    run: RunFolder,
    weights: dict[str, Tensor],
    *,
    name: str,
    classes: tuple[str, ...],
    preprocessing: Preprocessing,
    facts: dict[str, Any],
) -> None:
    """Write the weights, then the description that seals them.

    Args:
        run: the folder.
        weights: the state of a :class:`Classifier`.
        name: the network's name in the zoo.
        classes: names in the order of the logits.
        preprocessing: what the pixels went through.
        facts: more to be told in ``model.json`` (``dataset_hash``, ``best_epoch``, ...).
    """
    data = save({key: tensor.detach().cpu().contiguous() for key, tensor in weights.items()}, {"format": "pt"})
    write_atomically(run.weights_path, data)
    description = {
        "format": RUN_FORMAT,
        "name": name,
        "classes": list(classes),
        "size": preprocessing.size,
        "preprocessing": preprocessing.to_dict(),
        "preprocessing_fingerprint": preprocessing.fingerprint,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        **facts,
    }
    write_json(run.model_path, description)


def load_model(run: RunFolder) -> LoadedModel:
    """The trained network of a run folder, checked against its own description.

    Raises:
        RunError: no run folder, another format, weights missing, torn, altered or of another network; one line.
    """
    about = run.model()
    try:
        name, size = str(about["name"]), int(about["size"])
        classes = tuple(str(c) for c in about["classes"])
        preprocessing = Preprocessing.from_dict(about["preprocessing"])
        expected = str(about["weights_sha256"])
    except (CxrlensError, KeyError, TypeError, ValueError) as error:
        raise RunError(run.model_path, f"lacks or garbles {error}", "restore the file, or train again") from error
    _check_hash(run.weights_path, expected)
    try:
        module = build_model(name, classes=len(classes), size=size)
        state = read_tensors(run.weights_path)
        module.load_state_dict(state)
    except CxrlensError as error:
        raise RunError(run.root, error.fault, error.remedy) from error
    except RuntimeError as error:
        first = str(error).replace("\n", " ")[:200]
        raise RunError(
            run.weights_path, f"does not fit a '{name}' network ({first})", "restore the run folder, or train again"
        ) from error
    # Channels last: a third less time a pass on most processors, the same numbers within rounding.
    module = module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return LoadedModel(module, preprocessing, classes, name, size, expected)


def _check_hash(path: Path, expected: str) -> None:
    remedy = "restore the file from a copy, or train again"
    if not path.is_file():
        raise RunError(path, "is missing", remedy)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise RunError(path, f"is damaged: its SHA-256 is {found[:12]}…, model.json says {expected[:12]}…", remedy)
