"""The backward pass of an ONNX graph as further nodes: gradients of all logits at once.

For K classes the gradient of a tensor (B, …) is (B, K, …). Its first dimension is 1 where it is the same for every
image, and its last two are 1 where it is the same for every place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

PREFIX = "class_maps/"
"""What the name of every node and constant made here begins with."""


class UnknownOperatorError(Exception):
    """An operator between a feature map and the logits whose gradient is not known here."""


@dataclass
class Backward:
    """Nodes of the backward pass as they come to be.

    Args:
        model: batch is the first dimension of every tensor, all others are fixed; not changed.
        logits: name of the tensor (B, K) that is differentiated.
        rules: by operator.
    """

    model: onnx.ModelProto
    logits: str
    rules: Mapping[str, Rule]
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        graph = onnx.shape_inference.infer_shapes(self.model).graph
        infos = [*graph.input, *graph.value_info, *graph.output]
        self._shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim][1:] for i in infos}
        self._values = {i.name: i for i in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant":
                self._values[node.output[0]] = node.attribute[0].t
        self.classes = self.shape(self.logits)[0]
        self._parts: dict[str, dict[str, list[str]]] = {}  # of a tensor's gradient, by the node that they come from
        self._done: set[str] = set()  # nodes, by their output
        self._gradients = {self.logits: self.constant(np.eye(self.classes)[None])}

    def shape(self, tensor: str) -> list[int]:
        """All dimensions but the batch."""
        if 0 in self._shapes.get(tensor, [0]):
            raise UnknownOperatorError(f"a tensor of unknown shape ({tensor})")
        return self._shapes[tensor]

    def is_constant(self, tensor: str) -> bool:
        """Whether it is the same whatever the pixels are."""
        return tensor in self._values

    def value(self, tensor: str) -> NDArray[Any]:
        """Of a constant."""
        if tensor not in self._values:
            raise UnknownOperatorError(f"a computed tensor where a constant was expected ({tensor})")
        return numpy_helper.to_array(self._values[tensor])

    def constant(self, value: object) -> str:
        """A new constant's name; integers are int64, the rest float32."""
        array = np.asarray(value)
        array = array.astype(np.int64 if array.dtype.kind in "iu" else np.float32)
        name = f"{PREFIX}constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A new node's only output."""
        return self.node_of_two(operator, *inputs, outputs=1, **attributes)[0]

    def node_of_two(self, operator: str, *inputs: str, outputs: int = 2, **attributes: Any) -> list[str]:
        """A new node's outputs."""
        name = f"{PREFIX}{operator}{len(self.nodes)}"
        names = [name, *(f"{name}.{i}" for i in range(1, outputs))]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=name, **attributes))
        return names

    def beside(self, tensor: str) -> str:
        """(B, …) of the forward pass as (B, 1, …), to be multiplied with a gradient."""
        return self.node("Unsqueeze", tensor, self.constant([1]))

    def at_every_place(self, gradient: str, tensor: str) -> str:
        """A gradient of a tensor with all its places, also where it is the same at each; the batch may still be 1."""
        return self.node("Expand", gradient, self.constant([1, self.classes, *self.shape(tensor)]))

    def consumers(self, tensor: str) -> list[NodeProto]:
        """Nodes that take a tensor and from which there is a way to the logits."""
        return [node for node in self._between(tensor) if tensor in node.input]

    def sweep(self, tensor: str, without: frozenset[str] = frozenset()) -> None:
        """Differentiate everything that lies between a tensor and the logits and was not yet.

        Args:
            tensor: of the forward pass.
            without: first outputs of nodes that are left for later.

        Raises:
            UnknownOperatorError: something has no rule; what was differentiated before it stays.
        """
        for node in reversed(self._between(tensor)):
            if node.output[0] in self._done or node.output[0] in without:
                continue
            if node.op_type not in self.rules:
                raise UnknownOperatorError(f"{node.op_type} between a feature map and the classes")
            for given, part in self.rules[node.op_type](self, node, self.gradient(node.output[0])):
                if not self.is_constant(given):
                    self._parts.setdefault(given, {}).setdefault(node.output[0], []).append(part)
            self._done.add(node.output[0])

    def gradient(self, tensor: str, without: frozenset[str] = frozenset()) -> str:
        """The gradient of a tensor down to which all was swept; ``without`` what comes from the nodes of these first
        outputs."""
        if not without and tensor in self._gradients:
            return self._gradients[tensor]
        parts = [part for node, some in self._parts.get(tensor, {}).items() if node not in without for part in some]
        if not parts:
            raise UnknownOperatorError(f"a way to the classes by another output than a node's first ({tensor})")
        total = parts[0]
        for part in parts[1:]:
            total = self.node("Add", total, part)
        if not without:
            self._gradients[tensor] = total
        return total

    def needed(self, outputs: list[str]) -> tuple[list[NodeProto], list[TensorProto]]:
        """The nodes, in order, and constants that these tensors need."""
        wanted, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                nodes.append(node)
        return nodes[::-1], [each for each in self.constants if each.name in wanted]

    def _between(self, tensor: str) -> list[NodeProto]:
        """Nodes on a way from a tensor to the logits, in the graph's order, which is topological."""
        after, ahead = {tensor}, []
        for node in self.model.graph.node:
            if after.intersection(node.input):
                after.update(node.output)
                ahead.append(node)
        needed, between = {self.logits}, []
        for node in reversed(ahead):
            if needed.intersection(node.output):
                needed.update(node.input)
                between.append(node)
        if not between or tensor not in needed:
            raise UnknownOperatorError("no way from the feature map to the classes")
        return between[::-1]


Rule = Callable[[Backward, NodeProto, str], list[tuple[str, str]]]
"""A node and the gradient of its (first) output, to the gradient of each input."""


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """An attribute's value."""
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)
