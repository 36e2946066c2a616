"""Each flag sees its fault when it is planted, and leaves sound films alone."""

import cv2
import numpy as np
import pytest

from cxrlens.curation.flags import FLAGS
from cxrlens.curation.flags import lateral as lateral_flag
from cxrlens.curation.flags.typical import INVERTED, LEAST, NOT_A_CHEST, ROTATED, judge, local_contrast
from cxrlens.curation.view import SIDE, make_view
from cxrlens.radiograph import Radiograph


def synthetic_chest(rng, h=320, w=300):
    """Synthetic: bright body, dark lungs beside a bright middle, the heart to the image's right, ribs, noise."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    y, x = y / h + rng.normal(0, 0.03), x / w + rng.normal(0, 0.03)
    body = 0.75 - 0.5 * np.clip(np.abs(x - 0.5) - 0.38 * np.clip(y * 3, 0.2, 1), 0, 0.15) / 0.15
    lungs = sum(
        np.exp(-((((x - cx) / rng.uniform(0.12, 0.16)) ** 2 + ((y - 0.45) / rng.uniform(0.26, 0.32)) ** 2) ** 2))
        for cx in (0.29, 0.71)
    )
    heart = np.exp(-(((x - 0.58) / 0.13) ** 2 + ((y - 0.62) / 0.13) ** 2) * 2)
    ribs = 0.04 * np.sin(60 * y + 8 * np.abs(x - 0.5))
    film = body - 0.5 * lungs * (1 - 0.8 * heart) + ribs + 0.1 * y
    gain = rng.uniform(0.7, 0.95)
    film = gain * np.clip(film, 0, 1) + rng.normal(0, 0.02, (h, w))
    return np.clip(film, 0.02, 0.98).astype(np.float32)


def scores_of(pixels, **about):
    view = make_view(Radiograph(np.ascontiguousarray(pixels, dtype=np.float32), **about))
    return {name: flag.score(view) for name, flag in FLAGS.items() if flag.score is not None}


def flagged(pixels, **about):
    return {name for name, score in scores_of(pixels, **about).items() if score >= FLAGS[name].flag_at}


@pytest.fixture(scope="module")
def film():
    return synthetic_chest(np.random.default_rng(5))


@pytest.fixture(scope="module")
def films():
    rng = np.random.default_rng(0)
    return np.stack([local_contrast(make_view(Radiograph(synthetic_chest(rng, 96, 90)))) for _ in range(180)])


def test_sound_films_get_no_flag():
    rng = np.random.default_rng(1)
    assert [flagged(synthetic_chest(rng)) for _ in range(5)] == [set()] * 5


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("blank", lambda p: np.full_like(p, 0.4)),
        ("blank", lambda p: 0.4 + 0.05 * p),
        ("clipped", lambda p: np.clip(3 * p - 0.6, 0, 1)),
        ("clipped", lambda p: np.clip(2 * p - 1, 0, 1)),
        ("small", lambda p: cv2.resize(p, (90, 96), interpolation=cv2.INTER_AREA)),
        ("odd-shape", lambda p: p[:140]),
        ("blurred", lambda p: cv2.GaussianBlur(p, (0, 0), 6)),
        ("borders", lambda p: np.pad(p, 60, constant_values=1.0)),
        ("borders", lambda p: np.pad(p, ((150, 0), (0, 0)))),
    ],
)
def test_a_planted_fault_is_flagged(film, name, fault):
    assert name in flagged(fault(film))


def test_a_colour_cast_is_flagged(film):
    assert flagged(film, tint=0.3) == {"tinted"}
    assert flagged(film, tint=0.01) == set()


def test_a_black_surround_is_not_taken_for_lost_tone(film):
    assert "clipped" not in flagged(np.pad(film, 30))


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (2, 2), (3, 900)])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_degenerate_pictures_get_scores_within_the_range(shape, level):
    pixels = np.full(shape, level, dtype=np.float32)
    scores = scores_of(pixels)
    assert all(0.0 <= s <= 1.0 for s in scores.values())
    contrast = local_contrast(make_view(Radiograph(pixels)))
    assert np.isfinite(contrast).all()
    assert np.abs(contrast).max() == 0


def test_scores_do_not_depend_on_how_large_the_film_is(film):
    large = scores_of(cv2.resize(film, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR))
    small = scores_of(cv2.resize(film, (SIDE * 300 // 320, SIDE), interpolation=cv2.INTER_AREA))
    for name in ("blank", "clipped", "odd-shape", "borders"):
        assert large[name] == pytest.approx(small[name], abs=0.03)


def test_a_lateral_view_is_known_from_metadata_alone():
    assert lateral_flag.score("LATERAL") == 1.0
    assert [lateral_flag.score(v) for v in ("PA", "AP", "")] == [0.0] * 3


def test_names_fit_the_manifests_cell():
    assert all(not set(name) & set(":; ") for name in FLAGS)
    assert all(0 < f.flag_at <= (f.exclude_at or 1) <= 1 for f in FLAGS.values())


def test_a_collection_of_sound_films_gives_no_suspicion(films):
    judged = judge(films)
    assert (judged.rotated >= ROTATED.flag_at).mean() <= 0.01
    assert (judged.inverted >= INVERTED.flag_at).mean() <= 0.01
    assert (judged.not_a_chest >= NOT_A_CHEST.flag_at).mean() <= 0.02


def test_planted_turns_and_inversions_are_found_among_many(films):
    planted = films.copy()
    turned = {3: 1, 40: 2, 77: 3, 90: 2}
    for row, quarters in turned.items():
        planted[row] = np.rot90(films[row], quarters)
    inverted = [10, 55, 100]
    planted[inverted] *= -1
    judged = judge(planted)
    assert set(np.flatnonzero(judged.rotated >= ROTATED.flag_at)) == set(turned)
    assert set(np.flatnonzero(judged.inverted >= INVERTED.flag_at)) == set(inverted)
    assert all((judged.quarter_turns[row] + quarters) % 4 == 0 for row, quarters in turned.items())
    upright = judged.quarter_turns[[i for i in range(len(films)) if i not in turned]]
    assert (upright == 0).mean() > 0.98


def test_pictures_of_something_else_are_no_chests(films):
    rng = np.random.default_rng(2)
    textures = [cv2.resize(rng.random((9, 9), dtype=np.float32), (100, 100)) for _ in range(12)]
    others = [local_contrast(make_view(Radiograph(picture))) for picture in textures]
    # One at a time: the collection is the teacher, and many of them at once would teach that chests look so.
    judged = [judge(np.concatenate([films, other[None]])).not_a_chest for other in others]
    assert sum(scores[-1] >= NOT_A_CHEST.flag_at for scores in judged) >= 10
    assert max((scores[:-1] >= NOT_A_CHEST.flag_at).mean() for scores in judged) <= 0.02


def test_a_turned_film_is_still_a_chest(films):
    planted = films.copy()
    planted[7] = np.rot90(films[7])
    assert judge(planted).not_a_chest[7] < NOT_A_CHEST.flag_at


def test_too_few_films_teach_nothing(films):
    assert judge(films[: LEAST - 1]) is None
    blank = np.zeros_like(films[:60])
    assert judge(np.concatenate([films[: LEAST - 1], blank])) is None
    judged = judge(np.concatenate([films, blank[:5]]))
    assert judged.rotated[-5:].max() == judged.inverted[-5:].max() == judged.not_a_chest[-5:].max() == 0
