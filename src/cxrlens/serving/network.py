"""The exported network: pixels to logits, features and maps, in onnxruntime or in OpenVINO, never in torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxrlens.calibrated import Calibration
from cxrlens.cores import usable_cores
from cxrlens.errors import CxrlensError, OptionError
from cxrlens.gate.spaces import SPACES, Features
from cxrlens.preprocessing import Preprocessing, to_model_input
from cxrlens.serving.folder import INT8, LAYERS, MODEL, ModelError, ModelFolder
from cxrlens.serving.layers import MAPS, LayerMaps, chosen, from_told
from cxrlens.serving.risk import RiskCurve

if TYPE_CHECKING:
    import onnxruntime

ENGINES: tuple[str, ...] = ("onnxruntime", "openvino-int8")
"""What runs the network: the graph as exported, or its quantised form where the folder holds one."""

Run = Callable[[Sequence[str], NDArray[np.float32]], list[NDArray[np.float32]]]
"""Names of outputs and (B, 1, S, S) float32 in [0, 1] to those outputs."""


@dataclass(frozen=True)
class Network:
    """A trained network as it travels: what it computes and all that using it needs. Safe to share between threads.

    Args:
        run: computes outputs by name.
        name: the network's name in the zoo.
        classes: names in the order of the logits.
        preprocessing: the very one it was trained with.
        hash: SHA-256 of the trained weights.
        calibration: fitted for these weights; ``None`` where the run was not calibrated.
        measured_on: what the probabilities were measured on, in words.
        no_maps: why there are no maps of the classes; blank where there are.
        maps: the maps that can be asked for, the deepest layer's first; none where :attr:`no_maps` says why.
        further: computes those that ``run`` does not; loaded when it is first asked.
        risks: how often answers so sure were wrong; ``None`` where the export does not say.
    """

    run: Run = field(repr=False)
    name: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    hash: str
    calibration: Calibration | None
    measured_on: str
    no_maps: str = ""
    maps: tuple[LayerMaps, ...] = ()
    further: Run | None = field(default=None, repr=False)
    risks: RiskCurve | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Side of the input in pixels."""
        return self.preprocessing.size

    def __call__(self, pixels: NDArray[np.uint8]) -> Features:
        """Preprocessed pixels (n, S, S) uint8 to logits and features."""
        logits, *spaces = self.run(("logits", *SPACES), to_model_input(pixels))
        named = zip(SPACES, spaces, strict=True)
        return Features(logits.astype(np.float64), {name: values.astype(np.float64) for name, values in named})

    @property
    def layers(self) -> tuple[str, ...]:
        """Names that :meth:`class_maps` takes: the deepest layer, which is the default, then shallower ones, then
        other methods. Empty where the model has no maps."""
        return tuple(each.name for each in self.maps)

    def layer_maps(self, layer: str | None = None) -> LayerMaps:
        """What is meant by a name of :attr:`layers`; the first by ``None`` and by ``deepest``.

        Raises:
            OptionError: an unknown layer, or the head of this network could not be differentiated when it was exported.
        """
        if not self.maps:
            raise OptionError(f"model {self.name}", f"was exported without heat-maps: {self.no_maps}", "ask for none")
        return chosen(self.maps, layer)

    def class_maps(self, pixels: NDArray[np.uint8], layer: str | None = None) -> NDArray[np.float32]:
        """(n, S, S) uint8 to (n, K, h, w) float32, 0 or more: the maps of every class, Grad-CAM unless the name of
        the layer says otherwise.

        Raises:
            OptionError: as :meth:`layer_maps`.
            ModelError: the file of the further layers is missing or was altered.
        """
        output = self.layer_maps(layer).output
        run = self.run if output == MAPS or self.further is None else self.further
        return run((output,), to_model_input(pixels))[0]


