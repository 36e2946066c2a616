"""Grad-CAM and HiRes-CAM inside an ONNX graph: the backward pass from the logits to feature maps, as further nodes.

Grad-CAM (Selvaraju et al., ICCV 2017, eq. 1 and 2) weighs each channel by the mean over place of the gradient of a
class's logit; HiRes-CAM (Draelos and Carin 2020) multiplies place by place. Both are exact here: each operator between
the feature map and the logits has a rule (``gradients.py``, ``gradients_of_windows.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from cxrlens.serving import gradients, gradients_of_windows
from cxrlens.serving.backward import PREFIX, Backward, UnknownOperatorError
from cxrlens.serving.gradients_of_windows import keeps_the_sum, mean_through_pooling
from cxrlens.serving.layers import HIRES_CAM, MAPS, LayerMaps

OUTPUT = MAPS
"""(B, K, h, w) float32, 0 or more: Grad-CAM of every class at the resolution of the deepest feature map."""


def add_class_maps(
    model: onnx.ModelProto, wanted: Sequence[tuple[LayerMaps, str]], logits: str
) -> dict[str, UnknownOperatorError]:
    """Add outputs for the maps of some layers to a graph.

    Args:
        model: changed in place; batch is the first dimension of every tensor, all others are fixed.
        wanted: what the maps are called, and the tensor (B, C, h, w) whose channels are weighed.
        logits: name of the tensor (B, K) that is differentiated.

    Returns:
        By name, why maps were left out: something between their layer and the logits has no rule.
    """
    backward = Backward(model, logits, {**gradients.RULES, **gradients_of_windows.RULES})
    left_out: dict[str, UnknownOperatorError] = {}
    made: list[onnx.ValueInfoProto] = []
    for maps, tensor in wanted:
        try:
            last = _hires_cam(backward, tensor) if maps.method == HIRES_CAM else _grad_cam(backward, tensor)
        except UnknownOperatorError as error:
            left_out[maps.name] = error
            continue
        backward.nodes.append(helper.make_node("Relu", [last], [maps.output], name=f"{PREFIX}last{len(made)}"))
        shape: list[str | int | None] = ["batch", backward.classes, *backward.shape(tensor)[1:]]
        made.append(helper.make_tensor_value_info(maps.output, TensorProto.FLOAT, shape))
    nodes, constants = backward.needed([each.name for each in made])
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    model.graph.output.extend(made)
    return left_out


def _grad_cam(backward: Backward, tensor: str) -> str:
    """(B, K, h, w), before its negative part is cut."""
    C, h, w = backward.shape(tensor)
    weights = _mean_gradient(backward, tensor)
    columns = backward.node("Reshape", tensor, backward.constant([0, C, h * w]))
    summed = backward.node("MatMul", weights, columns)
    return backward.node("Reshape", summed, backward.constant([0, backward.classes, h, w]))


def _mean_gradient(backward: Backward, tensor: str) -> str:
    """(B or 1, K, C) mean over place of the gradient of every logit."""
    consumers = backward.consumers(tensor)
    pooled = [node for node in consumers if keeps_the_sum(node)]
    skipped = frozenset(node.output[0] for node in pooled)
    backward.sweep(tensor, without=skipped)
    found = [mean_through_pooling(backward, node, backward.gradient(node.output[0])) for node in pooled]
    if len(pooled) < len(consumers):
        rest = backward.gradient(tensor, without=skipped)
        found.append(backward.node("ReduceMean", rest, backward.constant([3, 4]), keepdims=0))
    total = found[0]
    for more in found[1:]:
        total = backward.node("Add", total, more)
    return total


def _hires_cam(backward: Backward, tensor: str) -> str:
    """(B, K, h, w), before its negative part is cut."""
    backward.sweep(tensor)
    product = backward.node("Mul", backward.gradient(tensor), backward.beside(tensor))
    return backward.node("ReduceSum", product, backward.constant([2]), keepdims=0)
