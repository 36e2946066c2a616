"""Where the exported model of a run lies, and whether it is still the run's own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cxrlens.errors import CxrlensError
from cxrlens.folders import RunFolder
from cxrlens.serving.folder import CARD, MANIFEST, ModelError, ModelFolder

SOURCES: tuple[str, ...] = ("calibration.json", "gate/gate.json", "metrics.json", CARD)
"""Files of a run, besides the model itself, that an export is made of."""


def default_export(root: Path) -> Path:
    """Where ``export`` puts the model of a run unless told otherwise."""
    return root / "export"


def sources_of(run: RunFolder) -> dict[str, str]:
    """SHA-256 of the weights and of each of :data:`SOURCES` that is there: an export of others is stale."""
    found = {"model.safetensors": str(run.model().get("weights_sha256"))}
    for name in SOURCES:
        path = run.root / name
        if path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def find_model(given: Path) -> tuple[Path, bool]:
    """The exported model that a user means.

    Args:
        given: an exported model, its ``model.onnx``, or a run folder.

    Returns:
        Its folder, and whether it is there and up to date: a run may not have been exported yet, or have been
        calibrated since.

    Raises:
        ModelError: neither of them.
    """
    if given.name == "model.onnx" and given.is_file():
        given = given.parent
    if (given / MANIFEST).is_file():
        return given, True
    if not (given / "model.json").is_file():
        what = "is neither an exported model nor a run folder" if given.exists() else "does not exist"
        raise ModelError(given, what, "make one with 'cxrlens export RUN'")
    target = default_export(given)
    try:
        return target, ModelFolder(target).manifest.get("sources") == sources_of(RunFolder(given))
    except CxrlensError:
        return target, False
