"""``export``: from a run folder to one folder that needs no torch to be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.calibrated import Calibration
from cxrlens.errors import OptionError, RunError
from cxrlens.folders import RunFolder, read_json, write_atomically, write_json
from cxrlens.gate.gate import Gate
from cxrlens.gate.network import GateNetwork
from cxrlens.gate.saved import gate_path, load_gate
from cxrlens.gate.spaces import SPACES
from cxrlens.model import LoadedModel, cam_layers, load_model
from cxrlens.preprocessing import to_model_input
from cxrlens.serving.folder import CARD, CLOUDS, FORMAT, GATE, KIND, MANIFEST, MODEL, ModelFolder, described
from cxrlens.serving.gating import PARTS
from cxrlens.serving.golden import TOLERANCE, expectation, write_golden, write_images
from cxrlens.serving.network import load_network
from cxrlens.serving.predictor import softmax
from cxrlens.serving.run_model import sources_of
from cxrlens.serving.versions import versions
from cxrlens.sources.reading import read_radiograph


@dataclass(frozen=True, slots=True)
class About:
    """What the run's figures say of the model, gathered by whoever may read them.

    Args:
        measured_on: what the probabilities were measured on, in words.
        synthetic: the network was trained on synthetic images.
        quantise: writes the quantised network into the folder given and returns its figures; ``None``: none is wanted.
    """

    measured_on: str
    synthetic: bool = False
    quantise: Callable[[Path], dict[str, Any]] | None = None


def export_model(run: RunFolder, out: Path, about: About) -> dict[str, Any]:
    """Write an exported model; an existing one is replaced only when the new one is whole and agrees with torch.

    Args:
        run: a trained run; its calibration and gate go along where it has them.
        out: the folder to write.
        about: what is told of the model.

    Returns:
        The folder's manifest.

    Raises:
        RunError: no run folder, a corrupt one, a calibration or a gate of another model, or a graph that does not
            give what torch gives.
        OptionError: ``out`` is something else than an exported model, or the packages of the extra are missing.
    """
    _check_target(out)
    model = load_model(run)
    calibration = None
    if run.calibration_path.is_file():
        calibration = Calibration.from_dict(read_json(run.calibration_path)).of_model(model.hash)
    gate = load_gate(run, model) if gate_path(run).is_file() else None
    scratch = out.with_name(f".{out.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        manifest = _write(scratch, run, model, (calibration, gate), about)
        _swap(scratch, out)
    except OSError as error:
        fault = f"cannot be written ({error.strerror or error})"
        raise OptionError(out, fault, "choose a folder that you may write to, with space left") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _write(
    root: Path, run: RunFolder, model: LoadedModel, parts: tuple[Calibration | None, Gate | None], about: About
) -> dict[str, Any]:
    graphs = _graphs()
    calibration, gate = parts
    graph, without_maps = graphs.model_graph(model)
    told = {
        "format": FORMAT,
        "name": model.name,
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.to_dict(),
        "weights_sha256": model.hash,
        "calibration": None if calibration is None else calibration.to_dict(),
        "measured_on": about.measured_on,
        "no_class_maps": without_maps,
    }
    graphs.set_metadata(graph, {"cxrlens": _text(told), "notice": RESEARCH_ONLY})
    write_atomically(root / MODEL, graph.SerializeToString())
    if gate is not None:
        _write_gate(root, gate, graphs)
    names = write_images(root)
    expected, difference = _compared(root, names, model, without_maps == "")
    if gate is not None:
        for name, values in zip(names, expected, strict=True):
            values["gate"] = gate.judge(read_radiograph(root / name)).status
    write_golden(root, names, expected)
    if (run.root / CARD).is_file():
        shutil.copyfile(run.root / CARD, root / CARD)
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "notice": RESEARCH_ONLY,
        "model": {"name": model.name, "hash": model.hash, "classes": list(model.classes), "size": model.size},
        "measured_on": about.measured_on,
        "synthetic": about.synthetic,
        "calibrated": calibration is not None,
        "gate": gate is not None,
        "heat_maps": "Grad-CAM of every class, computed in the graph" if not without_maps else f"none: {without_maps}",
        "parity": difference,
        "openvino_int8": None if about.quantise is None else about.quantise(root),
        "cxrlens": __version__,
        "versions": versions(),
        "sources": sources_of(run),
        "files": described(root),
    }
    write_json(root / MANIFEST, manifest)
    return manifest


def _graphs() -> Any:
    try:
        from cxrlens.serving import graph
    except ImportError as error:
        raise OptionError("export", f"needs onnx and onnxscript ({error})", "pip install 'cxrlens[serve]'") from error
    return graph


def _write_gate(root: Path, gate: Gate, graphs: Any) -> None:
    network = gate.examiner.network
    assert isinstance(network, GateNetwork)
    graph = graphs.gate_graph(network)
    told = {
        "model_sha256": gate.model_hash,
        "measure": gate.examiner.measure,
        "repair_at": gate.examiner.repair_at,
        "mirrored_at": gate.mirrored_at,
        "limits": {name: {"usual": each.usual, "limit": each.limit} for name, each in gate.limits.items()},
    }
    graphs.set_metadata(graph, {"cxrlens": _text(told), "notice": RESEARCH_ONLY})
    write_atomically(root / GATE, graph.SerializeToString())
    clouds = gate.examiner.clouds
    arrays = {f"{space}.{part}": getattr(clouds[space], part) for space in SPACES for part in PARTS}
    write_atomically(root / CLOUDS, save(arrays))


def _compared(
    root: Path, names: list[str], model: LoadedModel, maps: bool
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What torch says of the golden images, and how far the graph departs from it on them and on noise."""
    frames = np.stack([model.preprocessing(read_radiograph(root / name)) for name in names])
    noise = np.random.default_rng(0).integers(0, 256, (8, model.size, model.size), dtype=np.uint8)
    shown = np.concatenate([frames, noise])
    probabilities, heat = _by_torch(model, shown)
    write_json(root / MANIFEST, {"kind": KIND, "format": FORMAT, "files": described(root)})  # to read it as users do
    network = load_network(ModelFolder(root), threads=1)
    difference = float(np.abs(softmax(network(shown).logits) - probabilities).max())
    apart = float(np.abs(network.class_maps(shown) - heat).max() / max(float(heat.max()), 1e-12)) if maps else 0.0
    if not (difference < TOLERANCE and apart < 1e-3):  # also true for NaN
        fault = f"gives other figures exported (probabilities differ by {difference:.1e}, heat-maps by {apart:.1e})"
        raise RunError(model.name, fault, "this is a fault of cxrlens or of the exporter: report it with the versions")
    rows = zip(frames, probabilities, heat, strict=False)
    expected = [expectation(frame, shares, of_image if maps else None) for frame, shares, of_image in rows]
    meaning = "of a probability, ONNX against torch, on the golden images and on noise"
    figures = {"images": len(shown), "largest_difference": difference, "meaning": meaning}
    return expected, {**figures, "largest_map_difference": apart if maps else None}


def _by_torch(model: LoadedModel, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Probabilities (n, K) and Grad-CAM of every class (n, K, h, w) by torch's own gradients: the reference."""
    seen: list[torch.Tensor] = []
    deepest = cam_layers(model.module)[-1][1]
    hook = deepest.register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        with torch.enable_grad():
            logits = model.module(torch.from_numpy(to_model_input(frames)).requires_grad_())
    finally:
        hook.remove()
    found = []
    for k in range(len(model.classes)):
        slopes = torch.autograd.grad(logits[:, k].sum(), seen[0], retain_graph=True)[0]
        found.append((slopes.mean(dim=(2, 3), keepdim=True) * seen[0]).sum(dim=1).relu())
    probabilities = torch.softmax(logits.detach().double(), dim=1).numpy()
    return probabilities, torch.stack(found, dim=1).detach().numpy()


def _check_target(out: Path) -> None:
    """Nothing but an earlier export is ever replaced."""
    if out.is_file():
        raise OptionError(out, "is a file", "choose a folder with --out")
    if out.is_dir() and any(out.iterdir()):
        try:
            assert ModelFolder(out).manifest
        except Exception as error:
            raise OptionError(out, "holds something else than an exported model", "choose another --out") from error


def _swap(made: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    made.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
