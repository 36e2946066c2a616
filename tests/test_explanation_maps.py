"""The formulas against the papers, by hand and against captum; hooks never stay behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn

from cxrlens.explanation import METHODS, pixelwise
from cxrlens.explanation.cam import grad_cam, grad_cam_plus_plus, hires_cam, layer_maps
from cxrlens.explanation.methods import find_method
from cxrlens.explanation.watching import watched


class Pooled(nn.Module):
    """Convolution, ReLU, global average, linear: for this family Grad-CAM and HiRes-CAM are the same."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=inplace)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.conv(x)).mean(dim=(2, 3)))


class Flat(nn.Module):
    """As above with flattening in place of the average: here the two differ."""

    def __init__(self, side: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.head = nn.Sequential(nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(6 * (side // 4) ** 2, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x))


def hooks_of(module: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._backward_hooks) for m in module.modules())


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(3))


def test_grad_cam_of_a_case_counted_by_hand() -> None:
    # Mean gradients 0.5 and -1: 0.5·[[2, 4], [0, 2]] − [[0, 1], [1, 0]], the positive part.
    activations = torch.tensor([[[2.0, 4.0], [0.0, 2.0]], [[0.0, 1.0], [1.0, 0.0]]])
    gradients = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[-4.0, 0.0], [0.0, 0.0]]])
    assert grad_cam(activations, gradients).tolist() == [[1.0, 1.0], [0.0, 1.0]]
    assert hires_cam(activations, gradients).tolist() == [[2.0, 0.0], [0.0, 0.0]]


def test_grad_cam_of_average_and_linear_is_the_weighted_sum_of_channels(pixels: Tensor) -> None:
    torch.manual_seed(0)
    module = Pooled().eval()
    (found,) = layer_maps(module, pixels, 2, [module.relu], grad_cam)
    features = module.relu(module.conv(pixels))[0]
    by_hand = (module.head.weight[2][:, None, None] * features).sum(0).relu() / features[0].numel()
    assert found == pytest.approx(by_hand.detach().numpy(), abs=1e-7)


def test_hires_cam_is_grad_cam_for_average_and_linear_and_differs_otherwise(pixels: Tensor) -> None:
    torch.manual_seed(0)
    pooled, flat = Pooled().eval(), Flat().eval()
    same = [layer_maps(pooled, pixels, 1, [pooled.relu], f)[0] for f in (grad_cam, hires_cam)]
    other = [layer_maps(flat, pixels, 1, [flat.conv], f)[0] for f in (grad_cam, hires_cam)]
    assert same[0].max() > 0
    assert same[0] == pytest.approx(same[1], abs=1e-7)
    assert np.abs(other[0] - other[1]).max() > 1e-4


@pytest.mark.parametrize("target", range(4))
def test_grad_cam_is_captums(pixels: Tensor, target: int) -> None:
    torch.manual_seed(1)
    module = Flat().eval()
    (found,) = layer_maps(module, pixels, target, [module.conv], grad_cam)
    theirs = LayerGradCam(module, module.conv).attribute(pixels, target=target, relu_attributions=True)
    assert found == pytest.approx(theirs[0, 0].detach().numpy(), abs=1e-6)


def test_grad_cam_plus_plus_follows_equation_19() -> None:
    rng = np.random.default_rng(0)
    A, G = rng.random((3, 4, 4)), rng.normal(size=(3, 4, 4))
    expected = np.zeros((4, 4))
    for k in range(3):
        weight = 0.0
        for i in range(4):
            for j in range(4):
                alpha = G[k, i, j] ** 2 / (2 * G[k, i, j] ** 2 + A[k].sum() * G[k, i, j] ** 3)
                weight += alpha * max(G[k, i, j], 0.0)
        expected += weight * A[k]
    found = grad_cam_plus_plus(torch.from_numpy(A), torch.from_numpy(G))
    assert found.numpy() == pytest.approx(np.maximum(expected, 0))
    assert not grad_cam_plus_plus(torch.ones(2, 3, 3), torch.zeros(2, 3, 3)).any()  # and no 0 / 0


def test_integrated_gradients_add_up_to_the_rise_of_the_logit(pixels: Tensor) -> None:
    torch.manual_seed(2)
    module = Flat().eval()
    found = pixelwise.integrated_gradients(module, pixels, 3, steps=256)
    with torch.no_grad():
        rise = float(module(pixels)[0, 3] - module(torch.zeros_like(pixels))[0, 3])
    assert float(found.sum()) == pytest.approx(rise, abs=5e-3)


def test_occlusion_finds_the_only_pixels_that_matter() -> None:
    class Corner(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            corner = x[:, 0, :8, :8].mean(dim=(1, 2))
            return torch.stack([corner, -corner, corner * 0, corner * 0], dim=1)

    film = torch.full((1, 1, 32, 32), 0.2)
    film[..., :8, :8] = 1.0
    found = pixelwise.occlusion(Corner(), film, 0)
    assert found[:8, :8].min() > 0
    assert np.abs(found[12:, 12:]).max() == 0
    assert pixelwise.occlusion(Corner(), film, 1)[:8, :8].max() < 0  # the other class gains when it is hidden


def test_an_in_place_activation_does_not_alter_what_was_seen(pixels: Tensor) -> None:
    torch.manual_seed(0)
    plain, inplace = Pooled().eval(), Pooled(inplace=True).eval()
    inplace.load_state_dict(plain.state_dict())
    maps = [layer_maps(m, pixels, 0, [m.conv], hires_cam)[0] for m in (plain, inplace)]
    assert maps[0] == pytest.approx(maps[1])


def test_hooks_are_released_after_an_error_and_gradients_left_alone(pixels: Tensor) -> None:
    module = Pooled().eval()
    with pytest.raises(RuntimeError, match="broken"), watched([module.conv]):
        raise RuntimeError("broken")
    with pytest.raises(ValueError, match="gives no"):
        layer_maps(module, pixels, 0, [module.head], grad_cam)
    with pytest.raises(IndexError):
        layer_maps(module, pixels, 9, [module.conv], grad_cam)
    assert hooks_of(module) == 0
    for name in METHODS:
        METHODS[name].maps(module, pixels, 0, [module.conv])
    assert hooks_of(module) == 0
    assert all(p.grad is None for p in module.parameters())


def test_frozen_weights_and_no_grad_around_do_not_stop_it(pixels: Tensor) -> None:
    module = Pooled().eval().requires_grad_(False)
    with torch.no_grad():
        (found,) = layer_maps(module, pixels, 0, [module.conv], grad_cam)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_gives_finite_maps_of_zero_or_more(name: str, pixels: Tensor) -> None:
    module = Flat().eval()
    maps = find_method(name).maps(module, pixels, 1, [module.conv])
    assert all(m.ndim == 2 and m.dtype == np.float32 and np.isfinite(m).all() and m.min() >= 0 for m in maps)
