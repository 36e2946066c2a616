"""The lung segmenter on its way into an export: written, and held to what torch says of the golden images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cxrlens.errors import RunError
from cxrlens.folders import write_atomically, write_json
from cxrlens.lungs.frames import to_masks
from cxrlens.lungs.segmenting import segment_lungs
from cxrlens.lungs.weights import LungWeightsError
from cxrlens.model import LoadedModel
from cxrlens.serving.folder import FORMAT, KIND, LUNGS, MANIFEST, ModelFolder, described
from cxrlens.serving.golden import TOLERANCE, lungs_told
from cxrlens.serving.lungs import load_exported_lungs
from cxrlens.sources.reading import read_radiograph


def write_lungs(root: Path, graphs: Any) -> str:
    """Why there is no segmenter in the folder; blank where there is. A map can be shown without."""
    try:
        write_atomically(root / LUNGS, graphs.lungs_graph())
    except LungWeightsError as error:
        return str(error)
    return ""


def lungs_compared(root: Path, names: list[str], model: LoadedModel, expected: list[dict[str, Any]]) -> float:
    """How far the exported segmenter departs from torch's on the golden images; adds their lungs to what is expected.

    Args:
        root: an export in the making.
        names: of the golden images.
        model: whose preprocessing makes the frames.
        expected: of each image, changed in place.

    Raises:
        RunError: it departs by 1e-4 or more.
    """
    frames = np.stack([model.preprocessing(read_radiograph(root / name)) for name in names])
    by_torch = segment_lungs(frames)
    write_json(root / MANIFEST, {"kind": KIND, "format": FORMAT, "files": described(root)})
    exported = load_exported_lungs(ModelFolder(root))
    assert exported is not None
    difference = float(np.abs(exported.probabilities(frames) - by_torch).max())
    if not difference < TOLERANCE:  # also true for NaN
        fault = f"gives other lungs exported (probabilities differ by {difference:.1e})"
        raise RunError("the lung segmenter", fault, "this is a fault of cxrlens or of the exporter: report it")
    for values, mask in zip(expected, to_masks(by_torch), strict=True):
        values["lungs"] = lungs_told(mask)
    return difference
