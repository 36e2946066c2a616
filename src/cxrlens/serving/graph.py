"""From torch to ONNX: the trained network with what serving wants to see of it, and the gate's own network."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache

import onnx
import torch
from torch import Tensor, nn

from cxrlens import RESEARCH_ONLY
from cxrlens.gate.look import SIDE
from cxrlens.gate.network import GateNetwork
from cxrlens.lungs.frames import SIDE as LUNGS_SIDE
from cxrlens.lungs.weights import load_segmenter, weights_hash
from cxrlens.model import LoadedModel, cam_layers
from cxrlens.model.network import head_name
from cxrlens.serving.class_maps import add_class_maps
from cxrlens.serving.layers import MAPS, LayerMaps, hires_of
from cxrlens.serving.lungs import OUTPUT as LUNGS_OUTPUT

OPSET = 18
"""Version of ONNX's operators: read by every onnxruntime since 1.14 (2023)."""

INPUT = "pixels"
"""Name of the only input: (B, 1, S, S) float32 in [0, 1]."""

OUTPUTS = ("logits", "penultimate", "deep", "activations")
"""(B, K); (B, D) input of the last dense layer; (B, C) means over place and (B, C, h, w) of the deepest block."""


@dataclass(frozen=True)
class ModelGraph:
    """A network as ONNX.

    Args:
        proto: with :data:`OUTPUTS`, and the maps of the deepest layer.
        layers: the same network with the other maps for outputs; ``None`` where there are none.
        maps: all heat-maps, the deepest layer's first.
        no_maps: why there are none; blank where there are.
        left_out: by name, why the maps of a further layer are not among them.
    """

    proto: onnx.ModelProto
    layers: onnx.ModelProto | None
    maps: tuple[LayerMaps, ...]
    no_maps: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)


class _Watched(nn.Module):
    """The network, with what its last dense layer sees and what its convolutional blocks give."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        # Loaded networks keep their channels last, and a mean over place is then exported as a copy by strides, which
        # has no gradient: a copy in plain order is exported.
        self.module = deepcopy(model.module).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._last = [self.module.get_submodule(head_name(self.module))]  # in lists, so as not to be counted twice
        self._blocks = [block for _, block in reversed(cam_layers(self.module))]

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The tensors of :data:`OUTPUTS`, then (B, C, h, w) of the further blocks, deep to shallow."""
        seen: dict[nn.Module | str, Tensor] = {}

        def before(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen["penultimate"] = inputs[0].flatten(1)

        def after(block: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
            seen[block] = output

        hooks = [
            self._last[0].register_forward_pre_hook(before),
            *(block.register_forward_hook(after) for block in self._blocks),
        ]
        try:
            logits = self.module(pixels)
        finally:
            for hook in hooks:
                hook.remove()
        activations, *others = (seen[block] for block in self._blocks)
        return logits, seen["penultimate"], activations.mean(dim=(2, 3)), activations, *others


class _Segmenter(nn.Module):
    """The segmenter with the last step that its users take, from logits to probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network)  # the loaded one is kept and shared

    def forward(self, pixels: Tensor) -> Tensor:
        """Probabilities of lung."""
        return torch.sigmoid(self.network(pixels))


def model_graph(model: LoadedModel) -> ModelGraph:
    """The network as ONNX, with Grad-CAM of every class at each layer of :func:`cxrlens.model.cam_layers` that can be
    differentiated, and HiRes-CAM at the deepest. Names of layers are those that ``explain`` writes.

    The further maps have a graph of their own: onnxruntime runs all of a graph, whatever outputs are asked for, and
    they cost more than the network itself.
    """
    names = [name.removeprefix("network.") for name, _ in reversed(cam_layers(model.module))]
    further = [f"block {name}" for name in names[1:]]
    graph = _exported(_Watched(model).eval(), (2, 1, model.size, model.size), (*OUTPUTS, *further))
    for output in [output for output in graph.graph.output if output.name in further]:
        graph.graph.output.remove(output)  # its name stays, and so does the tensor
    first = [(LayerMaps(names[0], MAPS), "activations")]
    others = [(LayerMaps(name, f"{MAPS}_{name}"), tensor) for name, tensor in zip(names[1:], further, strict=True)]
    others += [(hires_of(names[0]), "activations")]
    layers = onnx.ModelProto()
    layers.CopyFrom(graph)
    faults = {**add_class_maps(graph, first, "logits"), **add_class_maps(layers, others, "logits")}
    left_out = {name: f"there is no exact gradient for {fault}" for name, fault in faults.items()}
    onnx.checker.check_model(graph)
    if names[0] in left_out:  # then there is none for what lies further from the classes
        return ModelGraph(graph, None, (), left_out[names[0]])
    for output in [output for output in layers.graph.output if output.name in OUTPUTS]:
        layers.graph.output.remove(output)
    maps = tuple(each for each, _ in (*first, *others) if each.name not in left_out)
    return ModelGraph(graph, layers if len(maps) > 1 else None, maps, left_out=left_out)


def gate_graph(network: GateNetwork) -> onnx.ModelProto:
    """The gate's network as ONNX: ``pixels`` (B, 1, 64, 64) float32 in [0, 1] to ``logits`` (B, 17)."""
    return _exported(network.eval(), (2, 1, SIDE, SIDE), ("logits",))


@cache
def lungs_graph() -> bytes:
    """The lung segmenter as ONNX: ``pixels`` (B, 1, 128, 128) float32 in [0, 255] to ``lungs``, probabilities.

    It is the same for every model, so it is made once a process.

    Raises:
        LungWeightsError: this installation lacks the segmenter's weights, or they are damaged.
    """
    graph = _exported(_Segmenter(load_segmenter()).eval(), (2, 1, LUNGS_SIDE, LUNGS_SIDE), (LUNGS_OUTPUT,))
    set_metadata(graph, {"weights_sha256": weights_hash(), "notice": RESEARCH_ONLY})
    data: bytes = graph.SerializeToString()
    return data


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
