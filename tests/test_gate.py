"""The gate's parts that judge one image: views, looks, checks, answers, and what they may import."""

import subprocess
import sys

import numpy as np
import pytest

from cxrlens.gate.checks import CHECKS, SIMPLE, Limit, blank, clipped, coloured, lateral, odd_shape, small
from cxrlens.gate.examination import lies
from cxrlens.gate.look import look
from cxrlens.gate.novelty import Cloud, unit
from cxrlens.gate.thresholds import limits_of, quantile_limit
from cxrlens.gate.views import RIGHT, UPRIGHT, VIEWS, View
from cxrlens.radiograph import Radiograph
from gate_toys import film


@pytest.mark.parametrize("view", VIEWS)
def test_righting_a_view_gives_the_film_back_but_for_its_mirroring(view: View):
    pixels = np.random.default_rng(0).random((5, 7), dtype=np.float32)
    righted = view.righted(view.apply(pixels))
    np.testing.assert_allclose(righted, pixels[:, ::-1] if view.mirrored else pixels, atol=1e-6)
    assert righted.dtype == np.float32
    assert righted.flags["C_CONTIGUOUS"]


def test_each_view_lies_at_its_own_index_and_all_differ():
    assert [view.index for view in VIEWS] == list(range(16))
    pixels = np.random.default_rng(0).random((6, 6), dtype=np.float32)
    assert len({view.apply(pixels).tobytes() for view in VIEWS}) == 16
    assert UPRIGHT.tolist() == [view.turns == 0 and not view.inverted for view in VIEWS]


def test_a_repair_is_said_in_words_and_an_upright_film_needs_none():
    assert RIGHT.repair == ""
    assert View(mirrored=True).repair == ""
    assert "turned by 90° to the right" in View(1).repair
    assert "turned by 90° to the left" in View(3).repair
    assert "upside down" in View(2).repair
    both = View(2, inverted=True).repair
    assert "un-inverted" in both
    assert "180°" in both


@pytest.mark.parametrize("view", [v for v in VIEWS if not v.mirrored])
def test_looking_commutes_with_turning_and_inverting(view: View):
    """So that the righted small film may stand for the small film of the righted radiograph."""
    pixels = film(3, 300)
    straight = look(Radiograph(view.apply(pixels))).film.astype(int)
    after = view.apply(look(Radiograph(pixels)).film.astype(np.float32) / 255) * 255
    assert np.abs(straight - after).max() <= 2


def test_a_look_trims_frames_and_forgets_exposure():
    framed = np.zeros((260, 300), dtype=np.float32)
    framed[30:230, 50:250] = film(1, 200)
    inside = look(Radiograph(film(1, 200))).film.astype(int)
    seen = look(Radiograph(framed)).film.astype(int)
    assert np.abs(seen - inside)[4:-4, 4:-4].mean() < 3  # a line of the frame may be left: boxes are rounded outwards
    pale = look(Radiograph((0.4 + 0.2 * film(1, 200)).astype(np.float32))).film.astype(int)
    assert np.abs(pale - inside).mean() < 3


def test_a_constant_picture_is_looked_at_without_dividing_by_nothing():
    seen = look(Radiograph(np.full((80, 90), 0.5, dtype=np.float32)))
    assert seen.film.std() == 0
    assert blank.score(seen) > 1


def of(check: object, pixels: np.ndarray, **facts: object) -> float:
    return check.score(look(Radiograph(pixels.astype(np.float32), **facts)))  # type: ignore[attr-defined]


def test_each_simple_check_knows_its_fault_and_no_other():
    good = film(5, 200)
    clean = {check.name: of(check, good) for check in SIMPLE}
    for check in SIMPLE:
        assert clean[check.name] <= max(check.least, 1.0)
    assert of(small.CHECK, film(5, 40)) == pytest.approx(64 / 40)
    assert of(blank.CHECK, 0.5 + 0.01 * (good - 0.5)) > 1
    assert of(odd_shape.CHECK, np.repeat(good[:60], 2, axis=1)) > 2
    assert of(coloured.CHECK, good, tint=0.4) == pytest.approx(0.4)
    assert of(lateral.CHECK, good, metadata={"view": "LATERAL"}) > 1
    low, high = np.quantile(good, (0.3, 0.7))
    assert of(clipped.CHECK, np.clip((good - low) / (high - low), 0, 1)) > 0.4
    assert of(clipped.CHECK, good) < 0.05


