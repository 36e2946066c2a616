"""From torch to ONNX: the trained network with what serving wants to see of it, and the gate's own network."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence

import onnx
import torch
from torch import Tensor, nn

from cxrlens.gate.look import SIDE
from cxrlens.gate.network import GateNetwork
from cxrlens.model import LoadedModel, cam_layers
from cxrlens.model.network import head_name
from cxrlens.serving.class_maps import UnknownOperatorError, add_class_maps

OPSET = 18
"""Version of ONNX's operators: read by every onnxruntime since 1.14 (2023)."""

INPUT = "pixels"
"""Name of the only input: (B, 1, S, S) float32 in [0, 1]."""

OUTPUTS = ("logits", "penultimate", "deep", "activations")
"""(B, K); (B, D) input of the last dense layer; (B, C) means over place and (B, C, h, w) of the deepest block."""


class _Watched(nn.Module):
    """The network, with what its last dense layer sees and what its deepest convolutional block gives."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.module = model.module
        self._last = [model.module.get_submodule(head_name(model.module))]  # in lists, so as not to be counted twice
        self._deepest = [cam_layers(model.module)[-1][1]]

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The tensors of :data:`OUTPUTS`."""
        seen: dict[str, Tensor] = {}

        def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen["penultimate"] = inputs[0].flatten(1)

        def after(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
            seen["activations"] = output

        hooks = [
            self._last[0].register_forward_pre_hook(before),
            self._deepest[0].register_forward_hook(after),
        ]
        try:
            logits = self.module(pixels)
        finally:
            for hook in hooks:
                hook.remove()
        return logits, seen["penultimate"], seen["activations"].mean(dim=(2, 3)), seen["activations"]


def model_graph(model: LoadedModel) -> tuple[onnx.ModelProto, str]:
    """The network as ONNX with :data:`OUTPUTS`, and Grad-CAM of every class where its head can be differentiated.

    Returns:
        The graph, and why it has no Grad-CAM; blank where it has.
    """
    graph = _exported(_Watched(model).eval(), (2, 1, model.size, model.size), OUTPUTS)
    without = ""
    try:
        add_class_maps(graph, "activations", "logits")
    except UnknownOperatorError as error:
        without = f"there is no exact gradient for {error}"
    onnx.checker.check_model(graph)
    return graph, without


def gate_graph(network: GateNetwork) -> onnx.ModelProto:
    """The gate's network as ONNX: ``pixels`` (B, 1, 64, 64) float32 in [0, 1] to ``logits`` (B, 17)."""
    return _exported(network.eval(), (2, 1, SIDE, SIDE), ("logits",))


def set_metadata(graph: onnx.ModelProto, values: Mapping[str, str]) -> None:
    """Replace the graph's metadata; what the exporter left there (paths of this machine's files among it) goes."""
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, dict(values))
    graph.doc_string = ""
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output, *graph.graph.value_info, *graph.graph.initializer):
        del value.metadata_props[:]


def _exported(module: nn.Module, shape: tuple[int, ...], outputs: Sequence[str]) -> onnx.ModelProto:
    """Any batch; batch normalisation is folded into the convolutions by the exporter."""
    with _quietly():
        program = torch.onnx.export(
            module,
            (torch.zeros(shape),),
            input_names=[INPUT],
            output_names=list(outputs),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    graph: onnx.ModelProto = program.model_proto
    return graph


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The exporter tells of packages that it would have liked and of its own progress; its errors are exceptions."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
