"""What leaves a run says what the run says: probabilities, features, heat-maps, the gate; and the folder is sealed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from cxrlens.calibrated import Calibration
from cxrlens.errors import OptionError, RunError
from cxrlens.explanation import heat_maps, overlay
from cxrlens.explanation.cam import grad_cam, layer_maps
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.gate import load_gate
from cxrlens.gate.altered import ALTERATIONS
from cxrlens.labels import CLASSES
from cxrlens.model import LoadedModel, cam_layers, load_model
from cxrlens.preprocessing import Preprocessing, to_model_input
from cxrlens.serving import export as exporting
from cxrlens.serving.class_maps import OUTPUT, add_class_maps
from cxrlens.serving.export import About, export_model
from cxrlens.serving.folder import ModelError, ModelFolder
from cxrlens.serving.graph import _exported, model_graph
from cxrlens.serving.layers import LayerMaps
from cxrlens.serving.network import softmax
from cxrlens.serving.predictor import Predictor, load_predictor
from cxrlens.serving.run_model import find_model
from cxrlens.serving.verify import verify_model
from serving_model import MEASURED, SIDE, lively_network, phantoms


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return load_predictor(exported, threads=1)


@pytest.fixture(scope="module")
def model(served_run: RunFolder) -> LoadedModel:
    return load_model(served_run)


def frames_of(preprocessing: Preprocessing) -> np.ndarray:
    noise = np.random.default_rng(1).integers(0, 256, (6, SIDE, SIDE), dtype=np.uint8)
    return np.concatenate([np.stack([preprocessing(r) for r in phantoms(8)]), noise])


def test_probabilities_are_torchs_within_1e_4(predictor: Predictor, model: LoadedModel):
    frames = frames_of(model.preprocessing)
    with torch.inference_mode():
        expected = torch.softmax(model.module(torch.from_numpy(to_model_input(frames))).double(), dim=1).numpy()
    found = softmax(predictor.network(frames).logits)
    assert np.abs(found - expected).max() < 1e-4
    assert np.ptp(expected, axis=0).max() > 0.05, "a network that says the same of everything would prove nothing"


def test_any_batch_gives_the_same(predictor: Predictor):
    frames = frames_of(predictor.network.preprocessing)
    together = predictor.network(frames).logits
    alone = np.concatenate([predictor.network(frame[None]).logits for frame in frames])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_heat_maps_are_those_of_explain(predictor: Predictor, model: LoadedModel):
    frames = frames_of(model.preprocessing)[:5]
    layer = cam_layers(model.module)[-1][1]
    maps = predictor.network.class_maps(frames)
    for frame, of_image in zip(frames, maps, strict=True):
        for k in range(len(CLASSES)):
            expected = layer_maps(model.module, torch.from_numpy(to_model_input(frame)), k, [layer], grad_cam)[0]
            np.testing.assert_allclose(of_image[k], expected, atol=1e-4 * max(1.0, expected.max()))
    assert maps.max() > 0


def test_overlay_is_the_picture_that_explain_draws(predictor: Predictor, model: LoadedModel):
    radiograph = phantoms(2)[1]
    for label in CLASSES:
        heats = heat_maps(model, radiograph, target=label)
        found = predictor(radiograph, cam=True, target=label).heat_map
        assert found is not None
        np.testing.assert_allclose(found.heat, heats.deepest, atol=2e-4)
        drawn, expected = found.overlay(), overlay(radiograph.pixels, heats.deepest)
        assert np.abs(drawn.astype(int) - expected.astype(int)).max() <= 2


def test_the_gate_answers_as_it_does_in_the_run(predictor: Predictor, served_run: RunFolder):
    films = phantoms(3)
    films += [ALTERATIONS[name](films[0]) for name in ("inverted", "upside down", "shrunken to 48 pixels")]
    assert predictor.gate is not None
    trained = load_gate(served_run).judge_all(films)
    for expected, found in zip(trained, predictor.gate.judge_all(films), strict=True):
        assert (found.status, found.warnings, found.view) == (expected.status, expected.warnings, expected.view)
        assert found.scores == pytest.approx(expected.scores, rel=1e-3, abs=1e-5)
    assert {a.status for a in trained} >= {"pass", "refused"}


def test_the_graph_tells_its_own_classes_preprocessing_and_calibration(exported: Path, served_run: RunFolder):
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    told = json.loads(session.get_modelmeta().custom_metadata_map["cxrlens"])
    assert told["classes"] == list(CLASSES)
    assert Preprocessing.from_dict(told["preprocessing"]) == Preprocessing(size=SIDE)
    assert Calibration.from_dict(told["calibration"]) == Calibration.from_dict(read_json(served_run.calibration_path))
    assert told["weights_sha256"] == served_run.model()["weights_sha256"]
    assert told["measured_on"] == MEASURED
    assert {o.name for o in session.get_outputs()} >= {"logits", "penultimate", "activations", "class_maps"}


def test_no_place_of_this_machine_travels(exported: Path):
    for path in exported.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert b"site-packages" not in data, path
            assert str(Path.cwd()).encode() not in data, path


def test_verify_passes_on_the_export_and_names_what_was_altered(exported: Path, copied: Path):
    assert all(finding.ok for finding in verify_model(exported))
    assert {finding.check for finding in verify_model(exported)} >= {"files", "heat-maps", "lungs", "gate", "versions"}
    data = bytearray((copied / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copied / "model.onnx").write_bytes(data)
    (finding,) = verify_model(copied)
    assert not finding.ok
    assert "model.onnx was altered" in finding.detail
    with pytest.raises(ModelError, match="was altered"):
        load_predictor(copied)


def test_verify_fails_where_the_predictions_are_others(copied: Path):
    """Another network under the old golden predictions, with every hash put right."""
    graph = onnx.load(copied / "model.onnx")
    head = next(w for w in graph.graph.initializer if w.name.endswith("classes.weight"))
    head.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(head) * np.float32(1.5), head.name))
    onnx.save(graph, copied / "model.onnx")
    manifest = read_json(copied / "manifest.json")
    write_json(copied / "manifest.json", {**manifest, "files": exporting.described(copied)})
    failed = [finding.check for finding in verify_model(copied) if not finding.ok]
    assert any(check.startswith("predictions") for check in failed)


@pytest.mark.parametrize("name", ["model.onnx", "gate.onnx", "gate.safetensors"])
def test_a_missing_file_is_named(copied: Path, name: str):
    (copied / name).unlink()
    with pytest.raises(ModelError, match=name):
        load_predictor(copied)


def test_another_format_is_refused(copied: Path):
    manifest = read_json(copied / "manifest.json")
    write_json(copied / "manifest.json", {**manifest, "format": 99})
    with pytest.raises(ModelError, match="format 99"):
        load_predictor(copied)


def test_only_an_export_is_ever_replaced(served_run: RunFolder, tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OptionError, match="something else"):
        export_model(served_run, tmp_path, About(MEASURED))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_graph_that_departs_from_torch_is_not_delivered(
    served_run: RunFolder, copied: Path, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
):
    graph = onnx.load(copied / "model.onnx")
    wrong = next(w for w in graph.graph.initializer if w.name.endswith("classes.weight"))
    wrong.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(wrong) * np.float32(1.1), wrong.name))
    from cxrlens.serving import graph as graphs

    spoilt = graphs.ModelGraph(graph, None, (LayerMaps("features.block4", OUTPUT),))
    monkeypatch.setattr(graphs, "model_graph", lambda _: spoilt)
    monkeypatch.setattr(exporting, "_write_gate", lambda *_: None)
    before = exporting.described(copied)
    with pytest.raises(RunError, match="other figures"):
        export_model(served_run, copied, About(MEASURED))
    assert exporting.described(copied) == before, "the export that was there stays"
    assert not list(copied.parent.glob(".*.part"))


def test_a_calibration_of_another_model_is_not_taken_along(served_run: RunFolder, tmp_path: Path):
    copy = RunFolder(tmp_path / "run")
    copy.root.mkdir()
    for path in (served_run.model_path, served_run.weights_path, served_run.config_path):
        (copy.root / path.name).write_bytes(path.read_bytes())
    fitted = Calibration.from_dict(read_json(served_run.calibration_path))
    write_json(copy.calibration_path, replace(fitted, model="0" * 64).to_dict())
    with pytest.raises(RunError, match="calibrate"):
        export_model(copy, tmp_path / "out", About(MEASURED))
    assert not (tmp_path / "out").exists()


def test_an_export_is_stale_once_the_run_was_calibrated_again(exported: Path, served_run: RunFolder):
    assert find_model(exported) == (exported, True)
    assert find_model(exported / "model.onnx") == (exported, True)
    assert find_model(served_run.root) == (exported, True)
    before = served_run.calibration_path.read_bytes()
    try:
        write_json(served_run.calibration_path, {**read_json(served_run.calibration_path), "again": True})
        assert find_model(served_run.root) == (exported, False)
    finally:
        served_run.calibration_path.write_bytes(before)
    with pytest.raises(ModelError, match="neither"):
        find_model(exported / "golden")


def test_compact_pools_globally_and_its_maps_are_exact_too():
    module = lively_network("compact")
    model = LoadedModel(module, Preprocessing(size=SIDE), CLASSES, "compact", SIDE, "0")  # type: ignore[arg-type]
    graph = model_graph(model)
    assert graph.no_maps == ""
    frames = frames_of(model.preprocessing)[:2]
    session = onnxruntime.InferenceSession(graph.proto.SerializeToString())
    maps = session.run(["class_maps"], {"pixels": to_model_input(frames)})[0]
    layer = cam_layers(module)[-1][1]  # type: ignore[arg-type]
    for frame, of_image in zip(frames, maps, strict=True):
        for k in range(len(CLASSES)):
            expected = layer_maps(module, torch.from_numpy(to_model_input(frame)), k, [layer], grad_cam)[0]
            np.testing.assert_allclose(of_image[k], expected, atol=1e-4 * max(1.0, expected.max()))


class _Swish(nn.Module):
    """The head of an EfficientNet in small: convolution, normalisation, swish, mean, dense."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.norm, self.swish, self.dense = nn.BatchNorm2d(6), nn.SiLU(), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        activations = self.stem(x)
        return self.dense(self.swish(self.norm(self.conv(activations))).mean(dim=(2, 3))), activations


