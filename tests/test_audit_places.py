"""Places: areas as scikit-learn gives them; a mark is found where it was put, a look is called a look, and lungs count
for nothing."""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from audit_toys import write_dataset
from cxrlens.audit.areas import Ranked, area_interval
from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.lungs_of_dataset import LungMasks
from cxrlens.audit.places import GRID, STATISTICS, Places, describe, film_of, square
from cxrlens.audit.places_search import FOLDS, Images, images_of, search
from cxrlens.audit.places_verdicts import gravity, is_look, place_verdicts, where
from cxrlens.audit.shortcuts_places import PICTURE, by_place
from cxrlens.audit.verdict import PartResult
from cxrlens.batches import pack
from cxrlens.borders import Box
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.evaluation.intervals import wilson
from cxrlens.folders import RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import write_manifest
from cxrlens.preprocessing import Preprocessing

SIDE, N = 64, 160
QUICK = Bootstrap(100, 0)
MIDDLE = np.zeros((SIDE, SIDE), np.uint8)
MIDDLE[12:-12, 12:-12] = 1
CORNERS = {"upper left": (3, 3), "upper right": (3, 58), "lower left": (58, 3), "lower right": (58, 58)}


def films(seed: int = 0, n: int = N) -> np.ndarray:
    """(n, SIDE, SIDE) uint8: soft shapes and grain that tell nothing."""
    rng = np.random.default_rng(seed)
    soft = np.stack([cv2.GaussianBlur(f, (0, 0), 6) for f in rng.standard_normal((n, SIDE, SIDE)).astype(np.float32)])
    grey = 110 + 300 * soft + 5 * rng.standard_normal((n, SIDE, SIDE))
    return np.clip(grey, 1, 255).astype(np.uint8)


