"""Augmentation: properties that hold whatever is drawn."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.geometry.transform import warp_affine

from cxrlens.augmentation import STRENGTHS, Augmentation, AugmentationOptions, geometry
from cxrlens.errors import OptionError

NONE, STANDARD = STRENGTHS["none"], STRENGTHS["standard"]
STRONG = AugmentationOptions(
    rotation_deg=30,
    shift=0.2,
    zoom=0.3,
    gamma=1,
    contrast=0.9,
    brightness=0.5,
    noise=0.5,
    blur_probability=1,
    erase_probability=1,
    erase_area=0.3,
    border_probability=1,
    border_width=0.3,
    marker_probability=1,
    flip_probability=0.5,
    curve=2,
    resolution=0.9,
    local_contrast=3,
)


def radiographs(count: int = 6, side: int = 48) -> torch.Tensor:
    """Smooth random pictures: low frequencies, so that a warp does not change them beyond recognition."""
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 1, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(coarse, (side, side), mode="bilinear").clamp(0, 1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31), strength=st.sampled_from([*STRENGTHS.values(), STRONG]), side=st.sampled_from([32, 65])
)
def test_shape_type_and_range_are_kept_and_the_input_is_not_written_to(
    seed: int, strength: AugmentationOptions, side: int
) -> None:
    pixels = radiographs(side=side)
    before = pixels.clone()
    out = Augmentation(strength)(pixels, seeded(seed))
    assert out.shape == pixels.shape
    assert out.dtype == torch.float32
    assert bool(torch.isfinite(out).all())
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1
    assert torch.equal(pixels, before)


def test_zero_magnitude_is_the_identity() -> None:
    pixels = radiographs()
    assert torch.equal(Augmentation(NONE)(pixels, seeded()), pixels)


@pytest.mark.parametrize(
    "effect", [f.name for f in fields(AugmentationOptions) if f.name not in ("erase_area", "border_width")]
)
def test_each_effect_alone_changes_something(effect: str) -> None:
    alone = {effect: 1.0 if effect.endswith("probability") else getattr(STANDARD, effect) or 0.5}
    sizes = {"erase_area": 0.1, "border_width": 0.2}
    pixels = radiographs()
    out = Augmentation(replace(NONE, **{**sizes, **alone}))(pixels, seeded())
    assert float((out - pixels).abs().max()) > 0.005


def test_same_generator_same_result_and_another_seed_another() -> None:
    augment, pixels = Augmentation(), radiographs()
    assert torch.equal(augment(pixels, seeded(3)), augment(pixels, seeded(3)))
    assert not torch.equal(augment(pixels, seeded(3)), augment(pixels, seeded(4)))


def test_shares_of_ranks_together_are_the_global_batch() -> None:
    augment, pixels = Augmentation(STRONG), radiographs(7)
    drawn = augment.sample(7, seeded(5))
    whole = augment.apply(pixels, drawn)
    shares = [augment.apply(pixels[a:b], drawn.slice(a, b)) for a, b in ((0, 3), (3, 7))]
    # Convolutions and warps of other batch sizes may round otherwise in the last bit.
    torch.testing.assert_close(torch.cat(shares), whole, rtol=0, atol=1e-6)


def test_images_of_a_batch_are_treated_independently() -> None:
    augment = Augmentation()
    out = augment(radiographs(1).expand(6, -1, -1, -1), seeded())
    assert all(not torch.equal(out[0], out[i]) for i in range(1, 6))


@pytest.mark.parametrize("strength", STRENGTHS.values(), ids=STRENGTHS)
def test_no_preset_ever_mirrors(strength: AugmentationOptions) -> None:
    assert strength.flip_probability == 0
    assert not bool(Augmentation(strength).sample(500, seeded()).flip.any())


def test_mirror_is_exact_where_asked_for() -> None:
    pixels = radiographs()
    out = Augmentation(replace(NONE, flip_probability=1.0))(pixels, seeded())
    assert torch.equal(out, pixels.flip(-1))


def test_the_side_of_the_heart_survives_standard_augmentation() -> None:
    side = 64
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    heart = ((x - 42) ** 2 + (y - 40) ** 2 < 10**2).float()[None, None].expand(200, -1, -1, -1) * 0.9
    still = replace(STANDARD, erase_probability=0.0, marker_probability=0.0, border_probability=0.0)
    out = Augmentation(still)(heart, seeded())
    assert bool((out[..., side // 2 :].sum((1, 2, 3)) > out[..., : side // 2].sum((1, 2, 3))).all())


def test_rotation_turns_about_the_centre_by_the_drawn_angle() -> None:
    side = 65
    pixels = torch.zeros(1, 1, side, side)
    pixels[0, 0, 31:34, 50:60] = 1  # a bar to the right of the centre
    augment = Augmentation(replace(NONE, rotation_deg=90.0))
    drawn = augment.sample(1, seeded())
    drawn.angle_deg.fill_(90.0)
    out = augment.apply(pixels, drawn)[0, 0]
    assert float(out[51:59, 32].mean()) > 0.9  # clockwise: the bar hangs below the centre
    assert float(out[32, 51:59].mean()) < 0.1


def test_the_warp_is_that_of_kornia() -> None:
    augment, pixels = Augmentation(replace(STRONG, flip_probability=0.0)), radiographs(6, 57)
    drawn = augment.sample(6, seeded())
    reference = warp_affine(pixels, geometry.motion(drawn, 57)[:, :2], (57, 57), align_corners=True)
    torch.testing.assert_close(geometry.stand(pixels, drawn), reference, rtol=0, atol=1e-4)


def test_shift_and_zoom_move_by_what_was_drawn() -> None:
    pixels = torch.zeros(1, 1, 65, 65)
    pixels[0, 0, 32, 32] = 1
    augment = Augmentation(replace(NONE, shift=0.5))
    drawn = augment.sample(1, seeded())
    drawn.shift.copy_(torch.tensor([[10 / 65, -5 / 65]]))
    assert float(augment.apply(pixels, drawn)[0, 0, 27, 42]) > 0.99
    disc = torch.zeros(1, 1, 65, 65)
    disc[0, 0, 22:43, 22:43] = 1
    zoomed = Augmentation(replace(NONE, zoom=0.5))
    drawn = zoomed.sample(1, seeded())
    drawn.zoom.fill_(1.5)
    assert float(zoomed.apply(disc, drawn).sum() / disc.sum()) == pytest.approx(1.5**2, rel=0.05)


def test_noise_is_strongest_where_few_photons_pass() -> None:
    augment = Augmentation(replace(NONE, noise=0.05))
    drawn = augment.sample(2, seeded())
    drawn.noise.fill_(0.05)
    flat = torch.stack([torch.full((1, 200, 200), 0.2), torch.full((1, 200, 200), 0.8)])
    dark, white = (augment.apply(flat, drawn) - flat).std((1, 2, 3)).tolist()
    assert dark == pytest.approx(0.05 * 0.6, rel=0.05)
    assert white == pytest.approx(0.05 * 0.9, rel=0.05)


def test_collimation_blackens_margins_and_nothing_else() -> None:
    pixels = radiographs(20).clamp(0.1, 1)
    out = Augmentation(replace(NONE, border_probability=1.0, border_width=0.2))(pixels, seeded())
    changed = out != pixels
    assert bool(changed.any())
    assert bool((out[changed] == 0).all())
    assert not bool(changed[:, :, 12:36, 12:36].any())


def test_markers_lie_in_upper_corners_and_only_brighten() -> None:
    pixels = torch.zeros(50, 1, 96, 96)
    out = Augmentation(replace(NONE, marker_probability=1.0))(pixels, seeded())
    assert bool((out.amax((1, 2, 3)) >= 0.75).all())
    assert float(out[:, :, 30:].max()) == 0
    assert float(out[:, :, :, 30:66].max()) == 0
    share = (out > 0).float().mean((1, 2, 3))
    assert float(share.min()) > 0.0005
    assert float(share.max()) < 0.02


def test_effects_happen_as_often_as_asked() -> None:
    drawn = Augmentation(replace(STANDARD, erase_probability=0.3)).sample(4000, seeded())
    assert float((drawn.erase[:, 2] > 0).float().mean()) == pytest.approx(0.3, abs=0.03)


def test_switching_one_effect_off_leaves_the_others_draws() -> None:
    a = Augmentation(STANDARD).sample(8, seeded())
    b = Augmentation(replace(STANDARD, rotation_deg=0.0)).sample(8, seeded())
    assert float(b.angle_deg.abs().max()) == 0
    assert torch.equal(a.gamma, b.gamma)
    assert torch.equal(a.marker, b.marker)


@pytest.mark.parametrize(
    ("name", "value"), [("rotation_deg", -1.0), ("noise", 2.0), ("flip_probability", 1.5), ("shift", float("nan"))]
)
def test_impossible_magnitudes_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(OptionError, match=name):
        AugmentationOptions(**{name: value})


def test_options_survive_json_and_unknown_effects_are_named() -> None:
    assert AugmentationOptions.from_dict(STRONG.to_dict()) == STRONG
    with pytest.raises(OptionError, match="sparkle"):
        AugmentationOptions.from_dict({"sparkle": 1})


def test_other_shapes_are_refused() -> None:
    augment = Augmentation()
    with pytest.raises(ValueError, match="must be"):
        augment(torch.zeros(2, 3, 8, 8), seeded())
    with pytest.raises(ValueError, match="3 parameters for 2"):
        augment.apply(torch.zeros(2, 1, 8, 8), augment.sample(3, seeded()))
