"""The pieces of the explanations' scorecard: likeness, forgetting, hiding, moving, rivals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve
from scipy.stats import spearmanr
from torch import Tensor, nn

from cxrlens.borders import Box
from cxrlens.doubts.places import elsewhere, hottest, share_in_lungs, share_of_film
from cxrlens.explanation.scorecard.deletion import SHARES, follow
from cxrlens.explanation.scorecard.imputation import impute
from cxrlens.explanation.scorecard.randomisation import cascade, layers_from_the_top, random_network
from cxrlens.explanation.scorecard.repeatability import MOVES, moved, moved_back, seen_by_both
from cxrlens.explanation.scorecard.rivals import centre, edges
from cxrlens.explanation.scorecard.similarity import rank_correlation, structural_similarity
from cxrlens.model import build_model

SIDE = 64


class Corner(nn.Module):
    """Class 0 where the upper left eighth is bright, class 1 where it is dark; nothing else matters."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x[:, 0, :16, :16].mean(dim=(1, 2))
        return torch.stack([20 * (bright - 0.5), 20 * (0.5 - bright)], dim=1)


def smooth_maps(n: int, seed: int = 0) -> np.ndarray:
    noise = torch.randn(n, 1, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(seed))
    maps = torch.nn.functional.interpolate(noise, size=(SIDE, SIDE), mode="bilinear").relu()[:, 0].numpy()
    return (maps / maps.max(axis=(1, 2), keepdims=True)).astype(np.float32)


def test_rank_correlation_is_scipys_ties_included():
    a, b = smooth_maps(3), smooth_maps(3, seed=1)
    found = rank_correlation(a, b)
    assert found == pytest.approx([spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)])
    assert rank_correlation(a, a) == pytest.approx(1.0)


def test_a_map_without_heat_is_like_nothing():
    a = smooth_maps(2)
    assert rank_correlation(a, np.zeros_like(a)).tolist() == [0.0, 0.0]


