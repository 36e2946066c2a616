"""``export``: from a run folder to one folder that needs no torch to be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.calibrated import Calibration
from cxrlens.errors import OptionError, RunError
from cxrlens.folders import RunFolder, read_json, write_atomically, write_json
from cxrlens.gate.gate import Gate
from cxrlens.gate.network import GateNetwork
from cxrlens.gate.saved import gate_path, load_gate
from cxrlens.gate.spaces import SPACES
from cxrlens.model import LoadedModel, load_model
from cxrlens.serving.folder import (
    CARD,
    CLOUDS,
    FORMAT,
    GATE,
    KIND,
    LAYERS,
    MANIFEST,
    MODEL,
    ModelFolder,
    described,
)
from cxrlens.serving.gating import PARTS
from cxrlens.serving.golden import (
    TOLERANCE,
    apart_by_image,
    expectation,
    maps_agree,
    write_golden,
    write_images,
)
from cxrlens.serving.layers import LayerMaps
from cxrlens.serving.lungs_export import lungs_compared, write_lungs
from cxrlens.serving.network import load_network, softmax
from cxrlens.serving.reference import by_torch
from cxrlens.serving.risk import RiskCurve, curve_of
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
    calibration, risks = None, None
    if run.calibration_path.is_file():
        record = read_json(run.calibration_path)
        calibration, risks = Calibration.from_dict(record).of_model(model.hash), curve_of(record)
    gate = load_gate(run, model) if gate_path(run).is_file() else None
    scratch = out.with_name(f".{out.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        scratch.mkdir(parents=True)
        manifest = _write(scratch, run, model, _Parts(calibration, risks, gate), about)
        _swap(scratch, out)
    except OSError as error:
        fault = f"cannot be written ({error.strerror or error})"
        raise OptionError(out, fault, "choose a folder that you may write to, with space left") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return manifest


@dataclass(frozen=True, slots=True)
class _Parts:
    """What of the run goes along with the network, each where the run has it."""

    calibration: Calibration | None
    risks: RiskCurve | None
    gate: Gate | None


def _write(root: Path, run: RunFolder, model: LoadedModel, parts: _Parts, about: About) -> dict[str, Any]:
    graphs = _graphs()
    calibration, risks, gate = parts.calibration, parts.risks, parts.gate
    graph = graphs.model_graph(model)
    told = {
        "format": FORMAT,
        "name": model.name,
        "classes": list(model.classes),
        "preprocessing": model.preprocessing.to_dict(),
        "weights_sha256": model.hash,
        "calibration": None if calibration is None else calibration.to_dict(),
        "risks": None if risks is None else risks.to_dict(),
        "measured_on": about.measured_on,
        "no_class_maps": graph.no_maps,
        "layers": [maps.to_dict() for maps in graph.maps],
    }
    graphs.set_metadata(graph.proto, {"cxrlens": _text(told), "notice": RESEARCH_ONLY})
    write_atomically(root / MODEL, graph.proto.SerializeToString())
    if graph.layers is not None:
        graphs.set_metadata(graph.layers, {"notice": RESEARCH_ONLY})
        write_atomically(root / LAYERS, graph.layers.SerializeToString())
    if gate is not None:
        _write_gate(root, gate, graphs)
    no_lungs = write_lungs(root, graphs) if graph.maps else "it has no heat-maps that would be held against them"
    names = write_images(root)
    expected, difference = _compared(root, names, model, graph.maps)
    if not no_lungs:
        difference["largest_lungs_difference"] = lungs_compared(root, names, model, expected)
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
        "heat_maps": _said_of_maps(graph.maps, graph.no_maps),
        "layers": [maps.name for maps in graph.maps],
        "layers_left_out": dict(graph.left_out),
        "lungs": not no_lungs,
        "no_lungs": no_lungs,
        "risks": risks is not None,
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
    root: Path, names: list[str], model: LoadedModel, maps: Sequence[LayerMaps]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What torch says of the golden images, and how far the graph departs from it on them and on noise."""
    frames = np.stack([model.preprocessing(read_radiograph(root / name)) for name in names])
    noise = np.random.default_rng(0).integers(0, 256, (8, model.size, model.size), dtype=np.uint8)
    shown = np.concatenate([frames, noise])
    probabilities, heats = by_torch(model, shown, maps)
    write_json(root / MANIFEST, {"kind": KIND, "format": FORMAT, "files": described(root)})  # to read it as users do
    network = load_network(ModelFolder(root), threads=1)
    difference = float(np.abs(softmax(network(shown).logits) - probabilities).max())
    apart = {name: apart_by_image(network.class_maps(shown, name), heat) for name, heat in heats.items()}
    worst = max((float(each.max()) for each in apart.values()), default=0.0)
    same = all(maps_agree(each, deepest=name == maps[0].name) for name, each in apart.items())
    if not (difference < TOLERANCE and same):  # also true for NaN
        fault = f"gives other figures exported (probabilities differ by {difference:.1e}, heat-maps by {worst:.1e})"
        raise RunError(model.name, fault, "this is a fault of cxrlens or of the exporter: report it with the versions")
    expected = [
        expectation(frame, probabilities[i], {layer: heat[i] for layer, heat in heats.items()})
        for i, frame in enumerate(frames)
    ]
    meaning = "of a probability, ONNX against torch, on the golden images and on noise"
    figures = {"images": len(shown), "largest_difference": difference, "meaning": meaning}
    return expected, {**figures, "largest_map_difference": worst if maps else None}


def _said_of_maps(maps: Sequence[LayerMaps], no_maps: str) -> str:
    if no_maps:
        return f"none: {no_maps}"
    further = f"; further ones: {', '.join(each.name for each in maps[1:])}" if len(maps) > 1 else ""
    return f"{maps[0].method} of every class at {maps[0].name}, computed in the graph{further}"


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
