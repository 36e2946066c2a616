"""Which model answered: one hash of all that decides what is said of an image."""

from __future__ import annotations

import hashlib
import json

from cxrlens.serving.folder import CARD, INT8, LAYERS, ModelFolder


def identity_of(folder: ModelFolder, *, quantised: bool = False) -> str:
    """Hex SHA-256 over the hashes of the files that an exported model answers with.

    The hash of the weights alone does not tell a model from the same one calibrated anew, behind another gate, or
    measured on other images, and these give other answers. The network's file holds weights, preprocessing,
    calibration and what it was measured on; the files beside it hold the gate and whatever else judges. What only shows
    (further layers of heat-maps, the card, golden images) is left out. A run exported again by the same versions is
    the same model; by others it may be another one.

    Args:
        folder: the exported model.
        quantised: the quantised network answers.
    """
    used = [name for name in folder.files if "/" not in name and name not in (LAYERS, CARD)]
    if quantised:
        used += [INT8, INT8.replace(".xml", ".bin")]
    hashes = {name: str(folder.manifest["files"].get(name, {}).get("sha256")) for name in used}
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
