"""Preprocessing is deterministic, keeps the film's shape, states its range, and finds the way back."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxrlens.borders import content_box
from cxrlens.errors import OptionError
from cxrlens.preprocessing import Preprocessing, check_model_input, to_model_input
from cxrlens.preprocessing.tone import TONES, stretch
from cxrlens.radiograph import Radiograph


def film(h=300, w=240, seed=0):
    """Smooth synthetic texture in [0.2, 0.8]: no line of it is uniform."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:h, 0:w] / 40.0
    texture = 0.5 + 0.2 * np.sin(x + rng.random()) * np.cos(y) + 0.1 * np.sin(3 * y + x)
    return np.clip(texture + rng.normal(0, 0.01, (h, w)), 0.2, 0.8).astype(np.float32)


def framed(inner, top, bottom, left, right, level):
    return np.pad(inner, ((top, bottom), (left, right)), constant_values=np.float32(level))


@pytest.mark.parametrize("level", [0.0, 1.0])
@pytest.mark.parametrize("sides", [(30, 0, 0, 0), (0, 25, 0, 40), (30, 30, 30, 30), (0, 0, 200, 0)])
def test_uniform_black_and_white_frames_are_trimmed(level, sides):
    top, bottom, left, right = sides
    box = content_box(framed(film(), top, bottom, left, right, level))
    assert abs(box.y0 - top) <= 2
    assert abs(box.x0 - left) <= 2
    assert abs(box.h - 300) <= 4
    assert abs(box.w - 240) <= 4
    assert box.y0 <= top  # rounded outwards: nothing of the film goes
    assert box.y0 + box.h >= top + 300


def test_a_letter_in_the_frame_does_not_keep_it():
    picture = framed(film(), 40, 0, 0, 0, 0.0)
    picture[10:16, 5:10] = 1.0
    assert content_box(picture).y0 >= 38


def test_films_without_frames_keep_every_pixel():
    grey_frame = framed(film(), 30, 30, 30, 30, 0.4)
    for picture in (film(), film(60, 500), grey_frame):
        assert content_box(picture) == (0, 0, *picture.shape)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_images_are_left_whole_and_finite(level):
    picture = np.full((100, 80), level, dtype=np.float32)
    assert content_box(picture) == (0, 0, 100, 80)
    out = Preprocessing()(Radiograph(picture))
    assert out.max() == round(level * 255)


def test_stretch_ignores_gain_and_offset():
    base = film()
    assert np.abs(stretch(base) - stretch(0.4 * base + 0.3)).max() < 1e-4
    assert stretch(base).min() == 0.0
    assert stretch(base).max() == 1.0


@pytest.mark.parametrize("tone", TONES)
@pytest.mark.parametrize("shape", [(300, 240), (40, 400), (90, 100), (1, 1), (1, 700), (513, 2)])
@pytest.mark.parametrize("keep_aspect", [True, False])
def test_any_shape_becomes_the_frame_and_twice_the_same(tone, shape, keep_aspect):
    run = Preprocessing(size=128, tone=tone, keep_aspect=keep_aspect)
    radiograph = Radiograph(film(*shape))
    first, second = run(radiograph), run(radiograph)
    assert first.shape == (128, 128)
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)


def test_aspect_is_kept_and_the_rest_is_black_padding():
    run = Preprocessing(size=128, trim_borders=False, tone="none")
    out = run(Radiograph(film(400, 200)))
    place = run.placement(Radiograph(film(400, 200)))
    assert place.inner == (0, 32, 128, 64)
    assert out[:, :32].max() == 0
    assert out[:, 96:].max() == 0
    assert out[:, 32:96].min() > 40


def test_reduction_is_antialiased():
    stripes = np.tile(np.array([0.0, 1.0], dtype=np.float32), (512, 256))
    out = Preprocessing(size=64, trim_borders=False, tone="none")(Radiograph(stripes))
    assert np.abs(out.astype(int) - 127).max() <= 1


