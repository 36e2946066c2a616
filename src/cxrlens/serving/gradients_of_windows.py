"""Gradients of operators that slide a window over the places, or take the whole map: convolution and pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from cxrlens.serving.backward import Backward, Rule, UnknownOperatorError, attribute

Parts = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Window:
    """How a window slides; each pair is (rows, columns). ``start`` and ``end`` are the padding."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    start: tuple[int, int]
    end: tuple[int, int]

    @classmethod
    def of(cls, node: NodeProto, kernel: tuple[int, ...] = ()) -> _Window:
        """As the node says; ``kernel`` where it is the weights that say it."""
        if attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
            raise UnknownOperatorError(f"{node.op_type} that pads by itself")
        shape = list(kernel) or list(attribute(node, "kernel_shape", []))
        if len(shape) != 2:
            raise UnknownOperatorError(f"{node.op_type} over {len(shape)} dimensions")
        pads = list(attribute(node, "pads", [0] * 4))
        strides, dilations = (list(attribute(node, name, [1, 1])) for name in ("strides", "dilations"))
        pairs = (shape, strides, dilations, pads[:2], pads[2:])
        return cls(*((int(a), int(b)) for a, b in pairs))

    @property
    def reach(self) -> tuple[int, int]:
        """Of the kernel, with the gaps of its dilation."""
        rows, columns = ((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))
        return rows, columns


def _spread(at: Backward, gradient: str, weights: str, window: _Window, sides: list[list[int]], group: int = 1) -> str:
    """The transposed convolution: (n, C, h', w') gradients of outputs to (n, C', h, w) of inputs.

    Args:
        sides: (h, w) of the input, and (h', w') of the output.
    """
    more, end = [0, 0], list(window.end)
    for i in range(2):
        side, out = sides[0][i], sides[1][i]
        covered = window.strides[i] * (out - 1) + window.reach[i] - window.start[i] - window.end[i]
        more[i] = max(0, side - covered)  # rows and columns that no window reached, where the stride leaves a rest
        end[i] += max(0, covered - side)  # a last window that hangs over the edge
    return at.node(
        "ConvTranspose",
        gradient,
        weights,
        group=group,
        strides=window.strides,
        dilations=window.dilations,
        kernel_shape=window.kernel,
        pads=[*window.start, *end],
        output_padding=more,
    )