def test_a_convolution_and_a_swish_behind_the_map_are_differentiated():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = _Swish().eval()
        pixels = torch.rand(2, 1, 8, 8)
    graph = _exported(head, (2, 1, 8, 8), ("logits", "activations"))
    assert add_class_maps(graph, [(LayerMaps("stem", OUTPUT), "activations")], "logits") == {}
    found = onnxruntime.InferenceSession(graph.SerializeToString()).run([OUTPUT], {"pixels": pixels.numpy()})[0]
    logits, activations = head(pixels)
    for k in range(3):
        slopes = torch.autograd.grad(logits[:, k].sum(), activations, retain_graph=True)[0]
        expected = (slopes.mean(dim=(2, 3), keepdim=True) * activations).sum(dim=1).relu().detach()
        np.testing.assert_allclose(found[:, k], expected.numpy(), atol=1e-6)


def test_what_has_no_rule_is_refused_by_name():
    nodes = [helper.make_node("Softmax", ["activations"], ["x"]), helper.make_node("GlobalMaxPool", ["x"], ["logits"])]
    shape = ["batch", 4, 2, 2]
    given = helper.make_tensor_value_info("activations", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 4, 1, 1])
    model = helper.make_model(helper.make_graph(nodes, "g", [given], [logits]))
    left_out = add_class_maps(model, [(LayerMaps("stem", OUTPUT), "activations")], "logits")
    assert "GlobalMaxPool" in str(left_out["stem"])
    assert [output.name for output in model.graph.output] == ["logits"]
    assert len(model.graph.node) == 2, "nothing half made stays"


def test_the_folder_names_every_file_but_its_manifest(exported: Path):
    folder = ModelFolder(exported)
    present = {p.relative_to(exported).as_posix() for p in exported.rglob("*") if p.is_file()}
    assert present == {*folder.files, "manifest.json"}
    assert folder.manifest["parity"]["largest_difference"] < 1e-4
