"""The methods by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cxrlens.errors import OptionError
from cxrlens.explanation import cam, pixelwise

Maps = Callable[[nn.Module, Tensor, int, Sequence[nn.Module]], list[NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to ask a network where it looked.

    Args:
        title: as the literature writes it.
        summary: what it shows, in a line.
        citation: where it was published.
        by_layer: it gives a map for each layer; else one for the pixels.
        maps: (module, pixels (1, 1, S, S), target, layers) to maps (h, w), 0 or more.
    """

    title: str
    summary: str
    citation: str
    by_layer: bool
    maps: Maps


def _cam(formula: cam.Formula) -> Maps:
    def maps(module: nn.Module, pixels: Tensor, target: int, layers: Sequence[nn.Module]) -> list[NDArray[np.float32]]:
        return cam.layer_maps(module, pixels, target, layers, formula)

    return maps


def _integrated_gradients(
    module: nn.Module, pixels: Tensor, target: int, layers: Sequence[nn.Module]
) -> list[NDArray[np.float32]]:
    del layers
    return [pixelwise.magnitude(pixelwise.integrated_gradients(module, pixels, target))]


def _occlusion(
    module: nn.Module, pixels: Tensor, target: int, layers: Sequence[nn.Module]
) -> list[NDArray[np.float32]]:
    del layers
    return [pixelwise.support(pixelwise.occlusion(module, pixels, target))]


METHODS: dict[str, Method] = {
    "grad-cam": Method(
        "Grad-CAM",
        "channels of a layer, weighted by how much they raise the class",
        "Selvaraju et al., ICCV 2017",
        True,
        _cam(cam.grad_cam),
    ),
    "grad-cam++": Method(
        "Grad-CAM++",
        "Grad-CAM with weights by place, for several findings in one image",
        "Chattopadhay et al., WACV 2018",
        True,
        _cam(cam.grad_cam_plus_plus),
    ),
    "hires-cam": Method(
        "HiRes-CAM",
        "activations times gradients place by place, without averaging",
        "Draelos and Carin, 2020",
        True,
        _cam(cam.hires_cam),
    ),
    "integrated-gradients": Method(
        "Integrated gradients",
        "gradients summed on the way from a black image; adds up to the rise of the class",
        "Sundararajan et al., ICML 2017",
        False,
        _integrated_gradients,
    ),
    "occlusion": Method(
        "Occlusion",
        "drop of the class when a square is hidden",
        "Zeiler and Fergus, ECCV 2014",
        False,
        _occlusion,
    ),
}
"""Names that ``--method`` takes."""


def find_method(name: str) -> Method:
    """The method of that name; :class:`OptionError` for an unknown one."""
    if name not in METHODS:
        raise OptionError(f"method '{name}'", "is not known", f"use one of {', '.join(METHODS)}")
    return METHODS[name]