@settings(max_examples=25, deadline=None)
@given(h=st.integers(40, 400), w=st.integers(40, 400), top=st.integers(0, 60), left=st.integers(0, 60), data=st.data())
def test_a_blob_found_in_the_frame_lies_where_it_lies_in_the_original(h, w, top, left, data):
    picture = framed(film(h, w), top, 0, left, 0, 0.0)
    run = Preprocessing(size=128)
    place = run.placement(Radiograph(picture))
    side = max(8, max(picture.shape) // 12)
    y = data.draw(st.integers(place.crop.y0, place.crop.y0 + place.crop.h - side))
    x = data.draw(st.integers(place.crop.x0, place.crop.x0 + place.crop.w - side))
    mask = np.zeros(picture.shape, dtype=bool)
    mask[y : y + side, x : x + side] = True
    back = place.to_original(place.mask_to_frame(mask).astype(np.float32)) > 0.5
    assert back.shape == mask.shape
    assert (back & mask).sum() / (back | mask).sum() > 0.6  # a frame pixel may be several original ones
    rows, columns = np.nonzero(place.mask_to_frame(mask))
    centre = place.point_to_original(rows.mean(), columns.mean())
    assert np.hypot(centre[0] - (y + side / 2 - 0.5), centre[1] - (x + side / 2 - 0.5)) <= 1.0 / min(place.scale)


def test_heat_outside_the_film_is_never_mapped_back():
    run = Preprocessing(size=64)
    picture = framed(film(200, 100), 50, 0, 0, 0, 0.0)
    place = run.placement(Radiograph(picture))
    heat = place.to_original(np.ones((64, 64)))
    assert heat[: place.crop.y0].max() == 0
    assert heat[place.crop.y0 :].min() == 1.0
    with pytest.raises(ValueError, match="64, 64"):
        place.to_original(np.ones((32, 32)))
    with pytest.raises(ValueError, match="mask of this radiograph"):
        place.mask_to_frame(np.ones((64, 64), dtype=bool))


def test_options_survive_json_and_every_one_changes_the_fingerprint():
    base = Preprocessing()
    assert Preprocessing.from_dict(json.loads(json.dumps(base.to_dict()))) == base
    others = [Preprocessing(size=64), Preprocessing(trim_borders=False), Preprocessing(tone="none")]
    others.append(Preprocessing(keep_aspect=False))
    assert len({p.fingerprint for p in [base, *others]}) == 5
    assert base.fingerprint == Preprocessing(128, True, "stretch", True).fingerprint


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"sise": 128}, "no option 'sise'"),
        ({"size": 3}, "no usable side"),
        ({"size": "128"}, "no usable side"),
        ({"tone": "warm"}, "'warm' is not known"),
        ({"trim_borders": 1}, "neither true nor false"),
        ({"version": 999}, "version 999"),
    ],
)
def test_options_that_cannot_be_met_are_refused_in_one_line(values, said):
    with pytest.raises(OptionError, match=said):
        Preprocessing.from_dict(values)


def test_model_input_is_uint8_over_255():
    pixels = np.array([[0, 255], [51, 102]], dtype=np.uint8)
    given_to_model = to_model_input(pixels)
    assert given_to_model.shape == (1, 1, 2, 2)
    assert given_to_model.dtype == np.float32
    assert np.allclose(given_to_model[0, 0], [[0, 1], [0.2, 0.4]])
    check_model_input(given_to_model, size=2)
    with pytest.raises(ValueError, match="uint8"):
        to_model_input(pixels.astype(np.float32))


@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_model_input_outside_its_range_or_shape_is_refused(kind):
    torch = pytest.importorskip("torch")
    good = np.full((2, 1, 8, 8), 0.5, dtype=np.float32)

    def check(array, size=None):
        check_model_input(torch.from_numpy(array) if kind == "torch" else array, size)

    check(good, 8)
    for value in (1.5, -0.01, np.nan, np.inf):
        bad = good.copy()
        bad[1, 0, 3, 3] = value
        with pytest.raises(ValueError, match="finite and lie in"):
            check(bad)
    for shape in ((2, 8, 8), (2, 3, 8, 8), (2, 1, 8, 7), (0, 1, 8, 8)):
        with pytest.raises(ValueError, match="must be"):
            check(np.full(shape, 0.5, dtype=np.float32))
    with pytest.raises(ValueError, match="16, 16"):
        check(good, 16)
    with pytest.raises(ValueError, match="floating point"):
        check(np.zeros((2, 1, 8, 8), dtype=np.uint8))