def test_structural_similarity_is_that_of_the_paper():
    a, b = smooth_maps(2), smooth_maps(2, seed=5)

    def mean(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x.astype(np.float64), 1.5, mode="mirror", radius=5)

    def reference(x: np.ndarray, y: np.ndarray) -> float:
        mx, my, c1, c2 = mean(x), mean(y), 0.01**2, 0.03**2
        vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
        index = (2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        return float(index.mean())

    assert structural_similarity(a, b) == pytest.approx([reference(x, y) for x, y in zip(a, b, strict=True)], abs=1e-3)
    assert structural_similarity(a, a) == pytest.approx(1.0, abs=1e-4)


def test_the_cascade_forgets_from_the_top_down_and_leaves_the_network_alone():
    model = build_model("compact", size=SIDE).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    layers = layers_from_the_top(model, SIDE)
    assert isinstance(model.get_submodule(layers[0][0]), nn.Linear)
    stages = list(cascade(model, SIDE, most=4))
    assert [s.randomised for s in stages] == sorted({s.randomised for s in stages})
    assert stages[0].randomised == 1
    assert stages[-1].randomised == stages[-1].of == len(layers)
    for stage in stages:
        changed = {
            names[0]
            for names in layers
            if not torch.equal(next(stage.module.get_submodule(names[0]).parameters()), before[f"{names[0]}.weight"])
        }
        assert changed == {names[0] for names in layers[: stage.randomised]}
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_an_untrained_copy_is_the_same_for_the_same_seed_and_another_for_another():
    model = build_model("compact", size=SIDE).eval()
    film = torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, again, other = (random_network(model, SIDE, seed)(film) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def exact_imputation(image: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The linear system of the paper, solved with a sparse solver."""
    number = {tuple(p): i for i, p in enumerate(np.argwhere(gone))}
    system, right = lil_matrix((len(number), len(number))), np.zeros(len(number))
    for (y, x), i in number.items():
        total = 0.0
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                at = (y + dy, x + dx)
                if (dy, dx) == (0, 0) or not (0 <= at[0] < image.shape[0] and 0 <= at[1] < image.shape[1]):
                    continue
                weight = 1 / 12 if dy and dx else 1 / 6
                total += weight
                if at in number:
                    system[i, number[at]] = -weight
                else:
                    right[i] += weight * image[at]
        system[i, i] = total
    filled = image.copy()
    filled[gone] = spsolve(system.tocsr(), right)
    return filled


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("scattered", [False, True])
def test_imputed_pixels_solve_the_linear_system_of_the_paper(share: float, scattered: bool):
    rng = np.random.default_rng(0)
    image = np.clip(0.5 + 0.5 * smooth_maps(1)[0] - 0.2 + 0.03 * rng.standard_normal((SIDE, SIDE)), 0, 1)
    heat = rng.random((SIDE, SIDE)) if scattered else smooth_maps(1, seed=3)[0]
    gone = hottest(heat[None].astype(np.float32), share)
    tensors = [torch.from_numpy(a)[None, None] for a in (image.astype(np.float32), gone[0])]
    found = impute(*tensors, torch.Generator().manual_seed(0), noise=0.0)[0, 0].numpy()
    exact = exact_imputation(image, gone[0])
    assert np.abs(found - exact)[gone[0]].mean() < 0.005
    assert np.array_equal(found[~gone[0]], image.astype(np.float32)[~gone[0]])


def test_the_noise_is_where_pixels_are_gone_and_nowhere_else():
    image, gone = torch.full((1, 1, SIDE, SIDE), 0.5), torch.zeros(1, 1, SIDE, SIDE, dtype=torch.bool)
    gone[..., 20:40, 20:40] = True
    found = impute(image, gone, torch.Generator().manual_seed(0))
    assert float(found[gone].std()) == pytest.approx(0.01, rel=0.15)
    assert torch.equal(found[~gone], image[~gone])


def test_as_many_pixels_are_hottest_as_were_asked_for_also_among_ties():
    maps = np.concatenate([smooth_maps(2), np.zeros((1, SIDE, SIDE), dtype=np.float32)])
    for share in SHARES:
        chosen = hottest(maps, share)
        assert set(chosen.sum(axis=(1, 2))) == {round(share * SIDE * SIDE)}
    top = hottest(maps[:1], 0.05)[0]
    assert maps[0][top].min() >= maps[0][~top].max()


def test_deletion_tells_the_place_that_matters_from_one_that_does_not():
    frames = torch.full((3, 1, SIDE, SIDE), 0.2)
    frames[..., :16, :16] = 0.9
    right, wrong = (np.zeros((3, SIDE, SIDE), dtype=np.float32) for _ in range(2))
    right[:, :16, :16], wrong[:, 40:56, 40:56] = 1.0, 1.0
    targets = np.zeros(3, dtype=np.intp)
    told, missed = (follow(Corner(), frames, targets, maps) for maps in (right, wrong))
    assert told.drop.min() > 0.4
    assert np.abs(missed.drop).max() < 0.2
    assert told.kept.min() > missed.kept.max() + 0.1


@pytest.mark.parametrize("move", MOVES, ids=lambda m: m.name)
def test_a_map_that_moves_with_the_film_comes_back_where_it_was(move):
    maps = smooth_maps(2)
    back = moved_back(moved(maps, move), move)
    inside = seen_by_both(SIDE, move)
    assert 0.7 < inside.mean() < 1
    assert rank_correlation(maps, back, inside).min() > 0.95
    assert not np.array_equal(moved(maps, move), maps)


def test_elsewhere_is_the_same_heat_at_another_place():
    maps = smooth_maps(4)
    away = elsewhere(maps, np.random.default_rng(0))
    assert np.array_equal(np.sort(maps.reshape(4, -1)), np.sort(away.reshape(4, -1)))
    assert rank_correlation(maps, away).max() < 0.8


def test_edges_are_those_of_the_film_and_not_of_its_frame():
    frame = np.zeros((1, SIDE, SIDE), dtype=np.uint8)
    frame[:, 8:56, 8:56] = 120
    frame[:, 30:34, 8:56] = 200
    found = edges(frame, [Box(8, 8, 48, 48)])[0]
    assert found.max() == pytest.approx(1.0)
    assert found[:, :6].max() < 0.05
    assert found[28:36, 20:40].mean() > 5 * found[14:22, 20:40].mean()


def test_the_blob_is_in_the_middle():
    blob = centre(2, SIDE)
    assert np.unravel_index(blob[0].argmax(), blob[0].shape) in {(31, 31), (31, 32), (32, 31), (32, 32)}
    assert np.array_equal(blob[0], blob[1])


def test_shares_in_the_lungs_and_of_the_film():
    lungs = np.zeros((SIDE, SIDE), dtype=bool)
    lungs[16:48, 16:48] = True
    heat = np.zeros((3, SIDE, SIDE), dtype=np.float32)
    heat[0, 20:30, 20:30] = 1.0  # inside
    heat[1, 20:30, 11:21] = 1.0  # half of it
    found = share_in_lungs(heat, [lungs] * 3)
    assert found[:2] == pytest.approx([1.0, 0.5])
    assert np.isnan(found[2])  # no heat, no share
    assert share_of_film(lungs, Box(0, 0, SIDE, SIDE)) == pytest.approx(0.25)
    assert share_of_film(lungs, Box(16, 0, 32, SIDE)) == pytest.approx(0.5)
