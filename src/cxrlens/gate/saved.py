"""A fitted gate in a run folder: ``gate.safetensors`` and ``gate.json``, sealed to each other and to the model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from cxrlens.errors import RunError
from cxrlens.folders import RunFolder, read_json, write_atomically, write_json
from cxrlens.gate.checks import CHECKS, Limit
from cxrlens.gate.examination import Examiner
from cxrlens.gate.features import FeatureReader
from cxrlens.gate.gate import Gate
from cxrlens.gate.network import GateNetwork
from cxrlens.gate.novelty import Cloud
from cxrlens.gate.spaces import SPACES
from cxrlens.model import LoadedModel, load_model

FORMAT = 1
_REMEDY = "fit it again with 'cxrlens gate RUN'"
_PARTS = ("means", "whitening", "bank")


def gate_path(run: RunFolder) -> Path:
    """``gate.json``, whose presence says that a gate was fitted."""
    return run.gate / "gate.json"


def save_gate(run: RunFolder, gate: Gate, facts: dict[str, Any]) -> None:
    """Write the tensors, then the description that seals them.

    Args:
        run: the folder of the model that the gate was fitted to.
        gate: what to keep.
        facts: more to be told in ``gate.json`` (how it was fitted, and how well).
    """
    network = gate.examiner.network
    assert isinstance(network, GateNetwork), "an exported gate is not saved again"
    tensors = {f"network.{key}": value.contiguous() for key, value in network.state_dict().items()}
    for space, cloud in gate.examiner.clouds.items():
        for part in _PARTS:
            tensors[f"{space}.{part}"] = torch.from_numpy(getattr(cloud, part)).contiguous()
    data = save(tensors, {"format": "pt"})
    write_atomically(run.gate / "gate.safetensors", data)
    write_json(
        gate_path(run),
        {
            "format": FORMAT,
            "model_sha256": gate.model_hash,
            "tensors_sha256": hashlib.sha256(data).hexdigest(),
            "measure": gate.examiner.measure,
            "repair_at": gate.examiner.repair_at,
            "mirrored_at": gate.mirrored_at,
            "limits": {name: {"usual": each.usual, "limit": each.limit} for name, each in gate.limits.items()},
            **facts,
        },
    )


def load_gate(run: RunFolder, model: LoadedModel | None = None) -> Gate:
    """The gate of a run folder.

    Args:
        run: the folder.
        model: its trained network, where it is loaded already.

    Raises:
        RunError: none was fitted, it was fitted to another model, or its files are torn; one line.
    """
    path = gate_path(run)
    if not path.is_file():
        raise RunError(run.root, "has no gate (no gate/gate.json)", "fit one with 'cxrlens gate RUN'")
    about = read_json(path)
    if about.get("format") != FORMAT:
        raise RunError(path, f"is a gate of format {about.get('format')}, this cxrlens reads {FORMAT}", _REMEDY)
    model = model or load_model(run)
    if about.get("model_sha256") != model.hash:
        raise RunError(path, "was fitted to another model than the one in this folder", _REMEDY)
    tensors = _tensors(path.with_suffix(".safetensors"), str(about.get("tensors_sha256")))
    try:
        network = GateNetwork()
        network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")})
        clouds = {space: Cloud(*(tensors[f"{space}.{part}"].numpy() for part in _PARTS)) for space in SPACES}
        limits = {name: Limit(float(v["usual"]), float(v["limit"])) for name, v in about["limits"].items()}
        if set(limits) != set(CHECKS):
            raise KeyError(f"limits of {', '.join(sorted(set(CHECKS) ^ set(limits)))}")
        examiner = Examiner(
            FeatureReader(model), network.eval(), clouds, str(about["measure"]), float(about["repair_at"])
        )
        return Gate(examiner, limits, float(about["mirrored_at"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).replace("\n", " ")[:160]
        raise RunError(path, f"lacks or garbles {first}", _REMEDY) from error


def _tensors(path: Path, expected: str) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise RunError(path, "is missing", _REMEDY)
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise RunError(path, f"is damaged: its SHA-256 is {found[:12]}…, gate.json says {expected[:12]}…", _REMEDY)
    try:
        tensors: dict[str, torch.Tensor] = load(data)
    except (SafetensorError, ValueError) as error:
        raise RunError(path, f"cannot be read as safetensors ({error})", _REMEDY) from error
    return tensors
