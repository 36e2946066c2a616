"""A run made in a second, with everything that an export takes along: an untrained network, a gate, a calibration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cxrlens.calibrated import Calibration, tempered
from cxrlens.folders import RunFolder, write_json
from cxrlens.gate.checks import CHECKS, Limit
from cxrlens.gate.examination import Examiner
from cxrlens.gate.features import FeatureReader
from cxrlens.gate.gate import Gate
from cxrlens.gate.network import GateNetwork
from cxrlens.gate.novelty import Cloud, unit
from cxrlens.gate.saved import save_gate
from cxrlens.gate.spaces import SPACES
from cxrlens.labels import CLASSES
from cxrlens.model import build_model, load_model, save_model
from cxrlens.model.network import head_name
from cxrlens.preprocessing import Preprocessing
from cxrlens.radiograph import Radiograph
from cxrlens.sources.phantom import make_phantom

SIDE = 64
MEASURED = "probability measured on nothing: a toy for tests"
MEASURED_RISK = {
    "split": "test",
    "meaning": "made up",
    "n": 200,
    "risk_coverage": {
        "points": [
            {"answered": 0.05, "risk": 0.0, "confidence": 0.9},
            {"answered": 0.25, "risk": 0.02, "confidence": 0.6},
            {"answered": 0.5, "risk": 0.04, "confidence": 0.4},
            {"answered": 1.0, "risk": 0.2, "confidence": 0.26},
        ]
    },
}


def phantoms(count: int = 4, size: int = 128) -> list[Radiograph]:
    """Synthetic radiographs, a class each in turn."""
    return [Radiograph(make_phantom(CLASSES[i % 4], seed=100 + i, size=size).pixels) for i in range(count)]


def lively_network(name: str, seed: int = 0, size: int = SIDE) -> torch.nn.Module:
    """Untrained, but with logits and statistics that differ from picture to picture."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build_model(name, size=size)
        torch.nn.init.normal_(module.get_submodule(head_name(module)).weight, std=1.5)
        for layer in module.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 1.5)
    return module.eval()


def write_run(root: Path, name: str = "plain") -> RunFolder:
    """A run folder with ``model.json``, weights, ``calibration.json`` and a gate."""
    run = RunFolder(root)
    root.mkdir(parents=True)
    write_json(run.config_path, {"format": 1, "dataset": str(root / "no dataset")})
    weights = lively_network(name).state_dict()
    about = {"name": name, "classes": CLASSES, "preprocessing": Preprocessing(size=SIDE), "facts": {}}
    save_model(run, weights, **about)
    model = load_model(run)
    temperature = 1.7
    logits = FeatureReader(model)(np.stack([model.preprocessing(r) for r in phantoms(8)])).logits
    sure = tempered(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), temperature).max(axis=1)
    confidence = float(np.median(sure))  # so that some phantoms are answered and some are not
    thresholds = (0.3, 0.2, 0.25, 0.3)
    calibration = Calibration(model.hash, CLASSES, temperature, 0.9, thresholds, confidence, 0.1, "the toy's own part")
    write_json(run.calibration_path, {"runtime": calibration.to_dict(), "dataset": "toy", "measured": MEASURED_RISK})
    save_gate(run, _gate(FeatureReader(model)), {"unreadable": 0})
    return run


def _gate(reader: FeatureReader) -> Gate:
    """Limits wide enough that an untrained gate lets radiographs pass, and clouds of the phantoms' own features."""
    frames = np.stack([reader.preprocessing(r) for r in phantoms(6)])
    spaces = reader(frames).spaces
    clouds = {}
    for space in SPACES:
        values = spaces[space]
        whitening = np.eye(values.shape[1]) / (values.std() + 1e-3)
        clouds[space] = Cloud(
            values[:2].astype(np.float32), whitening.astype(np.float32), unit(values).astype(np.float32)
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = GateNetwork().eval()
    examiner = Examiner(reader, network, clouds, "mahalanobis, deep", 0.999)
    limits = {name: Limit(0.0, 1.0) if check.fixed else Limit(0.0, 1e3) for name, check in CHECKS.items()}
    return replace(Gate(examiner, limits, 0.9999))
