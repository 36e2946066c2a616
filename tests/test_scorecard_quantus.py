"""The scorecard's figures against Quantus (Hedström et al., JMLR 2023), where it is installed.

It is left out of the usual environment: its opencv-python lies over opencv-python-headless, and its licence is LGPL.
``pip install --no-deps quantus cachetools`` beside the product is all that these tests need; see docs/explanations.md.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cxrlens.doubts.places import hottest
from cxrlens.explanation.localisation import scores_of_heat
from cxrlens.explanation.scorecard.imputation import impute
from cxrlens.explanation.scorecard.maps import Explainer
from cxrlens.explanation.scorecard.similarity import rank_correlation
from cxrlens.model import build_model, cam_layers

quantus = pytest.importorskip(
    "quantus", reason="Quantus is not installed: pip install --no-deps quantus cachetools (docs/explanations.md)"
)

SIDE, FILMS = 64, 16


@pytest.fixture(scope="module")
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures (n, 1, S, S), Grad-CAM maps (n, S, S) of a real network for class 2, and a lesion each (n, S, S)."""
    torch.manual_seed(0)
    model = build_model("compact", size=SIDE).eval()
    pixels = torch.nn.functional.interpolate(torch.rand(FILMS, 1, 16, 16), size=(SIDE, SIDE), mode="bilinear")
    explainer = Explainer(model, "grad-cam", cam_layers(model)[-1][0])
    maps = explainer(pixels, [2] * FILMS)
    rng = np.random.default_rng(0)
    lesions = np.zeros((FILMS, SIDE, SIDE), dtype=bool)
    for lesion in lesions:
        y, x = rng.integers(0, SIDE - 24, 2)
        lesion[y : y + 24, x : x + 24] = True
    return pixels.numpy(), maps, lesions


def asked(metric: object, scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> list[float]:
    pixels, maps, lesions = scene
    return metric(
        model=torch.nn.Identity(),
        x_batch=pixels,
        y_batch=np.full(FILMS, 2),
        a_batch=maps[:, None],
        s_batch=lesions[:, None],
        channel_first=True,
        device="cpu",
    )


def quiet(metric: str, **settings: object) -> object:
    return getattr(quantus, metric)(disable_warnings=True, display_progressbar=False, normalise=False, **settings)


def test_the_maps_have_something_to_compare(scene: tuple[np.ndarray, np.ndarray, np.ndarray]):
    assert (scene[1].max(axis=(1, 2)) > 0).sum() >= FILMS // 2


def test_energy_in_the_lesion_is_quantus_attribution_localisation(scene: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, maps, lesions = scene
    ours = [scores_of_heat(m, lesion)["energy"] for m, lesion in zip(maps, lesions, strict=True)]
    theirs = asked(quiet("AttributionLocalisation", positive_attributions=True), scene)
    assert np.ptp(ours) > 0.1
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_pointing_game_is_quantus(scene: tuple[np.ndarray, np.ndarray, np.ndarray]):
    _, maps, lesions = scene
    with_heat = maps.max(axis=(1, 2)) > 0  # a map without heat misses here; there all its pixels are hottest
    ours = np.array([scores_of_heat(m, lesion)["pointing"] for m, lesion in zip(maps, lesions, strict=True)])
    theirs = np.array(asked(quiet("PointingGame"), scene), dtype=float)
    # Where several pixels are hottest alike, Quantus counts any of them and this scorecard the share of them.
    assert ((ours > 0) == (theirs > 0))[with_heat].all()
    assert 0 < theirs[with_heat].mean() < 1


def test_imputed_pixels_are_quantus_noisy_linear_imputation(scene: tuple[np.ndarray, np.ndarray, np.ndarray]):
    pixels, maps, _ = scene
    worst = []
    for film, heat in zip(pixels[:4], maps[:4], strict=True):
        gone = hottest(heat[None], 0.2)[0]
        theirs = quantus.perturb_func.noisy_linear_imputation(film.astype(float), np.flatnonzero(gone), noise=0.0)[0]
        tensors = torch.from_numpy(film)[None], torch.from_numpy(gone)[None, None]
        ours = impute(*tensors, torch.Generator().manual_seed(0), noise=0.0)[0, 0].numpy()
        worst.append(float(np.abs(ours - theirs)[gone].mean()))
    assert max(worst) < 0.008  # the mean size of the noise that is added


def test_rank_correlation_is_quantus(scene: tuple[np.ndarray, np.ndarray, np.ndarray]):
    maps = scene[1][scene[1].max(axis=(1, 2)) > 0]
    ours = rank_correlation(maps, np.roll(maps, 1, axis=0))
    pairs = zip(maps, np.roll(maps, 1, axis=0), strict=True)
    theirs = [quantus.similarity_func.correlation_spearman(a.ravel(), b.ravel()) for a, b in pairs]
    assert ours == pytest.approx(theirs, abs=1e-5)
