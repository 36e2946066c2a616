"""cxrlens: chest radiograph classification with an honest measure of it. Research software, not a medical device."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from cxrlens.serving.predictor import Predictor

__version__ = "0.3.0"

RESEARCH_ONLY = "Research software, not a medical device: not for diagnosis or for decisions about patients."

SYNTHETIC_NOTE = "SYNTHETIC radiographs: nothing here is about patients"
"""What every figure of synthetic pictures says."""


def load(model: str | PathLike[str], *, engine: str = "onnxruntime", threads: int = 0) -> Predictor:
    """An exported model, ready to judge images: ``cxrlens.load("run/export")("film.png").label``.

    Args:
        model: the folder that ``cxrlens export`` wrote; every file's hash is checked.
        engine: ``onnxruntime``, or ``openvino-int8`` where the folder holds the quantised network.
        threads: for one pass; 0 takes one for each core this process may use.

    Returns:
        Called with a path, the bytes of a file, a Pillow image or an array, it gives a
        :class:`cxrlens.serving.prediction.Prediction`.

    Raises:
        ModelError: no exported model, or one that is incomplete, altered or of another version.
        OptionError: an engine that is unknown, not installed, or not in the folder.
    """
    # By name, so that 'import cxrlens' costs nothing and no lower layer seems to know of serving.
    predictor = importlib.import_module("cxrlens.serving.predictor")
    loaded: Predictor = predictor.load_predictor(model, engine=engine, threads=threads)
    return loaded
