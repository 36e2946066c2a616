"""Preprocessing: one deterministic path from a radiograph to the network's input, the same in training and serving.

``Preprocessing`` is a value: it is saved with the model as JSON, and its fingerprint names the packed pixels.
"""

from cxrlens.preprocessing.model_input import check_model_input, to_model_input
from cxrlens.preprocessing.pipeline import DEFAULT_PREPROCESSING, Preprocessing
from cxrlens.preprocessing.placement import Placement

__all__ = ["DEFAULT_PREPROCESSING", "Placement", "Preprocessing", "check_model_input", "to_model_input"]
