"""Effects that hide a source, and the strengths that use them."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrlens.augmentation import STRENGTHS, Augmentation, AugmentationOptions, Parameters
from cxrlens.augmentation.options import _MOST
from cxrlens.augmentation.parameters import sample

NONE = STRENGTHS["none"]
NEW = ("curve", "resolution", "local_contrast")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps(count: int = 5, side: int = 48) -> torch.Tensor:
    """Every grey value from black to white, in order."""
    return torch.linspace(0, 1, side * side).reshape(1, 1, side, side).repeat(count, 1, 1, 1)


def noise(count: int = 5, side: int = 48) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=seeded(1))


@pytest.mark.parametrize("strength", ["none", "light", "standard"])
def test_strengths_of_before_draw_what_they_drew(strength: str) -> None:
    """Hashes of what the version before these effects drew from the same seed."""
    drawn = sample(STRENGTHS[strength], 16, seeded(5))
    old = [f.name for f in fields(Parameters) if f.name not in ("curve", "resolution", "local_gain", "local_cells")]
    data = b"".join(np.ascontiguousarray(getattr(drawn, name).numpy()).tobytes() for name in old)
    known = {
        "none": "bb4dcc0b7eb45cd1",
        "light": "db0ffa425127ef4c",
        "standard": "f607476bb3826b34",
    }
    assert hashlib.sha256(data).hexdigest()[:16] == known[strength]
    assert all(getattr(STRENGTHS[strength], name) == 0 for name in NEW)


def test_strong_is_stronger_than_standard_in_every_effect_but_the_mirror() -> None:
    for f in fields(AugmentationOptions):
        strong, standard = getattr(STRENGTHS["strong"], f.name), getattr(STRENGTHS["standard"], f.name)
        assert strong == standard == 0 if f.name == "flip_probability" else strong > standard
    signature = STRENGTHS["signature"]
    assert replace(signature, **dict.fromkeys(NEW, 0.0)) == STRENGTHS["standard"]


@pytest.mark.parametrize("effect", NEW)
def test_switching_one_on_leaves_the_others_draws(effect: str) -> None:
    before = sample(STRENGTHS["standard"], 8, seeded())
    after = sample(replace(STRENGTHS["standard"], **{effect: 0.5}), 8, seeded())
    changed = {f.name for f in fields(Parameters) if not torch.equal(getattr(before, f.name), getattr(after, f.name))}
    assert changed == {"local_gain" if effect == "local_contrast" else effect}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), strength=st.floats(0.1, _MOST["curve"]))
def test_a_tone_curve_keeps_order_black_and_white(seed: int, strength: float) -> None:
    out = Augmentation(replace(NONE, curve=strength))(ramps(), seeded(seed)).flatten(1)
    assert bool((out.diff(dim=1) >= -1e-6).all())
    assert out[:, 0].tolist() == pytest.approx([0] * 5, abs=1e-6)
    assert out[:, -1].tolist() == pytest.approx([1] * 5, abs=1e-6)


def test_even_rises_are_no_curve_and_uneven_ones_pass_through_their_knots() -> None:
    augment = Augmentation(replace(NONE, curve=1.0))
    drawn = augment.sample(5, seeded())
    drawn.curve.fill_(2.0)
    torch.testing.assert_close(augment.apply(noise(), drawn), noise(), rtol=0, atol=1e-5)
    drawn.curve[:] = torch.tensor([1.0, 2, 3, 4, 5, 6])
    at_knots = torch.linspace(0, 1, 7)[:, None, None, None].expand(7, 1, 8, 8)
    for i, knot in enumerate((0, 1, 3, 6, 10, 15, 21)):
        out = augment.apply(at_knots[i : i + 1], drawn.slice(0, 1))
        assert float(out.mean()) == pytest.approx(knot / 21, abs=2e-3)


def test_resolution_loss_removes_detail_and_keeps_the_mean() -> None:
    augment = Augmentation(replace(NONE, resolution=0.8))
    drawn = augment.sample(5, seeded())
    drawn.resolution[:] = torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2])
    out = augment.apply(noise(), drawn)
    assert torch.equal(out[0], noise()[0])
    spread = out.flatten(1).std(1)
    assert spread.tolist() == sorted(spread.tolist(), reverse=True)
    assert float(spread[-1]) < 0.4 * float(spread[0])
    torch.testing.assert_close(out.flatten(1).mean(1), noise().flatten(1).mean(1), rtol=0, atol=0.01)


def test_local_contrast_scales_detail_and_leaves_slow_changes() -> None:
    augment = Augmentation(replace(NONE, local_contrast=1.0))
    flat = torch.full((5, 1, 48, 48), 0.5)
    detail = 0.1 * torch.sin(torch.arange(48) * 2.0)
    drawn = augment.sample(5, seeded())
    drawn.local_gain.fill_(1.0)
    torch.testing.assert_close(augment.apply(flat + detail, drawn), flat + detail)
    drawn.local_gain.fill_(2.0)
    drawn.local_cells.fill_(6)
    out = augment.apply(flat + detail, drawn)
    assert float(out.std() / (flat + detail).std()) == pytest.approx(2, rel=0.1)
    torch.testing.assert_close(augment.apply(flat, drawn), flat)


@pytest.mark.parametrize("effect", NEW)
def test_shares_of_ranks_together_are_the_global_batch(effect: str) -> None:
    augment, pixels = Augmentation(replace(NONE, **{effect: _MOST[effect]})), noise(7)
    drawn = augment.sample(7, seeded(5))
    shares = [augment.apply(pixels[a:b], drawn.slice(a, b)) for a, b in ((0, 3), (3, 7))]
    torch.testing.assert_close(torch.cat(shares), augment.apply(pixels, drawn), rtol=0, atol=1e-6)


def test_hidden_sources_cannot_be_told_by_their_curve() -> None:
    """Two sources that differ in gamma alone: after the curve their mean greys overlap, where they did not."""
    base = torch.rand(200, 1, 16, 16, generator=seeded(2))
    bright, dark = base[:100] ** 0.85, base[100:] ** 1.15

    def overlap(a: torch.Tensor, b: torch.Tensor) -> float:
        x, y = a.flatten(1).mean(1), b.flatten(1).mean(1)
        return float((x[:, None] < y[None]).float().mean())

    augment = Augmentation(replace(NONE, curve=_MOST["curve"]))
    assert overlap(bright, dark) < 0.01
    assert overlap(augment(bright, seeded(3)), augment(dark, seeded(4))) > 0.1
