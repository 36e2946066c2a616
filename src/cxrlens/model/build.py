"""Networks by name."""

from __future__ import annotations

import difflib
from pathlib import Path

from torch import nn

from cxrlens.errors import OptionError
from cxrlens.model.compact import Compact
from cxrlens.model.initial_weights import load_initial_weights
from cxrlens.model.network import Classifier
from cxrlens.model.plain import Plain
from cxrlens.model.zoo import TIMM_PREFIX, monai_network, timm_network

MODELS: dict[str, str] = {
    "plain": "the CNN of the original document: 6 convolutions, max-pooling, dense layers; 1.0 M parameters",
    "compact": "own residual network for CPUs; 0.9 M parameters",
    "densenet121": "DenseNet-121 (Huang 2017), the usual network for chest radiographs; 7 M parameters; extra zoo",
    "densenet169": "DenseNet-169 (Huang 2017); 12 M parameters; extra zoo",
    "resnet18": "ResNet-18 (He 2016); 11 M parameters; extra zoo",
    "resnet50": "ResNet-50 (He 2016); 24 M parameters; extra zoo",
    "seresnet50": "ResNet-50 with squeeze and excitation (Hu 2018); 26 M parameters; extra zoo",
    "efficientnet-b0": "EfficientNet-B0 (Tan 2019); 4 M parameters; extra zoo",
}
"""Names and what they are. Besides these, ``timm:NAME`` takes any network of timm's (extra ``timm``)."""

SMALLEST, LARGEST = 64, 1024


def build_model(name: str, *, classes: int = 4, size: int = 128, weights: Path | None = None) -> Classifier:
    """A network of the zoo, freshly initialised from torch's global generator, or from a file.

    Args:
        name: a key of :data:`MODELS`, or ``timm:NAME``.
        classes: outputs, at least 2.
        size: side of the input in pixels, 64 to 1024.
        weights: a safetensors file to start from; its last layer is left out where it has another number of classes.

    Returns:
        (B, 1, size, size) float32 in [0, 1] to (B, classes) logits.

    Raises:
        OptionError: unknown name, a missing extra, an impossible size, or weights that do not fit.
    """
    if not SMALLEST <= size <= LARGEST:
        raise OptionError(f"size {size}", "is no side of an input", f"choose {SMALLEST} to {LARGEST} pixels")
    if classes < 2:
        raise OptionError(f"classes {classes}", "are too few to tell apart", "choose 2 or more")
    model = Classifier(_network(name, classes, size), name=name, classes=classes, size=size)
    if weights is not None:
        load_initial_weights(model, weights)
    return model


def _network(name: str, classes: int, size: int) -> nn.Module:
    if name == "plain":
        return Plain(classes, size)
    if name == "compact":
        return Compact(classes)
    if name.startswith(TIMM_PREFIX):
        return timm_network(name, classes, size)
    if name in MODELS:
        return monai_network(name, classes)
    close = difflib.get_close_matches(name, MODELS, n=3, cutoff=0.4)
    known = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(MODELS)} or timm:NAME"
    raise OptionError(f"model '{name}'", "is not known", known)