def _convolution(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """A convolution's gradient is the transposed convolution with the same weights."""
    window = _Window.of(node, at.value(node.input[1]).shape[2:])
    given, made = at.shape(node.input[0]), at.shape(node.output[0])
    folded = at.node("Reshape", at.at_every_place(gradient, node.output[0]), at.constant([-1, *made]))
    group = int(attribute(node, "group", 1))
    back = _spread(at, folded, node.input[1], window, [given[1:], made[1:]], group)
    return [(node.input[0], at.node("Reshape", back, at.constant([-1, at.classes, *given])))]


def _largest(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """Max-pooling hands each gradient on to the place of the maximum, the first of several, as torch does.

    The pooling is done again for its places: asked of the forward pass, they would slow down every prediction.
    """
    window = _Window.of(node)
    if window.kernel == (1, 1) and window.strides == (1, 1):
        return [(node.input[0], gradient)]
    C, h, w = at.shape(node.input[0])
    _, rows, columns = at.shape(node.output[0])
    K, cells = at.classes, rows * columns
    keep = {name: attribute(node, name, None) for name in ("kernel_shape", "strides", "pads", "dilations", "ceil_mode")}
    keep = {name: value for name, value in keep.items() if value is not None}
    _, places = at.node_of_two("MaxPool", node.input[0], **keep)
    within = at.node("Mod", places, at.constant(h * w))  # ONNX counts through the whole batch
    lined = at.node("Reshape", within, at.constant([0, 1, C, cells]))
    index = at.node("Expand", lined, at.constant([1, K, 1, 1]))  # (B, K, C, cells)
    full = at.node("Reshape", at.at_every_place(gradient, node.output[0]), at.constant([0, K, C, cells]))
    full = at.node("Expand", full, at.node("Shape", index))
    sides = at.node("Concat", at.node("Shape", index, start=0, end=1), at.constant([K, C, h * w]), axis=0)
    nothing = at.node("Expand", at.constant([[[[0.0]]]]), sides)
    # One place may be the largest of several windows where they overlap.
    scattered = at.node("ScatterElements", nothing, index, full, axis=3, reduction="add")
    return [(node.input[0], at.node("Reshape", scattered, at.constant([0, K, C, h, w])))]


def _average(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """Average pooling hands each gradient on in equal parts to all places of its window."""
    if _is_whole(at, node):
        return _mean(at, node, gradient)
    window = _Window.of(node)
    given, made = at.shape(node.input[0]), at.shape(node.output[0])
    shares = at.constant(1.0 / _counts(node, window, given[1:], made[1:]))
    full = at.node("Mul", at.at_every_place(gradient, node.output[0]), shares)
    folded = at.node("Reshape", full, at.constant([-1, 1, *made[1:]]))
    back = _spread(at, folded, at.constant(np.ones((1, 1, *window.kernel))), window, [given[1:], made[1:]])
    return [(node.input[0], at.node("Reshape", back, at.constant([-1, at.classes, *given])))]


def _counts(node: NodeProto, window: _Window, given: list[int], made: list[int]) -> NDArray[np.float64]:
    """(h', w') how many places each window's mean is over."""
    padded = bool(attribute(node, "count_include_pad", 0))
    along = []
    for i in range(2):
        first = np.arange(made[i]) * window.strides[i] - window.start[i]
        last = np.minimum(first + window.kernel[i], given[i] + (window.end[i] if padded else 0))
        along.append(last - (first if padded else np.maximum(first, 0)))
    return np.outer(along[0], along[1]).astype(np.float64)


def _mean(at: Backward, node: NodeProto, gradient: str) -> Parts:
    """ReduceMean over both places, and pooling of the whole map: every place gets the same share."""
    if not _is_whole(at, node):
        raise UnknownOperatorError(f"{node.op_type} over a part of the map")
    C, h, w = at.shape(node.input[0])
    placed = at.node("Reshape", gradient, at.constant([0, at.classes, C, 1, 1]))
    return [(node.input[0], at.node("Mul", placed, at.constant(1.0 / (h * w))))]


def _is_whole(at: Backward, node: NodeProto) -> bool:
    shape = at.shape(node.input[0])
    if len(shape) != 3:
        return False
    if node.op_type == "ReduceMean":
        axes = at.value(node.input[1]).tolist() if len(node.input) > 1 else list(attribute(node, "axes", []))
        return {axis % 4 for axis in axes} == {2, 3}
    whole = node.op_type == "GlobalAveragePool" or list(attribute(node, "kernel_shape", [])) == shape[1:]
    return whole and not any(attribute(node, "pads", []))


def keeps_the_sum(node: NodeProto) -> bool:
    """Pooling whose outputs hand their gradients on whole, to the largest value or in equal parts."""
    return node.op_type == "MaxPool" or (node.op_type == "AveragePool" and not any(attribute(node, "pads", [])))


def mean_through_pooling(at: Backward, node: NodeProto, gradient: str) -> str:
    """(B or 1, K, C) mean over place of the gradient of the map that is pooled, where :func:`keeps_the_sum`: Grad-CAM
    of that map asks for no more, and no place has to be found."""
    _, h, w = at.shape(node.input[0])
    summed = at.node("ReduceSum", at.at_every_place(gradient, node.output[0]), at.constant([3, 4]), keepdims=0)
    return at.node("Mul", summed, at.constant(1.0 / (h * w)))


RULES: dict[str, Rule] = {
    "Conv": _convolution,
    "MaxPool": _largest,
    "AveragePool": _average,
    "GlobalAveragePool": _mean,
    "ReduceMean": _mean,
}
