"""Networks: the plain CNN of the original document, a zoo by name, and trained ones read back from a run folder."""

from cxrlens.model.build import MODELS, build_model
from cxrlens.model.cam_layers import cam_layers
from cxrlens.model.network import Classifier, parameter_count
from cxrlens.model.saved import LoadedModel, load_model, save_model

__all__ = [
    "MODELS",
    "Classifier",
    "LoadedModel",
    "build_model",
    "cam_layers",
    "load_model",
    "parameter_count",
    "save_model",
]
