"""The phantom's physics against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from cxrlens.sources.phantom.bones import shell_chords
from cxrlens.sources.phantom.grid import Grid, ellipsoid, path_distance, root, smoothstep, tube_chord
from cxrlens.sources.phantom.physics import Beam, Paths, attenuation, coefficients, expose

SHAPE = (64, 64)


def grid(cm: float = 0.1) -> Grid:
    axis = (np.arange(SHAPE[0], dtype=np.float32) - SHAPE[0] / 2 + 0.5) * np.float32(cm)
    x, y = np.meshgrid(axis, axis)
    return Grid(x, y, cm)


def paths(**given: float) -> Paths:
    names = ("body", "lung", "air", "fat", "cortical", "spongy", "soft_in_lung")
    return Paths(**{name: np.full(SHAPE, given.get(name, 0.0), np.float32) for name in names})


def quiet_beam(**given: float) -> Beam:
    return Beam(**{"photons": 1e14, "scatter": 0.0, "blur_cm": 0.0, "electronic": 0.0, **given})


def test_slab_of_water_like_tissue_follows_beer_lambert() -> None:
    mu = coefficients(60.0)
    exposure = expose(attenuation(paths(body=10.0), mu), quiet_beam(), 0.1, np.random.default_rng(0))
    # NISTIR 5632: water has µ/ρ = 0.2059 cm²/g at 60 keV; soft tissue here has 1.05 g/cm³.
    np.testing.assert_allclose(exposure, np.exp(-0.2059 * 1.05 * 10.0), rtol=1e-3)


def test_two_slabs_attenuate_as_the_product_of_each() -> None:
    mu = coefficients(70.0)
    one, two = attenuation(paths(body=4.0), mu), attenuation(paths(body=7.0), mu)
    both = attenuation(paths(body=11.0), mu)
    np.testing.assert_allclose(np.exp(-both), np.exp(-one) * np.exp(-two), rtol=1e-5)


@pytest.mark.parametrize("tissue", ["cortical", "spongy", "soft_in_lung", "body", "fat"])
def test_more_of_any_dense_tissue_attenuates_more(tissue: str) -> None:
    mu = coefficients(60.0)
    integrals = [
        float(attenuation(paths(**{"body": 20.0, "lung": 12.0, tissue: t}), mu)[0, 0]) for t in (1.0, 2.0, 3.0)
    ]
    if tissue == "body":
        integrals = [float(attenuation(paths(body=t), mu)[0, 0]) for t in (1.0, 2.0, 3.0)]
    assert integrals[0] < integrals[1] < integrals[2]


@pytest.mark.parametrize("tissue", ["lung", "air"])
def test_more_air_attenuates_less(tissue: str) -> None:
    mu = coefficients(60.0)
    thin, thick = (float(attenuation(paths(**{"body": 20.0, tissue: t}), mu)[0, 0]) for t in (1.0, 8.0))
    assert thick < thin


def test_bone_stands_out_more_in_a_softer_beam() -> None:
    soft, hard = coefficients(45.0), coefficients(90.0)
    assert soft.cortical / soft.soft > hard.cortical / hard.soft > 1.5


def test_energy_outside_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="keV"):
        coefficients(30.0)


def test_quantum_noise_has_poisson_variance() -> None:
    beam = Beam(photons=1e6, scatter=0.0, blur_cm=0.0, electronic=0.0)
    integral = np.full((400, 400), 2.0, np.float32)
    exposure = expose(integral, beam, 0.1, np.random.default_rng(3))
    counts = exposure.astype(np.float64) * 1e6 * 0.01  # photons a pixel of 1 mm²
    assert counts.var() == pytest.approx(counts.mean(), rel=0.03)


def test_scatter_adds_and_lowers_contrast() -> None:
    integral = np.full((128, 128), 4.0, np.float32)
    integral[:, :64] = 3.0
    clean = expose(integral, quiet_beam(), 0.1, np.random.default_rng(0))
    fogged = expose(integral, quiet_beam(scatter=1.0), 0.1, np.random.default_rng(0))
    assert (fogged > clean).all()
    assert np.log(fogged[64, 30] / fogged[64, 98]) < np.log(clean[64, 30] / clean[64, 98]) - 0.05


def test_chord_through_a_sphere_is_pythagoras() -> None:
    g = grid()
    chord = ellipsoid(g, (0.2, -0.3), (2.0, 2.0, 2.0))
    expected = 2 * np.sqrt(np.maximum(4.0 - (g.x - 0.2) ** 2 - (g.y + 0.3) ** 2, 0.0))
    np.testing.assert_allclose(chord, expected, atol=2e-3)


def test_shell_and_inside_of_a_tube_add_up_to_the_tube() -> None:
    g = grid()
    distance = path_distance(g, np.array([[-10.0, 0.0], [10.0, 0.0]]))
    np.testing.assert_allclose(distance, np.abs(g.y), atol=1e-5)
    wall, inside = shell_chords(distance, 1.0, 0.2)
    np.testing.assert_allclose(wall + inside, tube_chord(distance, 1.0), atol=1e-5)
    # The wall is longest where the ray runs along it: that is a rib's bright edge.
    assert wall[np.abs(g.y) < 0.1].mean() < wall[(np.abs(g.y) > 0.7) & (np.abs(g.y) < 0.9)].mean()


def test_ramp_and_root_keep_their_ranges() -> None:
    value = np.linspace(-2, 2, 101, dtype=np.float32)
    assert smoothstep(value, -1.0, 1.0)[[0, 50, 100]].tolist() == [0.0, 0.5, 1.0]
    assert smoothstep(value, 1.0, -1.0)[[0, 50, 100]].tolist() == [1.0, 0.5, 0.0]
    assert root(value)[0] == 0.0
    assert value[0] == -2.0  # the argument is left alone
