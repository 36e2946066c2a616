"""The gate as it travels: its network in ONNX, its clouds in NumPy; the judge itself is ``cxrlens.gate``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from cxrlens.gate.checks import CHECKS, Limit
from cxrlens.gate.examination import Examiner
from cxrlens.gate.gate import Gate
from cxrlens.gate.novelty import Cloud
from cxrlens.gate.spaces import SPACES, Floats
from cxrlens.preprocessing import to_model_input
from cxrlens.serving.folder import CLOUDS, GATE, ModelError, ModelFolder
from cxrlens.serving.network import Network, Run, onnx_run, onnx_session

PARTS: tuple[str, ...] = ("means", "whitening", "bank")


class Films:
    """The gate's own network, exported.

    Args:
        run: (B, 1, 64, 64) float32 in [0, 1] to ``logits`` (B, 17).
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def read(self, films: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """(n, 64, 64) uint8 to probabilities of the views (n, 16), and the logit of being a chest film (n,)."""
        logits = self._run(("logits",), to_model_input(films))[0].astype(np.float64)
        raised = np.exp(logits[:, :-1] - logits[:, :-1].max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True), logits[:, -1]


def load_exported_gate(folder: ModelFolder, network: Network) -> Gate | None:
    """The gate of an exported model; ``None`` where it was exported without one.

    Raises:
        ModelError: missing, altered or garbled files, or a gate of another model.
    """
    if not folder.has(GATE):
        return None
    session = onnx_session(folder, GATE, threads=1)  # small enough that sharing it out would only cost
    try:
        told: dict[str, Any] = json.loads(session.get_modelmeta().custom_metadata_map["cxrlens"])
        if told["model_sha256"] != network.hash:
            raise ModelError(folder.root / GATE, "was fitted to another model", "export it again")
        limits = {name: Limit(float(v["usual"]), float(v["limit"])) for name, v in told["limits"].items()}
        if set(limits) != set(CHECKS):
            raise KeyError(f"limits of {', '.join(sorted(set(CHECKS) ^ set(limits)))}")
        measure = str(told["measure"])
        arrays = load(folder.read(CLOUDS))
        # Of the feature spaces only the one whose distance counts: the others would be measured for nothing.
        spaces = [space for space in SPACES if measure.endswith(space)] or list(SPACES)
        clouds = {space: Cloud(*(arrays[f"{space}.{part}"] for part in PARTS)) for space in spaces}
        examiner = Examiner(network, Films(onnx_run(session)), clouds, measure, float(told["repair_at"]))
        return Gate(examiner, limits, float(told["mirrored_at"]))
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        raise ModelError(folder.root / GATE, f"lacks or garbles {error}", "export it again") from error
