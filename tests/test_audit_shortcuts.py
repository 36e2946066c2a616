"""Shortcuts: a class told by the border is caught by retraining and by testing; a class told inside is not."""

from pathlib import Path

import numpy as np
import pytest

from audit_toys import make_case
from cxrlens.audit import shortcuts as module
from cxrlens.audit.case import Case
from cxrlens.audit.lungs_of_dataset import LungMasks
from cxrlens.audit.shortcuts import shortcuts
from cxrlens.audit.shortcuts_verdicts import LEANS, OUTSIDE, severity, verdicts
from cxrlens.audit.source_features import source_features
from cxrlens.batches import PackedPixels
from cxrlens.manifest import write_manifest


def middle_as_lungs(case: Case, packed: PackedPixels) -> LungMasks:
    """The toys have no lungs: their middle stands for them."""
    side = packed.preprocessing.size
    masks = np.zeros(packed.pixels.shape, dtype=np.uint8)
    rim = side // 6
    masks[:, rim:-rim, rim:-rim] = 1
    file = case.folder / "middle.npy"
    file.parent.mkdir(parents=True, exist_ok=True)
    np.save(file, masks)
    return LungMasks(np.load(file, mmap_mode="r"), file, "middle", ("",) * len(masks))


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("clue", "outside"), [("border", "fail"), ("inside", "pass")])
def test_what_names_the_class_is_found_where_it_is(
    clue: str, outside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "lungs_of_dataset", middle_as_lungs)
    case = make_case(tmp_path, clue, per_cell=24, sources=2, epochs=7)
    result = shortcuts(case)
    answers = {v.question: v for v in result.verdicts}
    told, leans = answers[OUTSIDE], answers[LEANS]
    assert told.status == outside, told.sentence
    assert leans.status == outside, leans.sentence
    learnt = result.figures["by_retraining"]
    lungs = learnt["only-lungs"]["balanced_accuracy"]["value"]
    border = learnt["border-only"]["balanced_accuracy"]["value"]
    assert (border > lungs) == (clue == "border")
    for drawing in result.drawings:
        assert (case.folder / drawing.file).is_file()


def entry(value: float, share: float | None, area: float = 0.5, half: float = 0.04) -> dict:
    interval = {"value": value, "low": value - half, "high": value + half}
    auroc = {"value": area + half, "low": area, "high": min(1.0, area + 2 * half)}
    return {
        "title": "x",
        "balanced_accuracy": interval,
        "minus_full": {"value": value - 0.8, "low": value - 0.85, "high": value - 0.75},
        "above_chance_share": share,
        "by_class": {"Normal": {"auroc": auroc}},
    }


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (entry(0.26, 0.02), "pass"),
        (entry(0.40, 0.27), "warn"),
        (entry(0.62, 0.67), "fail"),
        (entry(0.33, 0.15, half=0.09), "pass"),
        (entry(0.27, 0.03, area=0.7), "warn"),
        (entry(0.45, 0.36, area=0.93), "fail"),
    ],
)
def test_how_grave_it_is_depends_on_the_lower_end_and_on_single_classes(found: dict, status: str):
    assert severity(found) == status


@pytest.mark.parametrize(("share", "status"), [(0.58, "pass"), (0.92, "warn")])
def test_a_thumbnail_speaks_against_the_detail_only_where_it_gives_nearly_all(share: float, status: str):
    names = ("lungs-out", "border-only", "shuffled")
    learnt = {name: entry(0.26, 0.02) for name in names} | {"thumbnail": entry(0.25 + share * 0.6, share)}
    figures = {
        "full": {"value": 0.85, "low": 0.8, "high": 0.9},
        "by_retraining": learnt,
        "tested_full": {"value": 0.85, "low": 0.8, "high": 0.9},
        "by_testing": {name: entry(0.26, 0.02) for name in ("lungs-out", "border-out", "markers-out")},
    }
    coarse = verdicts(figures)[1]
    assert "thumbnail" in coarse.question
    assert coarse.status == status


@pytest.mark.parametrize(("half", "open_"), [(0.03, False), (0.17, True)])
def test_a_pass_says_what_so_few_images_cannot_rule_out(half: float, open_: bool):
    names = ("lungs-out", "border-only", "thumbnail", "shuffled")
    figures = {
        "full": {"value": 0.85, "low": 0.8, "high": 0.9},
        "by_retraining": {name: entry(0.26, 0.02, half=half) for name in names},
        "tested_full": {"value": 0.85, "low": 0.8, "high": 0.9},
        "by_testing": {name: entry(0.26, 0.02) for name in ("lungs-out", "border-out", "markers-out")},
    }
    first = verdicts(figures)[0]
    assert first.status == "pass"
    assert ("cannot be ruled out" in first.sentence) == open_


def test_a_network_that_learnt_nothing_answers_nothing():
    full = {"value": 0.27, "low": 0.22, "high": 0.32}
    names = ("lungs-out", "border-only", "thumbnail", "shuffled")
    tested = {name: entry(0.7, 0.9) for name in ("lungs-out", "border-out", "markers-out")}
    figures = {
        "full": full,
        "by_retraining": {name: entry(0.26, None) for name in names},
        "tested_full": {"value": 0.8, "low": 0.75, "high": 0.85},
        "by_testing": tested,
    }
    found = verdicts(figures)
    assert [v.status for v in found[:2]] == ["unanswered", "unanswered"]
    assert all(v.sentence.startswith("Cannot be answered, because") for v in found[:2])


def test_a_test_part_without_a_class_cannot_answer(tmp_path: Path):
    case = make_case(tmp_path, sources=1, epochs=1)
    manifest = case.dataset.manifest()
    gone = (manifest["split"] == "test") & (manifest["label"] == "Pneumonia")
    write_manifest(manifest[~gone], case.dataset.manifest_path)
    answers = {v.question: v for v in shortcuts(Case(case.run, case.options)).verdicts}
    assert answers[OUTSIDE].status == "unanswered"
    assert LEANS not in answers


def test_features_that_name_the_source_are_seen_and_matter_only_where_the_source_tells_the_class(tmp_path: Path):
    case = make_case(tmp_path, per_cell=60, epochs=2)
    result = source_features(case)
    figures = result.figures
    assert figures["features_name_source"]["value"] > figures["chance"] + 0.2, "every source has stripes of its own"
    assert figures["source_adds_to_majority"] == pytest.approx(0, abs=1e-6)
    assert result.verdicts[0].status == "pass", "each source holds each class alike: knowing it is no help"


def test_one_source_names_itself_and_nothing_is_answered(tmp_path: Path):
    case = make_case(tmp_path, sources=1, epochs=1)
    assert source_features(case).verdicts[0].status == "unanswered"
