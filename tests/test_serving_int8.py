"""The command ``export``, and the network in eight bits: what it changes is measured on images it was not fitted on."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import cxrlens
from cxrlens.chain import serving as chain
from cxrlens.errors import DatasetError
from cxrlens.folders import DatasetFolder, RunFolder, read_json, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.serving import export as exporting
from cxrlens.serving.network import ENGINES
from serving_model import phantoms


@pytest.fixture(scope="module")
def run(served_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The toy run with a dataset of 60 synthetic films: 36 for training, 24 for calibration."""
    root = tmp_path_factory.mktemp("int8")
    copy = RunFolder(Path(shutil.copytree(served_run.root, root / "run", ignore=shutil.ignore_patterns("export"))))
    rows = []
    for number, film in enumerate(phantoms(60, size=64)):
        path = root / f"{number}.png"
        Image.fromarray(np.round(film.pixels * 255).astype(np.uint8)).save(path)
        part = "train" if number < 36 else "calibration"
        row = {"path": str(path), "label": CLASSES[number % 4], "collection": "toy", "source": "toy", "split": part}
        rows.append({**row, "patient_id": f"P{number}"})
    dataset = DatasetFolder(root / "dataset")
    dataset.root.mkdir()
    write_manifest(new_manifest(rows), dataset.manifest_path)
    write_json(dataset.curation_path, {"synthetic": True})
    write_json(copy.config_path, {"format": 1, "dataset": str(dataset.root)})
    return copy


def test_eight_bits_are_measured_on_the_calibration_part(
    run: RunFolder, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("openvino")
    pytest.importorskip("nncf")
    reuse_graphs(exported, monkeypatch)
    said = io.StringIO()
    out = tmp_path / "model"
    assert chain.export_run(run.root, out, True, Console(file=said, width=200)) == 0
    figures = read_json(out / "manifest.json")["openvino_int8"]
    assert figures["n"] == 24
    assert "36 training images" in figures["meaning"]
    for key in ("accuracy_float32", "accuracy_int8", "int8_minus_float32", "same_class"):
        assert set(figures[key]) >= {"value", "low", "high"}
    assert 0 < figures["largest_difference"] < 0.5
    assert "eight bits" in said.getvalue()
    assert "SYNTHETIC" in said.getvalue()
    film = phantoms(1)[0]
    full, small = cxrlens.load(out)(film), cxrlens.load(out, engine="openvino-int8")(film, cam=True)
    assert small.probabilities == pytest.approx(full.probabilities, abs=0.2)
    assert small.probabilities != full.probabilities
    assert small.heat_map is not None
    further = [cxrlens.load(out, engine=e)(film, cam=True, target="Normal", layer="features.block3") for e in ENGINES]
    np.testing.assert_array_equal(further[0].heat_map.heat, further[1].heat_map.heat)  # of the full network, both


def test_without_a_calibration_part_eight_bits_are_refused(served_run: RunFolder, run: RunFolder, tmp_path: Path):
    manifest = run.dataset().manifest()
    manifest["split"] = "train"
    other = DatasetFolder(tmp_path / "dataset")
    other.root.mkdir()
    write_manifest(manifest, other.manifest_path)
    copy = RunFolder(Path(shutil.copytree(served_run.root, tmp_path / "run", ignore=shutil.ignore_patterns("export"))))
    write_json(copy.config_path, {"format": 1, "dataset": str(other.root)})
    with pytest.raises(DatasetError, match="0 images in its calibration part"):
        chain.export_run(copy.root, None, True, Console(file=io.StringIO()))


def test_what_is_missing_in_a_run_is_said(run: RunFolder, exported: Path, tmp_path: Path, monkeypatch):
    reuse_graphs(exported, monkeypatch)
    bare = RunFolder(
        Path(shutil.copytree(run.root, tmp_path / "run", ignore=shutil.ignore_patterns("gate", "calibration.json")))
    )
    said = io.StringIO()
    assert chain.export_run(bare.root, None, False, Console(file=said, width=200)) == 0
    manifest = read_json(bare.root / "export" / "manifest.json")
    assert (manifest["gate"], manifest["calibrated"], manifest["openvino_int8"]) == (False, False, None)
    assert said.getvalue().count("not in it") == 2
    assert "not measured" in manifest["measured_on"]
    assert cxrlens.load(bare.root / "export").gate is None


def reuse_graphs(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter was asked once already; its graphs are those of the same weights."""
    import onnx

    from cxrlens.serving import graph

    def made(_: object) -> graph.ModelGraph:
        maps = cxrlens.load(exported).network.maps
        return graph.ModelGraph(onnx.load(exported / "model.onnx"), onnx.load(exported / "layers.onnx"), maps)

    monkeypatch.setattr(graph, "model_graph", made)
    monkeypatch.setattr(graph, "gate_graph", lambda _: onnx.load(exported / "gate.onnx"))
    monkeypatch.setattr(graph, "lungs_graph", lambda: (exported / "lungs.onnx").read_bytes())
    assert json.loads((exported / "manifest.json").read_text())["kind"] == exporting.KIND
