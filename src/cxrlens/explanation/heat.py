"""One radiograph, one class: what the network says, and where it looked, in the radiograph's own pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cxrlens.errors import OptionError
from cxrlens.explanation.methods import find_method
from cxrlens.model import LoadedModel, cam_layers
from cxrlens.preprocessing import Placement, to_model_input
from cxrlens.radiograph import Radiograph

Heat = NDArray[np.float32]
"""(H, W) float32 in [0, 1] of the original; 1 is the hottest place, 0 is none, or outside what the network saw."""

PIXELS = "pixels"
"""Name of the one map of a method that looks at pixels and not at layers."""


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """What the network says of a radiograph, and where it looked for one class.

    Args:
        probabilities: of each class, adding up to 1.
        predicted: the class with the highest.
        target: the class that the maps explain.
        maps: name of the layer (shallow to deep) or ``pixels`` to its heat (H, W).
        placement: what of the radiograph the network saw.
        frame: (S, S) uint8, the radiograph as the network saw it.
        in_frame: (S, S) float32 in [0, 1], the last map in that frame.
    """

    probabilities: dict[str, float]
    predicted: str
    target: str
    maps: dict[str, Heat]
    placement: Placement
    frame: NDArray[np.uint8]
    in_frame: Heat

    @property
    def deepest(self) -> Heat:
        """The map of the last layer."""
        return self.maps[list(self.maps)[-1]]


def heat_maps(
    model: LoadedModel,
    radiograph: Radiograph,
    method: str = "grad-cam",
    target: str | None = None,
    layers: Sequence[tuple[str, nn.Module]] | None = None,
) -> HeatMaps:
    """Explain one radiograph.

    Args:
        model: a trained network.
        radiograph: as it was read.
        method: a key of :data:`cxrlens.explanation.METHODS`.
        target: the class to explain; the predicted one where ``None``.
        layers: from :func:`choose_layers`; the last convolutional blocks where ``None``.

    Raises:
        OptionError: unknown method or class.
    """
    found = find_method(method)
    if target is not None and target not in model.classes:
        raise OptionError(f"class '{target}'", "is not known", f"use one of {', '.join(model.classes)}")
    device = next(model.module.parameters()).device
    frame = model.preprocessing(radiograph)
    pixels = torch.from_numpy(to_model_input(frame)).to(device)
    with torch.no_grad():
        shares = torch.softmax(model.module(pixels)[0].double(), dim=0).cpu().numpy()
    predicted = model.classes[int(shares.argmax())]
    asked = target or predicted
    chosen = list(layers) if layers is not None else choose_layers(model)
    maps = found.maps(model.module, pixels, model.classes.index(asked), [layer for _, layer in chosen])
    names = [name for name, _ in chosen] if found.by_layer else [PIXELS]
    placement = model.preprocessing.placement(radiograph)
    heats = {name: to_original(m, placement) for name, m in zip(names, maps, strict=True)}
    probabilities = {label: float(p) for label, p in zip(model.classes, shares, strict=True)}
    return HeatMaps(probabilities, predicted, asked, heats, placement, frame, scaled(maps[-1], placement.size))


def choose_layers(model: LoadedModel, names: Sequence[str] | None = None) -> list[tuple[str, nn.Module]]:
    """The last convolutional blocks of the network, or the modules of those names, in the order given.

    Raises:
        OptionError: a name that the network does not have.
    """
    own = cam_layers(model.module)
    if names is None:
        return own
    known = dict(model.module.named_modules())
    unknown = [name for name in names if not name or name not in known]
    if unknown or not names:
        suggestions = ", ".join(name for name, _ in own)
        fault = f"is no layer of {model.name}"
        raise OptionError(
            f"layer '{unknown[0] if unknown else ''}'", fault, f"the last convolutional blocks are {suggestions}"
        )
    return [(name, known[name]) for name in names]


def to_original(small: NDArray[np.float32], placement: Placement) -> Heat:
    """A map (h, w) of the network's frame, carried to the original and scaled so that its top is 1.

    A map that is zero everywhere the radiograph lies (nothing speaks for the class) stays zero.
    """
    heat = np.maximum(placement.to_original(_resized(small, placement.size)), 0.0)
    top = float(heat.max())
    return (heat / top).astype(np.float32) if top > 0 else heat


def scaled(small: NDArray[np.float32], side: int) -> Heat:
    """A map (h, w) at the side of the network's frame (side, side), its top 1; zero everywhere stays so."""
    heat = np.maximum(_resized(small, side), 0.0)
    top = float(heat.max())
    return (heat / top).astype(np.float32) if top > 0 else np.zeros((side, side), dtype=np.float32)


def _resized(small: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    if small.shape == (side, side):
        return small
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
