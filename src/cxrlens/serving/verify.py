"""``verify``: does this installation give what the model gave where it was exported?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import CxrlensError
from cxrlens.serving.folder import GOLDEN, MANIFEST, ModelError, ModelFolder
from cxrlens.serving.golden import TOLERANCE, apart_by_image, figures_of, frame_hash, lungs_told, maps_agree
from cxrlens.serving.lungs import Lungs
from cxrlens.serving.network import ENGINES, Network, softmax
from cxrlens.serving.predictor import Predictor, load_predictor
from cxrlens.serving.versions import versions
from cxrlens.sources.reading import read_radiograph

_LUNGS_TOLERANCE = 2e-3  # of the frame: a few pixels at the rim of a lung may fall to the other side


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Args:
        ok: it passed; a version that differs is told of and is no failure.
        check: what was looked at.
        detail: what was found, with its figures.
    """

    ok: bool
    check: str
    detail: str


def verify_model(model: str | PathLike[str]) -> list[Finding]:
    """Check an exported model against the hashes and the golden predictions that travel with it.

    Args:
        model: the folder that ``cxrlens export`` wrote.

    Returns:
        A finding a check: files, strays, predictions, preprocessing, heat-maps, lungs, gate, versions.

    Raises:
        ModelError: no exported model, or one that cannot be run at all.
    """
    folder = ModelFolder(Path(model))
    files = _files(folder)
    if not files.ok:
        return [files]
    predictor = load_predictor(model)
    return [files, *_golden(folder, predictor), *_versions(folder)]


def _files(folder: ModelFolder) -> Finding:
    bad = []
    for name in folder.files:
        try:
            folder.read(name)
        except ModelError as error:
            bad.append(f"{name} {error.fault}")
    if bad:
        return Finding(False, "files", "; ".join(bad))
    present = {p.relative_to(folder.root).as_posix() for p in folder.root.rglob("*") if p.is_file()}
    strays = sorted(present - {*folder.files, MANIFEST})
    more = f"; not the model's: {', '.join(strays[:3])}" if strays else ""
    return Finding(True, "files", f"{len(folder.files)} files have the hashes that {MANIFEST} names{more}")


def _golden(folder: ModelFolder, predictor: Predictor) -> list[Finding]:
    images: dict[str, dict[str, Any]] = json.loads(folder.read(GOLDEN))["images"]
    network = predictor.network
    try:
        radiographs = [read_radiograph(folder.root / name) for name in images]
    except CxrlensError as error:
        return [Finding(False, "golden images", str(error))]
    frames = np.stack([network.preprocessing(radiograph) for radiograph in radiographs])
    expected = list(images.values())
    same = [frame_hash(f) == e["frame_sha256"] for f, e in zip(frames, expected, strict=True)]
    found = softmax(network(frames).logits)
    apart = float(np.abs(found - np.array([e["probabilities"] for e in expected])).max())
    said = f"largest difference of a probability from torch's: {apart:.1e} on {len(images)} synthetic images"
    findings = [
        Finding(apart < TOLERANCE, f"predictions ({ENGINES[0]})", f"{said}; below {TOLERANCE:.0e} passes"),
        # Another decoder may round a grey level otherwise: that is told, and the probabilities decide.
        Finding(True, "preprocessing", f"{sum(same)} of {len(same)} images are the same to the bit"),
    ]
    findings += [_maps(network, frames, layer, expected) for layer in network.layers]
    if predictor.lungs is not None:
        findings.append(_lungs(predictor.lungs, frames, expected))
    if predictor.gate is not None:
        answers = [answer.status for answer in predictor.gate.judge_all(radiographs)]
        wrong = sum(a != e.get("gate") for a, e in zip(answers, expected, strict=True))
        findings.append(Finding(not wrong, "gate", f"{len(answers) - wrong} of {len(answers)} answers are the same"))
    return findings


def _maps(network: Network, frames: NDArray[np.uint8], layer: str, expected: list[dict[str, Any]]) -> Finding:
    """Maximum and mean of every map; an export that names no layers tells those of its only one."""
    wanted = np.array([e["layers"][layer] if "layers" in e else e["maps"] for e in expected])
    apart = apart_by_image(figures_of(network.class_maps(frames, layer)), wanted)
    detail = f"largest difference, as a share of the largest value: {float(apart.max()):.1e}"
    deepest = layer == network.layers[0]
    return Finding(maps_agree(apart, deepest=deepest), "heat-maps" if deepest else f"heat-maps, {layer}", detail)


def _lungs(lungs: Lungs, frames: NDArray[np.uint8], expected: list[dict[str, Any]]) -> Finding:
    """Share of the frame that is lung, and whether it is like two lungs."""
    found = [lungs_told(mask) for mask in lungs.masks(frames)]
    wanted = [e["lungs"] for e in expected]
    apart = max(abs(f["area"] - w["area"]) for f, w in zip(found, wanted, strict=True))
    same = sum(f["found"] == w["found"] for f, w in zip(found, wanted, strict=True))
    detail = f"largest difference of their share of the frame: {apart:.1e}; {same} of {len(found)} are found as then"
    return Finding(apart < _LUNGS_TOLERANCE and same == len(found), "lungs", detail)


def _versions(folder: ModelFolder) -> list[Finding]:
    then, now = folder.manifest.get("versions", {}), versions()
    changed = [name for name in now if then.get(name, now[name]) != now[name]]
    other = [f"{name} {now[name]} (exported with {then[name]})" for name in changed]
    return [Finding(True, "versions", "; ".join(other) if other else "the same as where it was exported")]
