"""The zoo: every network takes radiographs, gives logits, and shows its last convolutional blocks."""

from __future__ import annotations

import builtins
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cxrlens.errors import OptionError
from cxrlens.model import MODELS, Classifier, build_model, cam_layers, parameter_count
from cxrlens.model.network import head_name
from cxrlens.model.plain import pool_to

OWN = ("plain", "compact")


def built(name: str, **options: Any) -> Classifier:
    if name not in OWN:
        pytest.importorskip("monai", reason="extra zoo")
    torch.manual_seed(0)
    return build_model(name, **options)


@lru_cache
def shared(name: str) -> Classifier:
    """One network for the tests that leave it as it was: the large ones take a second to build."""
    return built(name, size=64)


@pytest.mark.parametrize("name", MODELS)
def test_every_network_gives_finite_logits(name: str) -> None:
    with torch.inference_mode():
        logits = shared(name).eval()(torch.rand(2, 1, 64, 64))
    assert logits.shape == (2, 4)
    assert bool(torch.isfinite(logits).all())


@pytest.mark.parametrize("name", ["plain", "compact", "resnet18", "efficientnet-b0"])
def test_every_weight_gets_a_gradient(name: str) -> None:
    model = built(name, size=64)
    model(torch.rand(2, 1, 64, 64)).square().sum().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None]
    assert without == []


@pytest.mark.parametrize("name", MODELS)
def test_cam_layers_are_three_four_dimensional_maps_shallow_to_deep(name: str) -> None:
    model = shared(name)
    seen: list[torch.Size] = []
    hooks = [m.register_forward_hook(lambda _m, _i, out: seen.append(out.shape)) for _, m in cam_layers(model)]
    model.eval()
    with torch.no_grad():
        model(torch.rand(2, 1, 64, 64))
    for hook in hooks:
        hook.remove()
    assert len(seen) == 3
    assert all(len(shape) == 4 and shape[0] == 2 and shape[2] * shape[3] > 1 for shape in seen)
    assert seen[0][2] > seen[1][2] > seen[2][2]
    assert seen[0][1] <= seen[1][1] <= seen[2][1]


@pytest.mark.parametrize("name", MODELS)
def test_cam_layers_leave_the_network_as_it_was(name: str) -> None:
    model = shared(name).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    names = [n for n, _ in cam_layers(model)]
    modules = dict(model.named_modules())
    assert all(n in modules for n in names)
    assert model.training
    assert not any(m._forward_hooks for m in model.modules())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_cam_layers_of_plain_are_its_last_three_blocks() -> None:
    assert [n.rsplit(".", 1)[1] for n, _ in cam_layers(built("plain"))] == ["block2", "block3", "block4"]


def test_a_network_without_feature_maps_is_refused() -> None:
    dense = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(64 * 64, 4)), name="dense", classes=4, size=64)
    with pytest.raises(OptionError, match="no convolutional feature maps"):
        cam_layers(dense)


@pytest.mark.parametrize("size", [64, 96, 128, 160, 224, 256, 300])
def test_plain_has_about_a_million_parameters_at_every_size(size: int) -> None:
    model = built("plain", size=size)
    assert 0.8e6 <= parameter_count(model) <= 1.2e6
    with torch.no_grad():
        assert model.eval()(torch.rand(1, 1, size, size)).shape == (1, 4)


def test_plain_is_the_cnn_of_the_original_document() -> None:
    model = built("plain")
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert len({c.kernel_size for c in convolutions}) >= 3
    assert len({c.stride for c in convolutions}) >= 2
    kinds = [type(m) for m in model.modules()]
    assert all(kind in kinds for kind in (nn.MaxPool2d, nn.Flatten, nn.Linear, nn.ReLU, nn.Dropout))


@pytest.mark.parametrize("side", range(4, 33))
def test_pooling_gives_the_grid_from_any_side(side: int) -> None:
    assert pool_to(4, side)(torch.zeros(1, 1, side, side)).shape[-2:] == (4, 4)


def test_no_activation_overwrites_what_a_hook_has_seen() -> None:
    for name in ("plain", "compact", "densenet121", "resnet18"):
        assert not any(getattr(m, "inplace", False) for m in shared(name).modules())


