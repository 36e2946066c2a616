"""Heat-maps of every depth leave a run exactly: torch's own, place by place, ties and leftovers of strides included."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from cxrlens.errors import OptionError
from cxrlens.explanation import heat_maps
from cxrlens.explanation.cam import grad_cam, hires_cam, layer_maps
from cxrlens.folders import read_json, write_json
from cxrlens.labels import CLASSES
from cxrlens.model import LoadedModel, cam_layers, load_model
from cxrlens.preprocessing import Preprocessing, to_model_input
from cxrlens.serving import export as exporting
from cxrlens.serving import network as networks
from cxrlens.serving.class_maps import add_class_maps
from cxrlens.serving.folder import ModelError
from cxrlens.serving.golden import apart_by_image, maps_agree
from cxrlens.serving.graph import ModelGraph, _exported, model_graph
from cxrlens.serving.layers import HIRES_CAM, LayerMaps
from cxrlens.serving.predictor import Predictor, load_predictor
from cxrlens.serving.reference import by_torch
from cxrlens.serving.verify import verify_model
from serving_model import lively_network, phantoms

PLAIN = ("features.block4", "features.block3", "features.block2", "features.block4 (HiRes-CAM)")


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return load_predictor(exported, threads=1)


def toy(name: str, size: int = 64) -> LoadedModel:
    module = lively_network(name, size=size)
    return LoadedModel(module, Preprocessing(size=size), CLASSES, name, size, "0")  # type: ignore[arg-type]


def frames_of(size: int) -> np.ndarray:
    preprocessing = Preprocessing(size=size)
    noise = np.random.default_rng(1).integers(0, 256, (2, size, size), dtype=np.uint8)
    return np.concatenate([np.stack([preprocessing(r) for r in phantoms(2)]), noise])


def maps_of(graph: ModelGraph, frames: np.ndarray) -> dict[str, np.ndarray]:
    assert graph.layers is not None
    found = {}
    for proto in (graph.proto, graph.layers):
        session = onnxruntime.InferenceSession(proto.SerializeToString())
        names = {o.name for o in session.get_outputs()}
        for each in graph.maps:
            if each.output in names:
                found[each.name] = session.run([each.output], {"pixels": to_model_input(frames)})[0]
    return found


# 64 and 128 divide evenly; at 102 a stride leaves a row over, and a last average hangs over the edge.
@pytest.mark.parametrize(("name", "size"), [("plain", 64), ("plain", 102), ("compact", 64), ("compact", 102)])
def test_every_depth_is_the_map_that_explain_computes(name: str, size: int):
    model, frames = toy(name, size), frames_of(size)
    graph = model_graph(model)
    assert graph.left_out == {}
    blocks = {n.removeprefix("network."): block for n, block in cam_layers(model.module)}
    assert [each.name for each in graph.maps[:3]] == list(blocks)[::-1]
    found = maps_of(graph, frames)
    for each in graph.maps:
        formula = hires_cam if each.method == HIRES_CAM else grad_cam
        for frame, of_image in zip(frames, found[each.name], strict=True):
            pixels = torch.from_numpy(to_model_input(frame))
            for k in range(len(CLASSES)):
                expected = layer_maps(model.module, pixels, k, [blocks[each.layer]], formula)[0]
                # A ReLU that stands within rounding of 0 may fall to either side: hence not 1e-6.
                np.testing.assert_allclose(of_image[k], expected, atol=1e-3 * found[each.name].max())
        assert found[each.name].max() > 0


def test_captum_finds_the_same(predictor: Predictor, served_run):
    attr = pytest.importorskip("captum.attr")
    module = load_model(served_run).module
    frames = frames_of(64)
    block = dict(module.named_modules())["network.features.block3"]
    found = predictor.network.class_maps(frames, "features.block3")
    for k in range(len(CLASSES)):
        pixels = torch.from_numpy(to_model_input(frames)).requires_grad_()
        expected = attr.LayerGradCam(module, block).attribute(pixels, target=k, relu_attributions=True)
        np.testing.assert_allclose(found[:, k], expected[:, 0].detach().numpy(), atol=1e-4 * found.max())


class _Pools(nn.Module):
    """Small whole numbers only, which every way of computing gives alike: two places that are equal stay equal."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.stem, self.relu, self.pool = nn.Conv2d(1, 3, 1), nn.ReLU(), pool
        self.conv = nn.Conv2d(3, 4, 3, 2, padding=1)
        self.dense = nn.Linear(4, 3)
        draw = torch.Generator().manual_seed(0)
        for weights in self.parameters():
            weights.data = torch.randint(-2, 3, weights.shape, generator=draw).float()
        self.conv.bias.data += 0.37  # type: ignore[union-attr]  # so that averages stand at no kink of the second ReLU

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        seen = self.stem(x)
        deep = self.conv(self.pool(self.relu(seen)))
        return self.dense(deep.relu().mean(dim=(2, 3))), deep, seen