def load_network(folder: ModelFolder, engine: str = ENGINES[0], threads: int = 0) -> Network:
    """The network of an exported model; its hash is checked first.

    Args:
        folder: as ``cxrlens export`` wrote it.
        engine: one of :data:`ENGINES`.
        threads: for one pass; 0 takes one for each core this process may use.

    Raises:
        ModelError: missing, altered, or not what this cxrlens can read.
        OptionError: an unknown engine, or one that is not installed or not in the folder.
    """
    if engine not in ENGINES:
        raise OptionError(f"engine '{engine}'", "is not known", f"use one of {', '.join(ENGINES)}")
    session = onnx_session(folder, MODEL, threads)
    values = session.get_modelmeta().custom_metadata_map
    run = onnx_run(session) if engine == ENGINES[0] else _openvino_run(folder, threads)
    return from_metadata(run, values, folder.root / MODEL, later(lambda: onnx_session(folder, LAYERS, threads)))


def from_metadata(run: Run, values: Mapping[str, str], path: Path, further: Run | None = None) -> Network:
    """A network from what ``model.onnx`` tells of itself; :class:`ModelError` where that is garbled."""
    try:
        told = json.loads(values["cxrlens"])
        calibration = told["calibration"]
        return Network(
            run=run,
            name=str(told["name"]),
            classes=tuple(str(label) for label in told["classes"]),
            preprocessing=Preprocessing.from_dict(told["preprocessing"]),
            hash=str(told["weights_sha256"]),
            calibration=None if calibration is None else Calibration.from_dict(calibration),
            measured_on=str(told["measured_on"]),
            no_maps=str(told["no_class_maps"]),
            maps=from_told(told),
            further=further,
            risks=RiskCurve.from_dict(told.get("risks")),
        )
    except CxrlensError as error:
        raise ModelError(path, f"holds {error.subject} that {error.fault}", error.remedy) from error
    except (KeyError, TypeError, ValueError) as error:
        remedy = "export it again with 'cxrlens export RUN'"
        raise ModelError(path, f"lacks or garbles {error} in its metadata", remedy) from error


def onnx_session(folder: ModelFolder, name: str, threads: int = 0) -> onnxruntime.InferenceSession:
    """An onnxruntime session of a file of the folder, whose hash is checked first.

    Raises:
        ModelError: missing, altered, or no graph that this onnxruntime can run.
        OptionError: onnxruntime is not installed.
    """
    data = folder.read(name)
    try:
        import onnxruntime
    except ImportError as error:
        raise OptionError("serving", f"needs onnxruntime ({error})", "pip install 'cxrlens[serve]'") from error
    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    # Threads that wait should sleep: while one image is judged, the next ones are being decoded.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own exceptions derive from nothing narrower
        first = " ".join(str(error).split())[:160]
        raise ModelError(folder.root / name, f"cannot be run ({first})", "install a newer onnxruntime") from error


def onnx_run(session: onnxruntime.InferenceSession) -> Run:
    """Outputs by name. As of 1.32 onnxruntime computes all of the graph whatever is asked, and not only what they need:
    what costs much and is seldom asked has a file of its own."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True

    def run(names: Sequence[str], inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return [np.asarray(each) for each in session.run(list(names), {"pixels": inputs}, options)]

    return run


def later(load: Callable[[], onnxruntime.InferenceSession]) -> Run:
    """A session's outputs by name; it is loaded when first asked, once, also where several threads ask."""
    lock = Lock()
    loaded: list[Run] = []

    def run(names: Sequence[str], inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        with lock:
            if not loaded:
                loaded.append(onnx_run(load()))
        return loaded[0](names, inputs)

    return run


def _openvino_run(folder: ModelFolder, threads: int) -> Run:
    if not folder.has(INT8):
        remedy = "export it with 'cxrlens export RUN --openvino-int8'"
        raise OptionError(f"model {folder.root}", "holds no quantised network", remedy)
    weights = folder.read(INT8.replace(".xml", ".bin"))
    graph = folder.read(INT8)
    try:
        import openvino
    except ImportError as error:
        remedy = "pip install 'cxrlens[openvino]'"
        raise OptionError("engine openvino-int8", f"needs OpenVINO ({error})", remedy) from error
    core = openvino.Core()
    wanted = {"INFERENCE_NUM_THREADS": threads or usable_cores()}
    compiled = core.compile_model(core.read_model(graph, weights), "CPU", wanted)

    def run(names: Sequence[str], inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        found: Any = compiled.create_infer_request().infer({"pixels": inputs})
        return [np.array(found[name]) for name in names]

    return run


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of (…, K) logits, in float64 so that rows add up to 1 within 1e-12."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), dtype=np.float64)
