"""The quantised network: eight-bit weights and activations for OpenVINO, and what that costs."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import OptionError
from cxrlens.folders import write_json
from cxrlens.preprocessing import to_model_input
from cxrlens.serving.folder import FORMAT, INT8, KIND, MANIFEST, MODEL, ModelFolder, described
from cxrlens.serving.network import ENGINES, load_network, softmax

MOST = 300
"""Images that the ranges of activations are taken from; NNCF's own advice."""


def write_int8(root: Path, frames: NDArray[np.uint8]) -> None:
    """Quantise ``model.onnx`` of a folder after training (NNCF) and write OpenVINO's files beside it.

    Grad-CAM's own nodes stay as they are: gradients in eight bits would be noise.

    Args:
        root: an export in the making.
        frames: (n, S, S) uint8, training images as the network sees them; their ranges are taken, and no label.

    Raises:
        OptionError: OpenVINO or NNCF is not installed.
    """
    try:
        import nncf
        import openvino
    except ImportError as error:
        remedy = "pip install 'cxrlens[openvino]'"
        raise OptionError("--openvino-int8", f"needs openvino and nncf ({error})", remedy) from error
    nncf.set_log_level(logging.ERROR)
    inputs = [to_model_input(frame) for frame in frames[:MOST]]
    with contextlib.redirect_stdout(None):
        quantised = nncf.quantize(
            openvino.convert_model(root / MODEL),
            nncf.Dataset(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(patterns=["class_maps/.*"], validate=False),
        )
    (root / INT8).parent.mkdir(parents=True, exist_ok=True)
    openvino.save_model(quantised, root / INT8, compress_to_fp16=False)


def compared(root: Path, frames: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities (n, K) of the exported and of the quantised network for the same frames (n, S, S) uint8."""
    write_json(root / MANIFEST, {"kind": KIND, "format": FORMAT, "files": described(root)})
    found = []
    for engine in ENGINES:
        network = load_network(ModelFolder(root), engine)
        parts = [network(frames[start : start + 64]).logits for start in range(0, len(frames), 64)]
        found.append(softmax(np.concatenate(parts)))
    return found[0], found[1]