POOLS = {
    "side by side": nn.MaxPool2d(2),
    "overlapping, padded": nn.MaxPool2d(3, 2, padding=1),
    "overlapping, with gaps": nn.MaxPool2d(2, 1, dilation=2),
    "hanging over the edge": nn.MaxPool2d(3, 2, ceil_mode=True),
    "averages": nn.AvgPool2d(2),
    "averages, padded": nn.AvgPool2d(3, 2, padding=1),
    "averages of what is there": nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    "averages over the edge": nn.AvgPool2d(2, ceil_mode=True),
}


@pytest.mark.parametrize("pool", POOLS)
def test_gradients_stand_at_torchs_places_also_where_values_are_equal(pool: str):
    """HiRes-CAM keeps each gradient at its place, so a gradient at another of several equal maxima would be seen. Each
    maximum is planted twice and more: grey levels are few."""
    module = _Pools(POOLS[pool]).eval()
    pixels = torch.randint(0, 3, (4, 1, 11, 11), generator=torch.Generator().manual_seed(1)).float()
    graph = _exported(module, (2, 1, 11, 11), ("logits", "deep", "seen"))
    wanted = [(LayerMaps("stem (HiRes-CAM)", "hires", HIRES_CAM), "seen"), (LayerMaps("stem", "grad"), "seen")]
    assert add_class_maps(graph, wanted, "logits") == {}
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    hires, grad = session.run(["hires", "grad"], {"pixels": pixels.numpy()})
    seen = module.stem(pixels).detach().requires_grad_()
    logits = module.dense(module.conv(module.pool(module.relu(seen))).relu().mean(dim=(2, 3)))
    for k in range(3):
        slopes = torch.autograd.grad(logits[:, k].sum(), seen, retain_graph=True)[0]
        expected = (slopes * seen).sum(dim=1).relu().detach()
        np.testing.assert_allclose(hires[:, k], expected.numpy(), atol=1e-4)
        averaged = (slopes.mean(dim=(2, 3), keepdim=True) * seen).sum(dim=1).relu().detach()
        np.testing.assert_allclose(grad[:, k], averaged.numpy(), atol=1e-4)
    assert hires.max() > 0


