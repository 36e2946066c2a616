"""Which heat-maps an exported network has: names of layers, as ``explain`` writes them, and the graph's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrlens.errors import OptionError

DEEPEST = "deepest"
"""Another name for the first of a model's layers, whatever its own is; the only one of exports that name no layers."""

MAPS = "class_maps"
"""The graph's output for the deepest layer; those of the others begin with it."""

GRAD_CAM, HIRES_CAM = "Grad-CAM", "HiRes-CAM"


@dataclass(frozen=True, slots=True)
class LayerMaps:
    """Maps of every class that can be asked for.

    Args:
        name: of the layer in ``network`` (``features.block4``), and of the method where it is not Grad-CAM.
        output: of the graph, (B, K, h, w) float32, 0 or more.
        method: :data:`GRAD_CAM` or :data:`HIRES_CAM`.
    """

    name: str
    output: str
    method: str = GRAD_CAM

    @property
    def layer(self) -> str:
        """The layer's name alone."""
        return self.name.removesuffix(f" ({HIRES_CAM})")

    def to_dict(self) -> dict[str, str]:
        """For the graph's metadata."""
        return {"name": self.name, "output": self.output, "method": self.method}


def hires_of(layer: str) -> LayerMaps:
    """HiRes-CAM of a layer, whose maps are named after both."""
    return LayerMaps(f"{layer} ({HIRES_CAM})", f"{MAPS}_hires", HIRES_CAM)


def from_told(told: Mapping[str, Any]) -> tuple[LayerMaps, ...]:
    """What the metadata of ``model.onnx`` says, the deepest layer first; an old export has that one only.

    Raises:
        KeyError, TypeError: garbled.
    """
    if told["no_class_maps"]:
        return ()
    named = told.get("layers")
    if named is None:
        return (LayerMaps(DEEPEST, MAPS),)
    return tuple(LayerMaps(str(each["name"]), str(each["output"]), str(each["method"])) for each in named)


def chosen(known: Sequence[LayerMaps], layer: str | None) -> LayerMaps:
    """The maps of that name; the first for ``None`` and for :data:`DEEPEST`. ``known`` holds one at least.

    Raises:
        OptionError: an unknown name.
    """
    if layer is None or layer == DEEPEST:
        return known[0]
    for each in known:
        if each.name == layer:
            return each
    names = ", ".join(f"'{each.name}'" for each in known)
    older = ", or export the run again: this model is of a version without further layers"
    remedy = f"use one of {names}{older if known[0].name == DEEPEST else ''}"
    raise OptionError(f"layer '{layer}'", "is none of this model's", remedy)
