"""Tones that bring films to one histogram or one local contrast; those of before are what they were."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import truncnorm

from cxrlens.preprocessing import Preprocessing
from cxrlens.preprocessing.tone import TONES, equalise, local
from cxrlens.radiograph import Radiograph


def film(h: int = 120, w: int = 100, seed: int = 0) -> np.ndarray:
    """A smooth body with detail, between 0.05 and 0.95."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((6, 5)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
    picture = coarse + 0.1 * rng.standard_normal((h, w)).astype(np.float32)
    low, high = picture.min(), picture.max()
    return (0.05 + 0.9 * (picture - low) / (high - low)).astype(np.float32)


@pytest.mark.parametrize(
    ("tone", "known"),
    [
        ("stretch", "407779b48a955762512e60e6"),
        ("none", "ed5e98ab4d26bae45609dd0d"),
        ("clahe", "34b4bdd2b61e7f53d6f92ff6"),
    ],
)
def test_tones_and_fingerprints_of_before_are_what_they_were(tone: str, known: str) -> None:
    """Hashes of what the version before the new tones made of the same film."""
    y, x = np.mgrid[:200, :160].astype(np.float32)
    picture = (
        0.2 + 0.5 * (np.abs(x - 80) / 80) * (y / 200) + ((x.astype(int) * 7 + y.astype(int) * 3) % 5) / 50
    ).astype(np.float32)
    pixels = Preprocessing(size=64, tone=tone)(Radiograph(picture))
    assert hashlib.sha256(pixels.tobytes()).hexdigest()[:12] + Preprocessing(tone=tone).fingerprint == known


@settings(max_examples=30, deadline=None)
@given(gamma=st.floats(0.3, 3), gain=st.floats(0.3, 1), offset=st.floats(0, 0.2), seed=st.integers(0, 50))
def test_equalise_undoes_any_monotone_curve(gamma: float, gain: float, offset: float, seed: int) -> None:
    picture = np.round(film(seed=seed) * 2000).astype(np.float32) / 2000  # greys far enough apart to stay apart
    curved = (np.float64(picture) ** gamma * gain * 0.8 + offset).astype(np.float32)
    if len(np.unique(curved)) == len(np.unique(picture)):
        np.testing.assert_allclose(equalise(curved), equalise(picture), atol=1e-6)


def test_equalise_gives_every_film_the_reference_histogram() -> None:
    quantiles = np.linspace(0.02, 0.98, 49)
    expected = truncnorm.ppf(quantiles, -0.5 / 0.22, 0.5 / 0.22, loc=0.5, scale=0.22)
    for picture in (film(), film(seed=3) ** 2, 1 - film(seed=4) ** 0.5):
        np.testing.assert_allclose(np.quantile(equalise(picture.astype(np.float32)), quantiles), expected, atol=2e-3)


def test_black_surroundings_stay_black_and_take_no_grey_from_the_patient() -> None:
    picture = film()
    framed = np.zeros((220, 200), dtype=np.float32)
    framed[50:170, 50:150] = picture
    out = equalise(framed)
    assert out[:50].max() == 0
    inner = picture > picture.min()
    assert np.abs(out[50:170, 50:150] - equalise(picture))[inner].max() < 0.01


def test_equal_greys_stay_equal_and_order_is_kept() -> None:
    picture = np.round(film() * 20).astype(np.float32) / 20
    out = equalise(picture)
    levels = [np.unique(out[picture == v]) for v in np.unique(picture)]
    assert all(len(v) == 1 for v in levels)
    assert np.all(np.diff([float(v[0]) for v in levels]) > 0)


def test_local_brings_faint_and_strong_detail_to_one_contrast() -> None:
    rng = np.random.default_rng(0)
    detail = rng.standard_normal((128, 128)).astype(np.float32)
    strength = np.where(np.arange(128) < 64, 0.02, 0.06).astype(np.float32)
    shade = np.linspace(0.3, 0.7, 128, dtype=np.float32)[:, None]
    out = local(shade + detail * strength)
    left, right = out[:, 8:48].std(), out[:, 80:120].std()
    assert right / left == pytest.approx(1, abs=0.1)
    assert left == pytest.approx(1 / 6, abs=0.02)
    assert abs(float(out[20:40].mean()) - float(out[-40:-20].mean())) < 0.02  # the slow shade is gone


def test_local_ignores_gain_offset_and_keeps_air_calm() -> None:
    picture = film()
    assert np.abs(local(picture) - local(0.5 * picture + 0.2)).max() < 1e-3
    framed = np.zeros((240, 100), dtype=np.float32)
    framed[:120] = picture
    framed[120:] = 1e-3 * np.random.default_rng(1).random((120, 100))
    assert local(framed)[190:].std() < 0.25 * local(framed)[:60].std()


@pytest.mark.parametrize("tone", TONES)
def test_flat_films_stay_flat_and_values_in_range(tone: str) -> None:
    flat = np.full((40, 30), 0.4, dtype=np.float32)
    assert np.ptp(TONES[tone](flat)) <= 2 / 255
    for seed in range(3):
        out = TONES[tone](film(seed=seed))
        assert out.dtype == np.float32
        assert out.min() >= 0
        assert out.max() <= 1
