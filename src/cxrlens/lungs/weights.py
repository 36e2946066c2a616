"""The trained segmenter: its weights and what is known of them, both shipped inside the package."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from cxrlens.errors import CxrlensError
from cxrlens.lungs.network import LungNetwork, fused

WEIGHTS = Path(__file__).with_name("lungs.safetensors")
"""Trained values, float16; made by ``benchmarks/train_lungs.py``."""

_REMEDY = "install cxrlens again"


class LungWeightsError(CxrlensError):
    """The segmenter's files are missing, damaged or of another version."""


@lru_cache(maxsize=2)
def load_segmenter(weights: Path = WEIGHTS) -> LungNetwork:
    """The segmenter, ready for use: evaluation mode, on the CPU, float32; read once and kept.

    Args:
        weights: a ``.safetensors`` file with the ``.json`` beside it that names its SHA-256.

    Raises:
        LungWeightsError: either file missing, torn, altered, or of another network; one line.
    """
    data = _checked(weights)
    network = LungNetwork()
    try:
        state = {name: tensor.float() for name, tensor in load(data).items()}
        counters = {k: v for k, v in network.state_dict().items() if k.endswith("num_batches_tracked")}
        network.load_state_dict(state | counters)
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise LungWeightsError(
            weights, f"holds no segmenter ({' '.join(str(error).split())[:160]})", _REMEDY
        ) from error
    return fused(network)


def facts(weights: Path = WEIGHTS) -> dict[str, Any]:
    """What ``lungs.json`` tells: training data in words, seed, date, figures with intervals, SHA-256 of the weights.

    Raises:
        LungWeightsError: missing or torn.
    """
    file = weights.with_suffix(".json")
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LungWeightsError(file, f"cannot be read ({error})", _REMEDY) from error
    if not isinstance(told, dict) or not isinstance(told.get("weights_sha256"), str):
        raise LungWeightsError(file, "names no SHA-256 of the weights", _REMEDY)
    return told


def weights_hash() -> str:
    """Hex SHA-256 of the shipped weights, as their description names it: part of the key of every stored mask."""
    return str(facts()["weights_sha256"])


def _checked(weights: Path) -> bytes:
    expected = str(facts(weights)["weights_sha256"])
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise LungWeightsError(weights, f"cannot be read ({error})", _REMEDY) from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        fault = f"is damaged: its SHA-256 is {found[:12]}…, {weights.stem}.json says {expected[:12]}…"
        raise LungWeightsError(weights, fault, _REMEDY)
    return data