def test_the_same_seed_builds_the_same_network() -> None:
    a, b = built("plain").state_dict(), built("plain").state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_another_shape_than_built_for_is_refused() -> None:
    model = built("plain", size=64)
    for shape in ((1, 1, 65, 64), (1, 3, 64, 64), (1, 64, 64)):
        with pytest.raises(ValueError, match="takes"):
            model(torch.zeros(shape))


@pytest.mark.parametrize(
    ("name", "near"), [("plian", "plain"), ("densenet", "densenet121"), ("efficientnet", "efficientnet-b0")]
)
def test_an_unknown_name_gets_close_ones(name: str, near: str) -> None:
    with pytest.raises(OptionError, match=near) as caught:
        build_model(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"size": 8}, {"size": 5000}, {"classes": 1}])
def test_impossible_sizes_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        build_model("plain", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "package", "extra"), [("densenet121", "monai", "zoo"), ("timm:resnet18", "timm", "timm")]
)
def test_a_missing_extra_is_named(name: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    true_import = importlib.import_module

    def without(module: str, *rest: Any) -> Any:
        if module.split(".")[0] == package:
            raise ImportError(f"No module named '{package}'")
        return true_import(module, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(OptionError, match=rf"cxrlens\[{extra}\]"):
        build_model(name)


def test_own_networks_import_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def guarded(name: str, *rest: Any, **more: Any) -> Any:
        assert name.split(".")[0] not in ("monai", "timm", "torchvision")
        return true_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", guarded)
    for name in OWN:
        build_model(name, size=64)


def test_initial_weights_give_the_same_logits(tmp_path: Path) -> None:
    first = built("plain", size=64).eval()
    save_file(first.state_dict(), tmp_path / "w.safetensors")
    torch.manual_seed(1)
    second = build_model("plain", size=64, weights=tmp_path / "w.safetensors").eval()
    pixels = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(first(pixels), second(pixels))


@pytest.mark.parametrize("name", ["plain", "compact", "resnet18", "efficientnet-b0"])
def test_a_head_of_other_classes_is_made_anew_and_the_rest_taken(name: str, tmp_path: Path) -> None:
    first = built(name, size=64, classes=7)
    save_file(first.state_dict(), tmp_path / "w.safetensors")
    second = build_model(name, size=64, classes=4, weights=tmp_path / "w.safetensors")
    head = head_name(second)
    assert second.state_dict()[f"{head}.weight"].shape[0] == 4
    same = {
        k
        for k, v in second.state_dict().items()
        if v.shape == first.state_dict()[k].shape and torch.equal(v, first.state_dict()[k])
    }
    assert set(second.state_dict()) - same == {f"{head}.weight", f"{head}.bias"}


def test_names_without_our_prefix_are_understood(tmp_path: Path) -> None:
    first = built("compact", size=64)
    bare = {k.removeprefix("network."): v for k, v in first.state_dict().items()}
    save_file(bare, tmp_path / "w.safetensors")
    second = build_model("compact", size=64, weights=tmp_path / "w.safetensors")
    assert all(torch.equal(v, first.state_dict()[k]) for k, v in second.state_dict().items())


def test_weights_that_do_not_fit_are_named_in_one_line(tmp_path: Path) -> None:
    state = built("plain", size=64).state_dict()
    state["network.features.block1.0.weight"] = torch.zeros(8, 1, 3, 3)
    del state["network.classifier.dense1.bias"]
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(OptionError, match=r"block1\.0\.weight is \(8, 1, 3, 3\).*dense1\.bias is missing") as caught:
        build_model("plain", size=64, weights=tmp_path / "w.safetensors")
    assert "\n" not in str(caught.value)


def test_a_pickle_and_a_torn_file_are_refused(tmp_path: Path) -> None:
    torch.save(built("plain", size=64).state_dict(), tmp_path / "w.pt")
    (tmp_path / "torn.safetensors").write_bytes(b"\x10\x00\x00")
    for name in ("w.pt", "torn.safetensors", "absent.safetensors"):
        with pytest.raises(OptionError, match=r"safetensors"):
            build_model("plain", size=64, weights=tmp_path / name)