def test_every_reason_completes_the_image_and_holds_no_placeholder():
    for check in CHECKS.values():
        words = check.words(0.7, 0.5)
        assert words.split()[0] in {"is", "has", "does", "shows"}
        assert "{" not in words


def test_a_film_is_taken_to_lie_wrong_only_where_one_view_is_sure():
    probabilities = np.full(16, 0.01)
    probabilities[View(1, mirrored=True).index] = 0.5
    probabilities[View(1).index] = 0.36
    assert lies(probabilities, 0.8) == View(1)
    assert lies(probabilities, 0.9) == RIGHT
    upright = np.zeros(16)
    upright[View(mirrored=True).index] = 1
    assert lies(upright, 0.5) == RIGHT  # mirrored, which is not repaired


def table(n: int, seed: int = 0) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [
        {check.name: float(rng.normal()) if not check.fixed else 0.0 for check in CHECKS.values()} for _ in range(n)
    ]


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05])
def test_limits_refuse_no_more_validation_images_than_asked_and_nearly_as_many(rate: float):
    scores = table(1000)
    limits, share = limits_of(scores, rate)
    assert share <= rate
    assert set(limits) == set(CHECKS)
    if rate:
        assert share > rate - 0.01
    held_out = table(4000, seed=1)
    found = np.mean([any(limits[k](v) > 1 for k, v in each.items()) for each in held_out])
    assert found == pytest.approx(share, abs=0.012)


def test_few_images_hold_no_tail_so_the_limit_lies_beyond_the_farthest_of_them():
    scores = table(20)
    limits, share = limits_of(scores, 0.01)
    assert share == 0
    assert limits["no chest"].limit > max(s["no chest"] for s in scores)


def test_a_limit_is_one_at_the_limit_and_nought_for_a_usual_score():
    limit = Limit(usual=2.0, limit=6.0)
    assert [limit(2.0), limit(6.0), limit(10.0)] == [0.0, 1.0, 2.0]
    assert quantile_limit(np.arange(100.0), 0.05, 0.0) == 95
    assert quantile_limit(np.arange(100.0), 0.05, 200.0) == 200


def test_distances_agree_with_their_definitions():
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 0.6], [0.6, 0.5]])
    precision = np.linalg.inv(covariance)
    means = np.array([[0.0, 0.0], [5.0, 1.0]])
    bank = unit(rng.normal(size=(30, 2)))
    whitening = np.linalg.cholesky(precision)
    cloud = Cloud(means.astype(np.float32), whitening.astype(np.float32), bank.astype(np.float32))
    points = rng.normal(size=(8, 2)) * 3
    expected = [min(np.sqrt((p - m) @ precision @ (p - m)) for m in means) for p in points]
    np.testing.assert_allclose(cloud.mahalanobis(points), expected, rtol=1e-4)
    tenth = np.sort(np.linalg.norm(unit(points)[:, None] - bank[None], axis=2), axis=1)[:, 9]
    np.testing.assert_allclose(cloud.neighbours(points), tenth, rtol=1e-4, atol=1e-4)


def test_judging_imports_nothing_that_fits_or_measures():
    code = (
        "import sys, cxrlens.gate\n"
        "parts = ('training', 'batches', 'split', 'curation', 'audit', 'augmentation', 'evaluation', 'explanation')\n"
        "wrong = [m for m in sys.modules if m.startswith(tuple(f'cxrlens.{p}' for p in parts))]\n"
        "wrong += [m for m in ('sklearn', 'matplotlib', 'pandas.io.formats.style') if m in sys.modules]\n"
        "assert not wrong, wrong\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
