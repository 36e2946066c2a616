"""Predictor: an exported model that judges images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import CxrlensError, OptionError
from cxrlens.gate.answer import Answer
from cxrlens.gate.gate import Gate
from cxrlens.radiograph import Radiograph
from cxrlens.serving.folder import ModelFolder
from cxrlens.serving.gating import load_exported_gate
from cxrlens.serving.identity import identity_of
from cxrlens.serving.images import Given, to_radiograph
from cxrlens.serving.layers import LayerMaps
from cxrlens.serving.lungs import Lungs, load_exported_lungs
from cxrlens.serving.network import ENGINES, Network, load_network, softmax
from cxrlens.serving.prediction import HeatMap, JudgedMap, Prediction, Status

NO_GATE = "nothing checked whether this is a chest radiograph that the model may judge: the model has no gate"
NO_CALIBRATION = "the probabilities are the network's own: the model was not calibrated, and has no prediction sets"


@dataclass(frozen=True)
class Predictor:
    """Judges images; keeps nothing of them. Safe to share between threads.

    Args:
        network: the exported network.
        gate: decides before any class is named; ``None`` where the model was exported without one.
        lungs: what heat-maps are held against; ``None`` where the model was exported without.
        identity: of the exported model (:func:`identity_of`); blank where it is none.
    """

    network: Network
    gate: Gate | None
    lungs: Lungs | None = None
    identity: str = ""

    def __call__(
        self, image: Given, *, cam: bool = False, target: str | None = None, layer: str | None = None
    ) -> Prediction:
        """Judge one image.

        Args:
            image: a path, the bytes of a file, a Pillow image, an array or a radiograph (``images.to_radiograph``).
            cam: also say where the network looked (:attr:`Prediction.heat_map`).
            target: the class to explain; the likeliest one where ``None``.
            layer: of ``network.layers``, where the network looked; the first of them, the deepest, where ``None``.

        Raises:
            UnreadableImageError: there is no image in it.
            OptionError: a heat-map was asked for and this model has none, or for a class or a layer that it does not
                know.
        """
        return self.judge([to_radiograph(image)], cam=cam, target=target, layer=layer)[0]

    def judge(
        self,
        radiographs: Sequence[Radiograph],
        *,
        cam: bool = False,
        target: str | None = None,
        layer: str | None = None,
    ) -> list[Prediction]:
        """The same for several that were read already, in order; faster than one by one.

        Raises:
            OptionError: as for one.
        """
        if target is not None and target not in self.network.classes:
            fault = "is not known"
            raise OptionError(f"class '{target}'", fault, f"use one of {', '.join(self.network.classes)}")
        maps = self.network.layer_maps(layer) if cam or layer is not None else None
        pairs = self.judge_with_films(radiographs)
        found = [prediction for prediction, _judged in pairs]
        if not cam or maps is None:
            return found
        return self._with_maps(found, [judged for _prediction, judged in pairs], target, maps)

    def judge_with_films(self, radiographs: Sequence[Radiograph]) -> list[tuple[Prediction, Radiograph]]:
        """What is said of several, each with the radiograph that was judged: the repaired one where the gate repaired
        it, and as given where the gate refused it."""
        if not radiographs:
            return []
        if self.gate is None:
            frames = np.stack([self.network.preprocessing(radiograph) for radiograph in radiographs])
            logits = self.network(frames).logits
            return [(self._said(r, row, None), r) for r, row in zip(radiographs, logits, strict=True)]
        answers = self.gate.judge_all(radiographs)
        return [(self._said(r, a.logits, a), a.radiograph) for r, a in zip(radiographs, answers, strict=True)]

    def unreadable(self, image: str, error: CxrlensError) -> Prediction:
        """The row of a file that is no image."""
        return self._row(image, "error", f"{error.fault}; {error.remedy}")

    def _said(self, given: Radiograph, logits: NDArray[np.float64] | None, answer: Answer | None) -> Prediction:
        warnings = list(answer.warnings) if answer is not None else []
        warnings = [f"the image {phrase}" for phrase in warnings] + list(self._general())
        gate = answer.to_dict() if answer is not None else None
        if answer is not None and not answer.accepted:
            reason = "; ".join(f"the image {phrase}" for phrase in answer.reasons)
            return replace(self._row(given.path, "refused", reason), gate=gate, warnings=tuple(warnings))
        assert logits is not None
        shares = softmax(logits)
        calibration = self.network.calibration
        reason, chosen = "", None
        if calibration is not None:
            reason, chosen = calibration.abstain(shares), calibration.prediction_set(shares)
            shares = calibration.probabilities(shares)
        probabilities = {name: float(p) for name, p in zip(self.network.classes, shares, strict=True)}
        label = None if reason else max(probabilities, key=probabilities.__getitem__)
        row = self._row(given.path, "not sure" if reason else "answered", reason)
        risks = self.network.risks if calibration is not None else None
        return replace(
            row,
            label=label,
            probabilities=probabilities,
            prediction_set=chosen,
            gate=gate,
            warnings=tuple(warnings),
            risk=None if risks is None or label is None else risks.at(probabilities[label]),
        )

    def _general(self) -> tuple[str, ...]:
        said = () if self.gate is not None else (NO_GATE,)
        return said if self.network.calibration is not None else (*said, NO_CALIBRATION)

    def _row(self, image: str, status: Status, reason: str) -> Prediction:
        network = self.network
        about = {"name": network.name, "hash": network.hash}
        calibrated = network.calibration is not None
        return Prediction(
            image,
            status,
            None,
            None,
            None,
            reason,
            (),
            None,
            about,
            network.measured_on,
            calibrated,
            identity=self.identity,
        )

    def _with_maps(
        self, found: Sequence[Prediction], judged: Sequence[Radiograph], target: str | None, shown: LayerMaps
    ) -> list[Prediction]:
        from cxrlens.serving.doubting import Case, doubts_of
        from cxrlens.serving.heat import heat_of

        rows = [i for i, each in enumerate(found) if each.probabilities is not None]
        out = list(found)
        if not rows:
            return out
        preprocessing = self.network.preprocessing
        frames = np.stack([preprocessing(judged[i]) for i in rows])
        for i, frame, of_image in zip(rows, frames, self.network.class_maps(frames, shown.name), strict=True):
            label = target or str(found[i].likeliest)
            number, placement = self.network.classes.index(label), preprocessing.placement(judged[i])
            doubts = doubts_of(self.network, self.lungs, Case.of(frame, placement, number, of_image[number]))
            about = JudgedMap(label, doubts, shown.name, shown.method)
            heat = heat_of(of_image[number], placement)
            shown_map = HeatMap(label, heat, judged[i].pixels, shown.name, shown.method, doubts)
            out[i] = replace(found[i], heat_map=shown_map, judged_map=about)
        return out


def load_predictor(model: str | PathLike[str], *, engine: str = ENGINES[0], threads: int = 0) -> Predictor:
    """Load an exported model; the hash of every file that is used is checked.

    Args:
        model: the folder that ``cxrlens export`` wrote, or the ``model.onnx`` in it.
        engine: ``onnxruntime``, or ``openvino-int8`` where the folder holds the quantised network.
        threads: for one pass; 0 takes one for each core this process may use.

    Raises:
        ModelError: missing, altered, or of another version.
        OptionError: an engine that is unknown, not installed, or not in the folder.
    """
    path = Path(model)
    folder = ModelFolder(path.parent if path.name == "model.onnx" else path)
    network = load_network(folder, engine, threads)
    identity = identity_of(folder, quantised=engine != ENGINES[0])
    return Predictor(network, load_exported_gate(folder, network), load_exported_lungs(folder), identity)