class _Mixed(nn.Module):
    """What larger networks hold: normalisation that stands alone, joined channels, squeeze and excitation, groups."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.grow = nn.Conv2d(4, 2, 3, padding=1)
        self.squeeze, self.excite = nn.Linear(6, 3), nn.Linear(3, 6)
        self.by_channel = nn.Conv2d(6, 12, 3, 2, padding=1, groups=6)
        self.dense = nn.Linear(12, 3)
        self.norm.running_mean.normal_(0, 0.3)  # type: ignore[operator,union-attr]
        self.norm.running_var.uniform_(0.5, 2)  # type: ignore[operator,union-attr]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.stem(x)
        joined = torch.cat([seen, self.grow(self.norm(seen.relu()))], dim=1)
        scales = torch.sigmoid(self.excite(self.squeeze(joined.mean(dim=(2, 3))).relu()))[:, :, None, None]
        return self.dense(self.by_channel(joined * scales + joined).relu().mean(dim=(2, 3))), seen


def test_blocks_of_larger_networks_are_differentiated():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        module, pixels = _Mixed().eval(), torch.rand(3, 1, 9, 9)
    graph = _exported(module, (2, 1, 9, 9), ("logits", "seen"))
    assert {"Concat", "BatchNormalization", "Sigmoid"} <= {node.op_type for node in graph.graph.node}
    assert add_class_maps(graph, [(LayerMaps("stem", "hires", HIRES_CAM), "seen")], "logits") == {}
    found = onnxruntime.InferenceSession(graph.SerializeToString()).run(["hires"], {"pixels": pixels.numpy()})[0]
    logits, seen = module(pixels)
    for k in range(3):
        slopes = torch.autograd.grad(logits[:, k].sum(), seen, retain_graph=True)[0]
        expected = (slopes * seen).sum(dim=1).relu().detach().numpy()
        np.testing.assert_allclose(found[:, k], expected, atol=1e-6)


def test_a_residual_network_of_the_zoo_too():
    pytest.importorskip("monai")
    model, frames = toy("resnet18"), frames_of(64)
    graph = model_graph(model)
    assert [each.layer for each in graph.maps] == ["layer4", "layer3", "layer2", "layer4"]
    _, expected = by_torch(model, frames, graph.maps)
    for name, maps in maps_of(graph, frames).items():
        assert maps_agree(apart_by_image(maps, expected[name])), name


def test_a_layer_behind_an_unknown_operator_is_left_out_and_the_others_stay():
    class Bent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.dense = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            shallow = self.one(x)
            deep = self.two(torch.sinh(shallow))
            return self.dense(deep.relu().mean(dim=(2, 3))), deep, shallow

    graph = _exported(Bent().eval(), (2, 1, 8, 8), ("logits", "deep", "shallow"))
    left_out = add_class_maps(graph, [(LayerMaps("a", "a"), "deep"), (LayerMaps("b", "b"), "shallow")], "logits")
    assert list(left_out) == ["b"]
    assert "Sinh" in str(left_out["b"])
    assert [output.name for output in graph.graph.output][-1] == "a"
    onnx.checker.check_model(graph)


def test_layers_are_asked_by_name_and_the_deepest_is_the_default(predictor: Predictor, served_run):
    assert predictor.network.layers == PLAIN
    film = phantoms(2)[1]
    expected = heat_maps(load_model(served_run), film, target=CLASSES[2])
    for name in PLAIN[:3]:
        heat = predictor(film, cam=True, target=CLASSES[2], layer=name).heat_map
        assert heat is not None
        assert (heat.layer, heat.method) == (name, "Grad-CAM")
        np.testing.assert_allclose(heat.heat, expected.maps[f"network.{name}"], atol=1e-3)
    default, deepest = (predictor(film, cam=True, layer=name).heat_map for name in (None, "deepest"))
    assert default is not None
    assert deepest is not None
    assert default.layer == deepest.layer == PLAIN[0]
    np.testing.assert_array_equal(default.heat, deepest.heat)
    sharp = predictor(film, cam=True, layer=PLAIN[3]).heat_map
    assert sharp is not None
    assert sharp.method == "HiRes-CAM"
    expected = heat_maps(load_model(served_run), film, "hires-cam", target=sharp.label)
    np.testing.assert_allclose(sharp.heat, expected.deepest, atol=1e-3)


def test_an_unknown_layer_is_refused_in_one_line_that_names_the_others(predictor: Predictor):
    for cam in (True, False):
        with pytest.raises(OptionError, match=re.escape("'features.block2'")):
            predictor.judge(phantoms(1), cam=cam, layer="features.block9")


def as_before_layers(folder: Path) -> None:
    """What an export was before it had further layers."""
    graph = onnx.load(folder / "model.onnx")
    values = {p.key: p.value for p in graph.metadata_props}
    told = json.loads(values["cxrlens"])
    del told["layers"]
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, {**values, "cxrlens": json.dumps(told)})
    onnx.save(graph, folder / "model.onnx")
    (folder / "layers.onnx").unlink()
    golden = read_json(folder / "golden/golden.json")
    for each in golden["images"].values():
        del each["layers"]
    write_json(folder / "golden/golden.json", golden)
    manifest = {k: v for k, v in read_json(folder / "manifest.json").items() if not k.startswith("layers")}
    write_json(folder / "manifest.json", {**manifest, "files": exporting.described(folder)})


def test_an_old_export_loads_and_has_the_deepest_only(predictor: Predictor, copied: Path):
    as_before_layers(copied)
    old = load_predictor(copied, threads=1)
    assert old.network.layers == ("deepest",)
    film = phantoms(1)[0]
    found, expected = (p(film, cam=True).heat_map for p in (old, predictor))
    assert found is not None
    assert expected is not None
    np.testing.assert_array_equal(found.heat, expected.heat)
    assert found.layer == "deepest"
    with pytest.raises(OptionError, match="use one of 'deepest', or export the run again"):
        old(film, cam=True, layer="features.block3")
    findings = verify_model(copied)
    assert all(finding.ok for finding in findings)
    assert [f.check for f in findings if f.check.startswith("heat-maps")] == ["heat-maps"]


def test_further_layers_are_loaded_once_and_only_when_asked(copied: Path, monkeypatch: pytest.MonkeyPatch):
    loaded: list[str] = []
    whole = networks.onnx_session

    def counted(folder, name, threads=0):
        loaded.append(name)
        return whole(folder, name, threads)

    monkeypatch.setattr(networks, "onnx_session", counted)
    network = load_predictor(copied, threads=1).network
    frames = frames_of(64)[:1]
    network(frames)
    network.class_maps(frames)
    assert "layers.onnx" not in loaded
    threads = [Thread(target=network.class_maps, args=(frames, name)) for name in PLAIN[1:] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded.count("layers.onnx") == 1


def test_an_altered_file_of_layers_stops_those_maps_and_nothing_else(copied: Path):
    data = bytearray((copied / "layers.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copied / "layers.onnx").write_bytes(data)
    predictor = load_predictor(copied, threads=1)
    assert predictor(phantoms(1)[0], cam=True).heat_map is not None
    with pytest.raises(ModelError, match=r"layers\.onnx.* was altered"):
        predictor(phantoms(1)[0], cam=True, layer="features.block3")


def test_verify_holds_every_layer_to_what_torch_said(exported: Path, copied: Path):
    checks = [f.check for f in verify_model(exported) if f.check.startswith("heat-maps")]
    assert checks == ["heat-maps", *(f"heat-maps, {name}" for name in PLAIN[1:])]
    graph = onnx.load(copied / "layers.onnx")
    for node in graph.graph.node:
        if node.op_type == "Sign":
            node.op_type = "Abs"  # a gradient through ReLU that is not one, with every hash put right
    onnx.save(graph, copied / "layers.onnx")
    manifest = read_json(copied / "manifest.json")
    write_json(copied / "manifest.json", {**manifest, "files": exporting.described(copied)})
    assert [f.check for f in verify_model(copied) if not f.ok] == [f"heat-maps, {name}" for name in PLAIN[1:]]


def test_a_few_jumps_at_a_kink_pass_and_a_wrong_rule_does_not():
    expected = np.random.default_rng(0).random((16, 4, 8, 8))
    kinked = expected.copy()
    kinked[3] *= 1.01
    assert maps_agree(apart_by_image(kinked, expected))
    assert not maps_agree(apart_by_image(kinked, expected), deepest=True)
    assert not maps_agree(apart_by_image(expected * 1.01, expected))
    kinked[3, 0, 0, 0] += 0.2
    assert not maps_agree(apart_by_image(kinked, expected)), "far off in one image"
    kinked[3] = np.nan
    assert not maps_agree(apart_by_image(kinked, expected))


def test_the_shell_takes_a_layer(exported: Path, tmp_path: Path):
    from PIL import Image

    Image.fromarray(np.rint(phantoms(1)[0].pixels * 255).astype(np.uint8)).save(tmp_path / "film.png")
    words = [sys.executable, "-m", "cxrlens", "predict", str(tmp_path / "film.png"), "--model", str(exported)]
    words += ["--cam", str(tmp_path / "cam"), "--target", "Pneumonia", "--layer"]
    done = subprocess.run([*words, "features.block4 (HiRes-CAM)"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (overlay,) = (tmp_path / "cam").iterdir()
    assert Image.open(overlay).info["Title"].startswith("HiRes-CAM for Pneumonia, layer features.block4")
    wrong = subprocess.run([*words, "features.block9"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr.startswith("error: layer 'features.block9': is none of this model's")
    assert len(wrong.stderr.splitlines()) == 1
