"""Grad-CAM inside an ONNX graph: the backward pass from the logits to one feature map, written as further nodes.

Grad-CAM (Selvaraju et al., ICCV 2017, eq. 1 and 2) weighs each channel by the mean over place of the gradient of a
class's logit. For all K classes at once that gradient has the shape (B, K, …) of the tensor it belongs to. What lies
between the last convolutional block and the logits is short, and each operator there has a rule of a line or two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

OUTPUT = "class_maps"
"""(B, K, h, w) float32, 0 or more: Grad-CAM of every class at the resolution of the feature map."""


class UnknownOperatorError(Exception):
    """An operator between the feature map and the logits whose gradient is not known here."""


def add_class_maps(model: onnx.ModelProto, activations: str, logits: str) -> None:
    """Add the output :data:`OUTPUT` to a graph.

    Args:
        model: changed in place; batch is the first dimension of every tensor, all others are fixed.
        activations: name of the tensor (B, C, h, w) whose channels are weighed.
        logits: name of the tensor (B, K) that is differentiated.

    Raises:
        UnknownOperatorError: something lies between the two that has no rule.
    """
    backward = _Backward(model)
    C, h, w = backward.shape(activations)
    K = backward.shape(logits)[0]
    weights = backward.weights(activations, logits, K)  # (B or 1, K, C)
    columns = backward.node("Reshape", activations, backward.constant([0, C, h * w]))
    summed = backward.node("MatMul", weights, columns)
    placed = backward.node("Reshape", summed, backward.constant([0, K, h, w]))
    model.graph.node.extend([*backward.nodes, helper.make_node("Relu", [placed], [OUTPUT], name="class_maps/last")])
    model.graph.initializer.extend(backward.constants)
    model.graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", K, h, w]))


@dataclass
class _Backward:
    """Nodes of the backward pass as they come to be. A gradient is (B, K, …), its first dimension 1 where it is the
    same for every image, its last two 1 where it is the same for every place."""

    model: onnx.ModelProto
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    classes: int = 0

    def __post_init__(self) -> None:
        graph = onnx.shape_inference.infer_shapes(self.model).graph
        infos = [*graph.input, *graph.value_info, *graph.output]
        self._shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim][1:] for i in infos}
        self._values = {i.name: i for i in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self._values[node.output[0]] = node.attribute[0].t

    def shape(self, tensor: str) -> list[int]:
        """All dimensions but the batch."""
        if 0 in self._shapes.get(tensor, [0]):
            raise UnknownOperatorError(f"a tensor of unknown shape ({tensor})")
        return self._shapes[tensor]

    def value(self, tensor: str) -> NDArray[Any]:
        """Of a constant."""
        return numpy_helper.to_array(self._values[tensor])

    def constant(self, value: object) -> str:
        """A new constant's name; integers are int64, the rest float32."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        name = f"class_maps/constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A new node's only output."""
        name = f"class_maps/{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def beside(self, tensor: str) -> str:
        """(B, …) of the forward pass as (B, 1, …), to be multiplied with a gradient."""
        return self.node("Unsqueeze", tensor, self.constant([1]))

    def weights(self, activations: str, logits: str, classes: int) -> str:
        """(B or 1, K, C) mean over place of the gradient of every logit."""
        self.classes = classes
        gradients = {logits: self.constant(np.eye(classes)[None])}
        found: list[str] = []
        for node in reversed(self._between(activations, logits)):
            gradient = gradients.pop(node.output[0])
            if node.op_type in _SUM_KEPT and node.input[0] == activations:
                found.append(_through_pooling(self, node, gradient))
                continue
            if node.op_type not in _RULES:
                raise UnknownOperatorError(f"{node.op_type} between the last feature map and the classes")
            for tensor, part in _RULES[node.op_type](self, node, gradient):
                if tensor in self._values:
                    continue
                before = gradients.get(tensor)
                gradients[tensor] = part if before is None else self.node("Add", before, part)
        if activations in gradients:
            found.append(self.node("ReduceMean", gradients[activations], self.constant([3, 4]), keepdims=0))
        total = found[0]
        for more in found[1:]:
            total = self.node("Add", total, more)
        return total

    def _between(self, activations: str, logits: str) -> list[NodeProto]:
        """Nodes on a way from the one to the other, in the graph's order, which is topological."""
        after, ahead = {activations}, []
        for node in self.model.graph.node:
            if after.intersection(node.input):
                after.update(node.output)
                ahead.append(node)
        needed, between = {logits}, []
        for node in reversed(ahead):
            if needed.intersection(node.output):
                needed.update(node.input)
                between.append(node)
        if not between or activations not in needed:
            raise UnknownOperatorError("no way from the feature map to the classes")
        return between[::-1]