def rows_of(n: int = N, sources: tuple[str, ...] = ("north", "south")) -> pd.DataFrame:
    """Classes in turn, each source with all of them; two films a patient."""
    labels = [CLASSES[i // 2 % 4] for i in range(n)]
    return pd.DataFrame({"label": labels, "source": [sources[i // 8 % len(sources)] for i in range(n)]})


def images(pixels: np.ndarray, rows: pd.DataFrame) -> Images:
    lungs = np.broadcast_to(MIDDLE, pixels.shape)
    places = describe(pixels, lungs, np.arange(len(pixels)))
    return images_of(rows, places, np.arange(len(pixels)) // 2, 0)


def dotted(pixels: np.ndarray, which: np.ndarray, corner: str) -> np.ndarray:
    """A bright dot of 3 pixels burnt into some."""
    y, x = CORNERS[corner]
    marked = pixels.copy()
    marked[which, y : y + 3, x : x + 3] = 250
    return marked


def figures(found: dict, **more: object) -> dict:
    return {"places": 90, "too_few": [], "within_source": {}, "by_source": {}, "overall": found, **more}


@pytest.mark.parametrize("strata", [1, 3])
def test_areas_are_those_of_scikit_learn(strata: int):
    rng = np.random.default_rng(strata)
    values = rng.integers(0, 9, (120, 5)).astype(np.float32)  # many ties
    values[rng.random(values.shape) < 0.1] = np.nan
    positive, of = rng.random(120) < 0.3, rng.integers(0, strata, 120)
    wins = Ranked(values, of).wins(positive)
    for column in range(5):
        won = pairs = 0.0
        for s in range(strata):
            rows = (of == s) & np.isfinite(values[:, column])
            here = positive[rows].sum() * (~positive[rows]).sum()
            won += here * roc_auc_score(positive[rows], values[rows, column])
            pairs += here
        assert wins.areas[column] == pytest.approx(won / pairs)
        assert wins.pairs[column] == pairs


def test_strata_that_are_not_asked_for_and_columns_without_pairs_count_for_nothing():
    values = np.array([[1.0, np.nan], [2.0, 1.0], [9.0, np.nan], [0.0, 2.0]])
    positive, strata = np.array([False, True, False, True]), np.array([0, 0, 1, 1])
    ranked = Ranked(values, strata)
    assert ranked.wins(positive).areas[0] == 0.5
    assert ranked.wins(positive, {0}).areas[0] == 1.0
    assert np.isnan(ranked.wins(positive).areas[1])


def test_the_interval_resamples_patients_and_doubts_a_perfect_area():
    rng = np.random.default_rng(0)
    positive = np.arange(80) < 30
    scores, strata, units = rng.normal(size=80) + positive, np.zeros(80, dtype=np.intp), np.arange(80)
    area = area_interval(scores, positive, strata, units, Bootstrap(500, 0))
    assert area.value == pytest.approx(roc_auc_score(positive, scores))
    assert area.low < area.value < area.high
    copies = area_interval(
        np.repeat(scores, 3), np.repeat(positive, 3), np.zeros(240, np.intp), np.repeat(units, 3), QUICK
    )
    assert copies.high - copies.low == pytest.approx(area.high - area.low, rel=0.3), "copies are no evidence"
    perfect = area_interval(positive.astype(float), positive, strata, units, QUICK)
    assert (perfect.low, perfect.high) == wilson(1.0, 30)


@pytest.mark.parametrize("inner", [Box(0, 0, 64, 64), Box(0, 10, 64, 44), Box(7, 0, 50, 64)])
def test_the_film_is_found_inside_its_padding(inner: Box):
    frame = np.zeros((SIDE, SIDE), np.uint8)
    frame[inner.y0 : inner.y0 + inner.h, inner.x0 : inner.x0 + inner.w] = 90
    assert film_of(frame) == inner


def test_a_place_keeps_its_square_inside_the_film():
    left, top, width, height = square(GRID - 1, 0, Box(0, 10, 64, 44))
    assert (left, top + height) == (10, 64)
    assert 0 < width <= 4.4
    assert 0 < height <= 6.4


def test_nothing_inside_the_lungs_is_looked_at():
    pixels, lungs, rows = films(n=30), np.broadcast_to(MIDDLE, (30, SIDE, SIDE)), np.arange(30)
    changed = pixels.copy()
    changed[:, 17:-17, 17:-17] = np.random.default_rng(1).integers(0, 255, (30, 30, 30))  # beyond any filter's reach
    before, after = describe(pixels, lungs, rows), describe(changed, lungs, rows)
    assert len(before) > 60
    assert (before.cells == after.cells).all()
    np.testing.assert_array_equal(before.values, after.values)


def test_lungs_that_the_segmenter_missed_in_one_image_are_lungs_all_the_same():
    pixels, rows = films(n=30), np.arange(30)
    lungs = np.repeat(MIDDLE[None], 30, axis=0)
    missed = lungs.copy()
    missed[4] = 0
    np.testing.assert_array_equal(describe(pixels, lungs, rows).values, describe(pixels, missed, rows).values)


def test_a_place_inside_the_lungs_of_one_film_says_nothing_of_that_film():
    pixels, lungs = films(n=30), np.repeat(MIDDLE[None], 30, axis=0)
    lungs[7, :32] = 1
    places = describe(pixels, lungs, np.arange(30))
    upper = places.cells[:, 0] < 6
    assert np.isnan(places.values[7][upper]).all()
    assert np.isfinite(places.values[8]).all()
    assert np.isfinite(places.values[7][places.cells[:, 0] > 9]).all()


def test_twice_the_contrast_changes_little_and_a_dot_changes_its_place_alone():
    pixels, lungs, rows = films(n=8) // 2, np.broadcast_to(MIDDLE, (8, SIDE, SIDE)), np.arange(8)
    plain, louder = describe(pixels, lungs, rows), describe(pixels * 2, lungs, rows)
    assert np.nanmedian(np.abs(np.log((louder.values + 0.1) / (plain.values + 0.1)))) < 0.25
    dot = describe(dotted(pixels, np.arange(8) == 3, "lower left"), lungs, rows)
    bright = STATISTICS.index("bright")
    moved = np.abs(dot.values / plain.values - 1)[3, :, bright] > 1
    assert moved.any()
    assert (np.abs(plain.cells[moved] - [14, 1]) <= 2).all()


@pytest.mark.parametrize("corner", list(CORNERS))
def test_a_mark_is_found_in_the_corner_where_it_was_put(corner: str):
    rows = rows_of()
    marked = (rows["label"] == "COVID-19").to_numpy() & (np.arange(N) % 25 > 0)
    found = search(images(dotted(films(), marked, corner), rows), CLASSES, QUICK)
    one = found["COVID-19"]
    assert where(one["row"], one["column"]) == f"the {corner} corner"
    assert one["more"]
    assert one["turns"] == FOLDS
    assert not is_look(one)
    (verdict, _) = place_verdicts(figures(found))
    assert verdict.status in ("warn", "fail"), verdict.sentence
    assert verdict.sentence.startswith("COVID-19 can ")
    assert f"the {corner} corner" in verdict.sentence
    assert "Normal" not in verdict.sentence, "the others merely lack it"


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_was_put_nothing_is_found(seed: int):
    found = search(images(films(seed), rows_of()), CLASSES, QUICK)
    assert {gravity(entry) for entry in found.values()} == {"pass"}
    (verdict, _) = place_verdicts(figures(found))
    assert verdict.sentence.startswith("None was found")


@pytest.mark.parametrize("change", ["gamma", "grain", "blur"])
def test_a_look_of_the_whole_picture_is_called_one(change: str):
    rows, pixels = rows_of(), films()
    rng = np.random.default_rng(3)
    changed = {
        "gamma": lambda f: (255 * (f / 255) ** 0.4).astype(np.uint8),
        "grain": lambda f: np.clip(f + rng.normal(0, 9, f.shape), 1, 255).astype(np.uint8),
        "blur": lambda f: cv2.GaussianBlur(f, (0, 0), 0.8),
    }[change]
    for i in np.flatnonzero(rows["label"] == "Pneumonia"):
        pixels[i] = changed(pixels[i])
    found = search(images(pixels, rows), CLASSES, QUICK)
    (verdict, _) = place_verdicts(figures(found))
    assert verdict.status == "pass" or "rather than for a mark" in verdict.sentence


def test_a_mark_of_one_source_is_no_mark_of_a_class_within_it():
    rows = rows_of(320)
    north = np.arange(320) % 10 < np.where(rows["label"] == "Tuberculosis", 9, 3)
    rows["source"] = np.where(north, "north", "south")
    seen = images(dotted(films(n=320), north, "upper right"), rows)
    assert gravity(search(seen, CLASSES, QUICK)["Tuberculosis"]) != "pass"
    assert gravity(search(seen, CLASSES, QUICK, within=True)["Tuberculosis"]) == "pass"


def test_a_place_that_is_hardly_ever_seen_is_not_chosen_for_its_few_pairs():
    rng = np.random.default_rng(0)
    values = rng.random((N, 12, 1)).astype(np.float32)
    rows = rows_of()
    mine = (rows["label"] == "Normal").to_numpy()
    values[mine, 3] += 0.6
    values[:, 7] = np.nan
    values[:6, 7, 0] = mine[:6]  # tells the six that show it without a fault
    places = Places(values, np.stack([np.arange(12), np.arange(12)], axis=1), (Box(0, 0, SIDE, SIDE),) * N)
    found = search(images_of(rows, places, np.arange(N), 0), ["Normal"], QUICK)["Normal"]
    assert found["row"] == 3
    assert found["seen"] == 1.0


def test_folds_share_no_patient_and_hold_the_classes_alike():
    rows = rows_of()
    seen = images_of(rows, Places(np.zeros((N, 1, 1)), np.zeros((1, 2)), (Box(0, 0, 1, 1),) * N), np.arange(N) // 2, 0)
    assert pd.Series(seen.fold).groupby(seen.units).nunique().max() == 1
    assert pd.crosstab(seen.fold, seen.labels).to_numpy().min() == N // 4 // FOLDS


@pytest.mark.parametrize(
    ("low", "elsewhere", "more", "status", "words"),
    [
        (0.55, 0.0, True, "pass", "None was found"),
        (0.7, 0.0, True, "warn", "partly be told from the rest by one small place"),
        (0.92, 0.02, True, "fail", "Only 2% of the places elsewhere tell half as much"),
        (0.92, 0.4, True, "fail", "But 40% of the places elsewhere"),
        (0.92, 0.0, False, "fail", "burnt out by another tone"),
    ],
)
def test_the_sentence_says_mark_or_look_and_what_it_may_be(low, elsewhere, more, status, words):
    entry = {
        "n": 100, "n_class": 30, "seen": 1.0, "row": 15, "column": 0, "statistic": "bright", "turns": 5, "map": [],
        "more": more, "elsewhere": elsewhere, "auroc": {"value": low + 0.03, "low": low, "high": low + 0.05},
    }  # fmt: skip
    first, second = place_verdicts(figures({"Normal": entry}, too_few=["Pneumonia"]))
    assert first.status == status
    assert words in first.sentence
    assert "Pneumonia there are too few" in first.sentence
    assert second.status == "unanswered"
    _, alone = place_verdicts(figures({"Normal": entry}, by_source={"north": {"Normal": entry}}))
    assert alone.status == status
    assert "north (n = 100)" in alone.sentence


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """A dataset with a corner for each class, and a run folder without a network."""
    dataset = write_dataset(tmp_path / "dataset", "border", per_cell=24)
    run = RunFolder(tmp_path / "run")
    write_json(run.config_path, {"format": 1, "dataset": str(dataset.root)})
    run.audit.mkdir()
    return Case(run, AuditOptions(resamples=100))


def test_the_part_answers_without_a_network_and_its_figures_are_json(case: Case):
    packed = pack(case.manifest, Preprocessing(size=SIDE, trim_borders=False, tone="none"), case.dataset.packed_folder)
    masks = np.broadcast_to(MIDDLE, packed.pixels.shape)
    lungs = LungMasks(masks, case.folder / "none.npy", "middle", ("",) * len(masks))
    result = by_place(case, packed, lungs)
    assert PartResult.from_dict(json.loads(json.dumps(result.to_dict()))).figures == result.figures
    assert set(result.figures["overall"]) == set(CLASSES)
    assert (case.folder / PICTURE).is_file()
    manifest = case.manifest
    write_manifest(manifest.groupby("label").head(4), case.dataset.manifest_path)
    (verdict,) = by_place(Case(case.run, case.options), packed, lungs).verdicts
    assert verdict.status == "unanswered"
    assert verdict.sentence.startswith("Cannot be answered, because")
