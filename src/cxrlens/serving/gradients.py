"""Gradients of operators that act on each place alone, on all places at once, or on features: a rule for each."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from cxrlens.serving.backward import Backward, Rule, UnknownOperatorError, attribute

Parts = list[tuple[str, str]]


def _same(at: Backward, node: NodeProto, gradient: str) -> Parts:
    del at
    return [(node.input[0], gradient)]


def _dense(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """y = α x W (+ b) of Gemm and of MatMul."""
    if not at.is_constant(node.input[1]) or attribute(node, "transA", 0):
        raise UnknownOperatorError(f"{node.op_type} of two computed tensors")
    straight = node.op_type == "Gemm" and attribute(node, "transB", 0) and attribute(node, "alpha", 1.0) == 1.0
    if straight:
        return [(node.input[0], at.node("MatMul", gradient, node.input[1]))]
    weight = at.value(node.input[1]) * np.float32(attribute(node, "alpha", 1.0))
    across = weight if attribute(node, "transB", 0) else weight.T
    return [(node.input[0], at.node("MatMul", gradient, at.constant(across)))]


def _relu(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """Nothing at 0, as in torch."""
    on = at.node("Sign", at.beside(node.output[0]))
    return [(node.input[0], at.node("Mul", gradient, on))]


def _sigmoid(at: Backward, node: NodeProto, gradient: str) -> Parts:
    risen = at.beside(node.output[0])
    slope = at.node("Mul", risen, at.node("Sub", at.constant(1.0), risen))
    return [(node.input[0], at.node("Mul", gradient, slope))]


def _reshaped(at: Backward, node: NodeProto, gradient: str) -> Parts:
    full = at.at_every_place(gradient, node.output[0])
    shape = [0, at.classes, *at.shape(node.input[0])]
    return [(node.input[0], at.node("Reshape", full, at.constant(shape)))]


def _product(at: Backward, node: NodeProto, gradient: str) -> Parts:
    one, other = node.input
    if at.is_constant(one) or at.is_constant(other):
        variable, constant = (other, one) if at.is_constant(one) else (one, other)
        if at.shape(variable) != at.shape(node.output[0]):
            raise UnknownOperatorError("Mul with a constant that is larger")
        factor = at.value(constant)
        if factor.ndim == len(at.shape(variable)) + 1:  # has a batch dimension: make room for the classes
            factor = factor[:, None]
        return [(variable, at.node("Mul", gradient, at.constant(factor)))]
    return [
        (given, _summed(at, at.node("Mul", gradient, at.beside(factor)), given, node.output[0]))
        for given, factor in ((one, other), (other, one))
    ]


def _summed(at: Backward, gradient: str, given: str, output: str) -> str:
    """What was broadcast in the forward pass is summed here: the scales of squeeze and excitation."""
    small, large = at.shape(given), at.shape(output)
    if len(small) != len(large):
        raise UnknownOperatorError("Mul of two shapes")
    axes = [i + 2 for i, (a, b) in enumerate(zip(small, large, strict=True)) if a != b]
    return at.node("ReduceSum", gradient, at.constant(axes), keepdims=1) if axes else gradient


def _sum(at: Backward, node: NodeProto, gradient: str) -> Parts:
    variables = [tensor for tensor in node.input if not at.is_constant(tensor)]
    if len({tuple(at.shape(tensor)) for tensor in [*variables, node.output[0]]}) > 1:
        raise UnknownOperatorError("Add of two shapes")
    return [(tensor, gradient) for tensor in variables]


def _normalised(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """Batch normalisation that could not be folded into a convolution, with the statistics of training."""
    scale, _, _, variance = (at.value(tensor) for tensor in node.input[1:5])
    slope = scale / np.sqrt(variance + np.float32(attribute(node, "epsilon", 1e-5)))
    places = [1] * (len(at.shape(node.input[0])) - 1)
    return [(node.input[0], at.node("Mul", gradient, at.constant(slope.reshape(-1, *places))))]


def _joined(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """Concatenation over channels: each input gets its own slice."""
    if attribute(node, "axis", 1) not in (1, -len(at.shape(node.output[0]))):
        raise UnknownOperatorError("Concat over something else than channels")
    found, start = [], 0
    for tensor in node.input:
        end = start + at.shape(tensor)[0]
        bounds = [at.constant([each]) for each in (start, end, 2)]
        found.append((tensor, at.node("Slice", gradient, *bounds)))
        start = end
    return found


RULES: dict[str, Rule] = {
    "Identity": _same,
    "Dropout": _same,
    "Gemm": _dense,
    "MatMul": _dense,
    "Relu": _relu,
    "Sigmoid": _sigmoid,
    "Reshape": _reshaped,
    "Flatten": _reshaped,
    "Squeeze": _reshaped,
    "Unsqueeze": _reshaped,
    "Mul": _product,
    "Add": _sum,
    "BatchNormalization": _normalised,
    "Concat": _joined,
}