Rule = Callable[[_Backward, NodeProto, str], list[tuple[str, str]]]
"""A node and the gradient of its output, to the gradient of each input."""


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _same(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    del at
    return [(node.input[0], gradient)]


def _dense(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    """y = α x W (+ b) of Gemm and of MatMul."""
    if node.input[1] not in at._values or _attribute(node, "transA", 0):
        raise UnknownOperatorError(f"{node.op_type} of two computed tensors")
    straight = node.op_type == "Gemm" and _attribute(node, "transB", 0) and _attribute(node, "alpha", 1.0) == 1.0
    if straight:
        return [(node.input[0], at.node("MatMul", gradient, node.input[1]))]
    weight = at.value(node.input[1]) * np.float32(_attribute(node, "alpha", 1.0))
    across = weight if _attribute(node, "transB", 0) else weight.T
    return [(node.input[0], at.node("MatMul", gradient, at.constant(across)))]


def _relu(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    on = at.node("Sign", at.beside(node.output[0]))
    return [(node.input[0], at.node("Mul", gradient, on))]


def _reshaped(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    shape = [0, at.classes, *at.shape(node.input[0])]
    return [(node.input[0], at.node("Reshape", gradient, at.constant(shape)))]


def _mean(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    """ReduceMean over both places, and pooling of the whole map: every place gets the same share."""
    C, h, w = _whole_map(at, node)
    placed = at.node("Reshape", gradient, at.constant([0, at.classes, C, 1, 1]))
    return [(node.input[0], at.node("Mul", placed, at.constant(1.0 / (h * w))))]


def _whole_map(at: _Backward, node: NodeProto) -> tuple[int, int, int]:
    C, h, w = at.shape(node.input[0])
    if node.op_type == "ReduceMean":
        axes = at.value(node.input[1]).tolist() if len(node.input) > 1 else list(_attribute(node, "axes", []))
        whole = {axis % 4 for axis in axes} == {2, 3}
    else:
        whole = node.op_type == "GlobalAveragePool" or list(_attribute(node, "kernel_shape", [])) == [h, w]
        whole = whole and not any(_attribute(node, "pads", []))
    if not whole:
        raise UnknownOperatorError(f"{node.op_type} over a part of the map")
    return C, h, w


def _through_pooling(at: _Backward, node: NodeProto, gradient: str) -> str:
    """The mean gradient of the map that is pooled. Each output hands its gradient on whole, to the largest value or in
    equal parts, so the sum over place is kept, and Grad-CAM asks for no more than that."""
    _, h, w = at.shape(node.input[0])
    plain = not any(_attribute(node, "pads", [])) and not _attribute(node, "ceil_mode", 0)
    if node.op_type == "AveragePool" and not plain:
        raise UnknownOperatorError("AveragePool that counts padding")
    placed = at.node("Reshape", gradient, at.constant([0, at.classes, *at.shape(node.output[0])]))
    summed = at.node("ReduceSum", placed, at.constant([3, 4]), keepdims=0)
    return at.node("Mul", summed, at.constant(1.0 / (h * w)))


def _product(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    one, other = node.input
    if one in at._values or other in at._values:
        variable, constant = (other, one) if one in at._values else (one, other)
        factor = at.value(constant)
        if factor.ndim == len(at.shape(variable)) + 1:  # has a batch dimension: make room for the classes
            factor = factor[:, None]
        return [(variable, at.node("Mul", gradient, at.constant(factor)))]
    if at.shape(one) != at.shape(other):
        raise UnknownOperatorError("Mul of two shapes")
    return [(one, at.node("Mul", gradient, at.beside(other))), (other, at.node("Mul", gradient, at.beside(one)))]


def _sum(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    variables = [tensor for tensor in node.input if tensor not in at._values]
    if len({tuple(at.shape(tensor)) for tensor in [*variables, node.output[0]]}) > 1:
        raise UnknownOperatorError("Add of two shapes")
    return [(tensor, gradient) for tensor in variables]


def _sigmoid(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    risen = at.beside(node.output[0])
    slope = at.node("Mul", risen, at.node("Sub", at.constant(1.0), risen))
    return [(node.input[0], at.node("Mul", gradient, slope))]


def _convolution(at: _Backward, node: NodeProto, gradient: str) -> list[tuple[str, str]]:
    """A convolution's gradient is the transposed convolution with the same weights."""
    C, h, w = at.shape(node.output[0])
    strides = list(_attribute(node, "strides", [1, 1]))
    if strides != [1, 1] or _attribute(node, "auto_pad", b"NOTSET") != b"NOTSET":
        raise UnknownOperatorError("Conv with a stride")
    full = at.node("Expand", gradient, at.constant([1, at.classes, C, h, w]))
    folded = at.node("Reshape", full, at.constant([-1, C, h, w]))
    keep = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name in ("group", "pads", "dilations")}
    back = at.node("ConvTranspose", folded, node.input[1], **keep)
    return [(node.input[0], at.node("Reshape", back, at.constant([-1, at.classes, *at.shape(node.input[0])])))]


_SUM_KEPT = ("MaxPool", "AveragePool")

_RULES: dict[str, Rule] = {
    "Identity": _same,
    "Dropout": _same,
    "Gemm": _dense,
    "MatMul": _dense,
    "Relu": _relu,
    "Reshape": _reshaped,
    "Flatten": _reshaped,
    "Squeeze": _reshaped,
    "ReduceMean": _mean,
    "GlobalAveragePool": _mean,
    "AveragePool": _mean,
    "Mul": _product,
    "Add": _sum,
    "Sigmoid": _sigmoid,
    "Conv": _convolution,
}
