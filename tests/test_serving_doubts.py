"""The flag at serving: what ``explain`` says of the same map, each reason where it is planted, and where it shows."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import cxrlens
from cxrlens.borders import Box
from cxrlens.doubts import HEADLINE, Doubts
from cxrlens.doubts.likeness import centre_prior
from cxrlens.doubts.reasons import LUNGS_NOT_FOUND, LUNGS_NOT_THERE, NOT_COMPARED
from cxrlens.explanation.heat import choose_layers, heat_maps
from cxrlens.explanation.scorecard import doubts as of_explain
from cxrlens.explanation.scorecard.maps import Explainer
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.labels import CLASSES
from cxrlens.lungs import lung_masks
from cxrlens.model import load_model
from cxrlens.radiograph import Radiograph
from cxrlens.serving.doubting import Case, doubts_of
from cxrlens.serving.folder import ModelError
from cxrlens.serving.formats import FORMATS
from cxrlens.serving.lungs import Lungs
from cxrlens.serving.marking import about, marked
from cxrlens.serving.network import Network
from cxrlens.serving.prediction import JudgedMap
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.stream import StreamOptions, predict_files
from cxrlens.serving.verify import verify_model
from cxrlens.sources.phantom.encode import encode_png, to_samples
from serving_model import SIDE, phantoms


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return cxrlens.load(exported, threads=1)


class Found(Lungs):
    """Lungs that are told."""

    def __init__(self, mask: np.ndarray | None) -> None:
        self._mask = mask

    def find(self, frame: np.ndarray) -> np.ndarray | None:
        return self._mask


def corner(predictor: Predictor) -> Network:
    """A network that names class 0 where the upper left is bright, surer the brighter."""

    def run(names, pixels: np.ndarray) -> list[np.ndarray]:
        bright = pixels[:, 0, 8:24, 8:24].mean(axis=(1, 2))
        return [np.stack([20 * (bright - 0.5), 20 * (0.5 - bright)], axis=1).astype(np.float32)]

    return replace(predictor.network, run=run)


def hot(rows: slice, columns: slice) -> np.ndarray:
    heat = np.zeros((SIDE, SIDE), np.float32)
    heat[rows, columns] = 1
    return heat


def case_of(heat: np.ndarray, target: int = 0) -> Case:
    frame = np.full((SIDE, SIDE), 60, np.uint8)
    frame[8:24, 8:24] = 230
    return Case(frame, Box(0, 0, SIDE, SIDE), target, heat)


def test_a_map_has_the_flag_that_explain_gives_it(predictor: Predictor, served_run: RunFolder):
    """All that both measure, on phantoms whose lungs are found and on one that lies on its side."""
    model = load_model(served_run)
    layer = choose_layers(model)[-1:]
    doubter = of_explain.Doubter(Explainer(model.module, "grad-cam", layer[0][0]), model.size)
    ungated = replace(predictor, gate=None)
    lying = Radiograph(np.ascontiguousarray(np.rot90(phantoms(1)[0].pixels)))
    seen = set()
    for radiograph, label in [*zip(phantoms(4), CLASSES, strict=True), (lying, "Normal")]:
        heats = heat_maps(model, radiograph, target=label, layers=layer)
        expected = of_explain.doubts_of(doubter, heats, CLASSES.index(label))
        found = ungated(radiograph, cam=True, target=label).heat_map.doubts
        measures = {name: value for name, value in expected.measures.items() if name != "untrained_network"}
        assert found.measures == pytest.approx(measures, abs=1e-4)
        reasons = {key: words for key, words in expected.reasons.items() if key != "random network"}
        assert found.reasons == reasons
        assert found.unchecked == (NOT_COMPARED, *expected.unchecked)
        seen |= {*found.reasons, *found.measures, *expected.unchecked}
    assert {"unsure", "in_lungs", LUNGS_NOT_FOUND} <= seen, "the films must show both"


def test_hiding_what_matters_is_told_from_hiding_what_does_not(predictor: Predictor):
    network = corner(predictor)
    right, wrong = (hot(slice(a, a + 20), slice(a, a + 20)) for a in (6, 42))
    sound = doubts_of(network, Found(right > 0), case_of(right))
    assert sound.reasons == {}
    assert sound.measures["drop"] > 0.3
    assert sound.unchecked == (NOT_COMPARED,)
    assert list(doubts_of(network, Found(wrong > 0), case_of(wrong)).reasons) == ["no effect"]


def test_each_planted_weakness_is_found(predictor: Predictor):
    network = corner(predictor)
    right = hot(slice(6, 26), slice(6, 26))
    assert list(doubts_of(network, Found(right == 0), case_of(right)).reasons) == ["outside the lungs"]
    assert "unsure" in doubts_of(network, Found(right > 0), case_of(right, target=1)).reasons
    assert "centre" in doubts_of(network, None, case_of(centre_prior((SIDE, SIDE)))).reasons
    empty = doubts_of(network, Found(right > 0), case_of(np.zeros((SIDE, SIDE), np.float32)))
    assert list(empty.reasons) == ["no evidence"]
    assert doubts_of(network, Found(None), case_of(right)).unchecked == (NOT_COMPARED, LUNGS_NOT_FOUND)
    assert doubts_of(network, None, case_of(right)).unchecked == (NOT_COMPARED, LUNGS_NOT_THERE)


def test_lungs_are_those_of_torch(predictor: Predictor):
    preprocessing = predictor.network.preprocessing
    frames = np.stack([preprocessing(r) for r in phantoms(4)])
    assert predictor.lungs is not None
    assert (predictor.lungs.masks(frames) != lung_masks(frames)).mean() < 1e-3


def test_the_flag_is_of_the_map_that_is_shown(predictor: Predictor):
    """Of any class and any layer, and the same however many are judged together."""
    films = phantoms(3)
    together = predictor.judge(films, cam=True, target="Pneumonia", layer="features.block3")
    for film, found in zip(films, together, strict=True):
        assert found.judged_map is not None
        assert (found.judged_map.label, found.judged_map.layer) == ("Pneumonia", "features.block3")
        assert found.judged_map.doubts == found.heat_map.doubts
        alone = predictor(film, cam=True, target="Pneumonia", layer="features.block3").judged_map.doubts
        assert alone.measures == pytest.approx(found.judged_map.doubts.measures, abs=1e-5)
    deepest = predictor(films[0], cam=True, target="Pneumonia").judged_map
    assert deepest.doubts.measures["centre"] != pytest.approx(together[0].judged_map.doubts.measures["centre"])


def test_json_tells_it_and_no_map_is_null(predictor: Predictor):
    film = phantoms(1)[0]
    assert predictor(film).to_dict()["heat_map"] is None
    answer = predictor(film, cam=True)
    told = json.loads(json.dumps(answer.to_dict(), allow_nan=False))["heat_map"]
    assert list(told) == ["target", "layer", "method", "flagged", "reasons", "measures", "unchecked"]
    assert told["target"] == answer.likeliest
    assert told["flagged"] == bool(told["reasons"])
    assert NOT_COMPARED in told["unchecked"]


def flagged(predictor: Predictor, doubts: Doubts):
    answer = predictor(phantoms(1)[0])
    return replace(answer, cam="a.png", judged_map=JudgedMap(str(answer.likeliest), doubts))


def test_the_table_and_csv_tell_it(predictor: Predictor):
    bad = Doubts({"unsure": "it doubts", "centre": "it is a blob"})
    rows = [flagged(predictor, bad), flagged(predictor, Doubts()), predictor(phantoms(1)[0])]
    table = FORMATS["table"](CLASSES, "x")
    told = [table.row(row) for row in rows]
    assert "    do not read this map: it doubts; it is a blob\n" in told[0]
    assert HEADLINE.lower() not in told[1] + told[2]
    writer = FORMATS["csv"](CLASSES, "x")
    read = list(csv.DictReader(io.StringIO(writer.head() + "".join(map(writer.row, rows)))))
    assert [row["map_flagged"] for row in read] == ["yes", "no", ""]
    assert [row["map_reasons"] for row in read] == ["it doubts;it is a blob", "", ""]


@pytest.mark.parametrize("width", [40, 300, 3000])
def test_a_marked_overlay_hides_nothing_of_the_film(width: int):
    picture = np.random.default_rng(0).integers(0, 256, (50, width, 3), dtype=np.uint8)
    doubts = Doubts({"unsure": "the network gives this class 31%"}, unchecked=("the lungs: not found",))
    shown = marked(picture, doubts)
    np.testing.assert_array_equal(shown[:50], picture)
    assert shown.shape[0] > 50
    assert (shown[50:] == (255, 196, 87)).all(axis=2).mean() > 0.5, "a strip of one plain colour"
    assert ((shown[50:].astype(int) @ (1, 1, 1)) < 200).any(), "with dark letters on it"
    assert marked(picture, Doubts()) is marked(picture, None) is picture
    assert about(doubts)["Warning"] == doubts.sentence
    assert about(Doubts()) == about(None) == {}


def test_overlays_of_files_carry_the_flag(predictor: Predictor, tmp_path: Path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(to_samples(phantoms(1)[0].pixels, 8)))
    unsure = min(CLASSES, key=predictor(path).probabilities.__getitem__)
    (row,) = predict_files(predictor, [path], StreamOptions(cam=tmp_path / "cam", target=unsure))
    picture = Image.open(str(row.cam))
    assert row.judged_map.doubts.flagged
    assert picture.text["Warning"] == row.judged_map.doubts.sentence
    shown = predictor(path, cam=True, target=unsure).heat_map.overlay()
    np.testing.assert_array_equal(np.asarray(picture)[: len(shown)], shown)


def test_an_export_without_lungs_says_so_and_verifies(copied: Path):
    (copied / "lungs.onnx").unlink()
    manifest = read_json(copied / "manifest.json")
    del manifest["files"]["lungs.onnx"]
    write_json(copied / "manifest.json", manifest)
    answer = cxrlens.load(copied)(phantoms(1)[0], cam=True)
    assert answer.heat_map.doubts.unchecked == (NOT_COMPARED, LUNGS_NOT_THERE)
    assert "in_lungs" not in answer.heat_map.doubts.measures
    assert all(finding.ok for finding in verify_model(copied))


def test_spoilt_lungs_are_named_and_leave_answers_alone(copied: Path):
    data = bytearray((copied / "lungs.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copied / "lungs.onnx").write_bytes(data)
    loaded = cxrlens.load(copied)
    assert loaded(phantoms(1)[0]).probabilities is not None
    with pytest.raises(ModelError, match=r"lungs.onnx.*was altered"):
        loaded(phantoms(1)[0], cam=True)
    (finding,) = verify_model(copied)
    assert "lungs.onnx was altered" in finding.detail


def test_verify_notices_another_segmenter(copied: Path):
    graph = onnx.load(copied / "lungs.onnx")
    head = next(w for w in graph.graph.initializer if w.name.endswith("lung.bias"))
    head.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(head) + np.float32(3), head.name))
    onnx.save(graph, copied / "lungs.onnx")
    from cxrlens.serving.folder import described

    write_json(copied / "manifest.json", {**read_json(copied / "manifest.json"), "files": described(copied)})
    assert [finding.check for finding in verify_model(copied) if not finding.ok] == ["lungs"]
