"""Leakage: planted patients and copies in two parts are caught by the right question; without them the part passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.leakage import leakage
from cxrlens.audit.leakage_verdicts import (
    ACCURACY_QUESTION,
    FILM_QUESTION,
    GROUP_QUESTION,
    PATIENT_QUESTION,
    UNKNOWN_QUESTION,
)
from cxrlens.audit.leaks import accuracy_without
from cxrlens.audit.verdict import PartResult, Verdict
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS, Bootstrap
from cxrlens.folders import DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.sources.phantom import PhantomOptions, spoil_split, write_phantom
from cxrlens.sources.phantom.plants import COPIES_ACROSS, SPLIT_PATIENT
from cxrlens.split import SplitOptions, split
from report_folders import thorax

SECRET = "PATIENT-90210"


def case_of(folder: Path, manifest: pd.DataFrame, *, evaluated: bool = True, lifted: bool = False) -> Case:
    """Hand-made folders of a split manifest; the run names 60 % rightly, and all that leaks where ``lifted``."""
    dataset, run = DatasetFolder(folder / "dataset"), RunFolder(folder / "run")
    dataset.root.mkdir(parents=True)
    run.root.mkdir(parents=True)
    write_manifest(manifest, dataset.manifest_path)
    write_json(dataset.curation_path, {"synthetic": True})
    write_json(run.config_path, {"format": 1, "dataset": str(dataset.root)})
    if evaluated:
        rows = manifest[(manifest["excluded"] == "") & (manifest["split"] != "")].copy()
        rng = np.random.default_rng(0)
        other = {label: CLASSES[(k + 1) % 4] for k, label in enumerate(CLASSES)}
        right = rng.random(len(rows)) < 0.6
        if lifted:
            right = rows["path"].str.contains("leak").to_numpy()
        rows["predicted"] = np.where(right, rows["label"], rows["label"].map(other))
        rows[list(PROBABILITY_COLUMNS)] = 0.25
        rows.to_csv(run.predictions_path, index=False)
    return Case(run, AuditOptions(resamples=200))


def films(folder: Path, n: int = 60) -> pd.DataFrame:
    """n different films, every one of another patient; every fifth is in test, every fifth in validation."""
    folder.mkdir(parents=True)
    rows: list[dict[str, object]] = []
    for i in range(n):
        path = folder / f"{i}.png"
        Image.fromarray(thorax(i)).save(path)
        row = {"path": str(path), "label": CLASSES[i // 5 % 4], "source": "s", "collection": "s"}
        part = ("train", "train", "train", "validation", "test")[i % 5]
        rows.append({**row, "patient_id": f"P-{7000 + i}", "split": part, "sha256": f"{i:064x}"})
    return new_manifest(rows)


def copies(manifest: pd.DataFrame, folder: Path, originals: list[int], split_to: str) -> pd.DataFrame:
    """The manifest and a darker, cropped copy of each of these films, in another part, of an unknown patient."""
    rows = []
    for number in originals:
        film = np.asarray(Image.open(manifest["path"].iloc[number])).astype(float)
        path = folder / f"leak-{number}.png"
        Image.fromarray((film[1:, 2:] * 0.85).astype(np.uint8)).save(path)
        row = {**manifest.iloc[number].to_dict(), "path": str(path), "split": split_to, "patient_id": ""}
        rows.append({**row, "sha256": f"{number + 500:064x}"})
    return new_manifest([*manifest.to_dict("records"), *rows])


def by_question(result: PartResult) -> dict[str, Verdict]:
    assert len({v.question for v in result.verdicts}) == len(result.verdicts)
    for verdict in result.verdicts:
        assert (verdict.status == "unanswered") == verdict.sentence.startswith("Cannot be answered, because ")
        assert "nan" not in verdict.sentence
        assert "None" not in verdict.sentence.replace("None of", "")
    return {v.question: v for v in result.verdicts}


def statuses(result: PartResult) -> dict[str, str]:
    return {q: v.status for q, v in by_question(result).items()}


def test_a_split_without_leaks_passes_every_question(tmp_path: Path) -> None:
    result = leakage(case_of(tmp_path / "case", films(tmp_path / "films")))
    questions = (PATIENT_QUESTION, GROUP_QUESTION, FILM_QUESTION, ACCURACY_QUESTION)
    assert statuses(result) == dict.fromkeys(questions, "pass")
    assert result.drawings == ()
    assert result.figures["known"] == {"patient": 0, "group": 0, "film": 0, "any": 0}


def test_a_patient_in_two_parts_is_caught_by_the_id_alone(tmp_path: Path) -> None:
    manifest = films(tmp_path / "films")
    manifest.loc[[0, 4], "patient_id"] = SECRET
    result = leakage(case_of(tmp_path / "case", manifest))
    assert statuses(result)[PATIENT_QUESTION] == "fail"
    assert statuses(result)[FILM_QUESTION] == "pass"
    assert statuses(result)[ACCURACY_QUESTION] == "warn"
    assert result.figures["known"]["patient"] == 1
    assert result.figures["shared"]["shared_patients"] == 1


def test_a_patient_in_train_and_validation_alone_is_shared_but_leaks_into_no_test_image(tmp_path: Path) -> None:
    manifest = films(tmp_path / "films")
    manifest.loc[[0, 3], "patient_id"] = SECRET
    result = leakage(case_of(tmp_path / "case", manifest))
    assert statuses(result)[PATIENT_QUESTION] == "fail"
    assert "0 of 12 test images" in by_question(result)[PATIENT_QUESTION].sentence
    assert statuses(result)[ACCURACY_QUESTION] == "pass"


def test_a_stored_duplicate_group_in_two_parts_is_caught(tmp_path: Path) -> None:
    manifest = films(tmp_path / "films")
    manifest.loc[[1, 9], "duplicate_group"] = "dup-1"
    result = leakage(case_of(tmp_path / "case", manifest))
    assert statuses(result)[GROUP_QUESTION] == "fail"
    assert statuses(result)[PATIENT_QUESTION] == "pass"
    assert result.figures["known"]["group"] == 1


def test_copies_that_no_table_tells_of_are_found_afresh_shown_and_taken_out_of_the_accuracy(tmp_path: Path) -> None:
    manifest = copies(films(tmp_path / "films"), tmp_path / "films", [0, 1, 2, 5], "test")
    case = case_of(tmp_path / "case", manifest, lifted=True)
    result = leakage(case)
    found = statuses(result)
    assert found[FILM_QUESTION] == "fail"
    assert found[GROUP_QUESTION] == "pass"
    assert found[ACCURACY_QUESTION] == "fail"
    assert found[UNKNOWN_QUESTION] == "unanswered"
    assert result.figures["afresh"]["across"] == 4
    assert result.figures["known"] == {"patient": 0, "group": 0, "film": 4, "any": 4}
    accuracy = result.figures["accuracy"]
    assert accuracy["known"]["value"] == 1.0
    assert accuracy["without"]["value"] == 0.0
    assert accuracy["difference"]["value"] == pytest.approx(4 / 16)
    with Image.open(case.folder / "leakage.png") as image:
        assert "SYNTHETIC" in image.info["Comment"].upper()
        assert image.width > 300


def test_no_name_and_no_patient_stands_in_what_is_written(tmp_path: Path) -> None:
    manifest = copies(films(tmp_path / "films"), tmp_path / "films", [0], "test")
    manifest.loc[[0, 4], "patient_id"] = SECRET
    result = leakage(case_of(tmp_path / "case", manifest))
    write_json(tmp_path / "part.json", result.to_dict())
    written = (tmp_path / "part.json").read_text()
    assert SECRET not in written
    assert "leak-0" not in written
    assert str(tmp_path) not in written
    assert f"{500:064x}"[:12] in written


def test_without_patient_ids_it_says_what_cannot_be_answered_and_answers_the_rest(tmp_path: Path) -> None:
    manifest = films(tmp_path / "films")
    some = manifest.assign(patient_id=manifest["patient_id"].where(manifest.index % 2 == 0, ""))
    result = by_question(leakage(case_of(tmp_path / "some", some)))
    assert result[PATIENT_QUESTION].status == "pass"
    assert "30 of 60 images (50 %)" in result[UNKNOWN_QUESTION].sentence
    result = by_question(leakage(case_of(tmp_path / "none", manifest.assign(patient_id=""))))
    assert result[PATIENT_QUESTION].status == "unanswered"
    assert UNKNOWN_QUESTION not in result
    assert result[FILM_QUESTION].status == "pass"


def test_without_a_split_a_test_part_predictions_or_files(tmp_path: Path) -> None:
    manifest = films(tmp_path / "films")
    unsplit = by_question(leakage(case_of(tmp_path / "unsplit", manifest.assign(split=""), evaluated=False)))
    assert "no split" in unsplit[FILM_QUESTION].sentence
    random = manifest.assign(split=manifest["split"].replace("test", "validation"))
    random.loc[[0, 4], "patient_id"] = SECRET
    measured = leakage(case_of(tmp_path / "random", random))
    assert "of 24 validation images" in by_question(measured)[PATIENT_QUESTION].sentence
    asked = leakage(case_of(tmp_path / "asked", manifest, evaluated=False))
    assert "was not evaluated" in by_question(asked)[ACCURACY_QUESTION].sentence
    Path(manifest["path"].iloc[7]).unlink()
    gone = leakage(case_of(tmp_path / "gone", manifest))
    assert "1 image(s) could not be read" in by_question(gone)[FILM_QUESTION].sentence


def test_accuracy_with_and_without_is_paired_and_agrees_with_counting() -> None:
    rng = np.random.default_rng(0)
    n = 200
    table = pd.DataFrame({"label": np.array(CLASSES)[rng.integers(4, size=n)], "source": "s", "patient_id": ""})
    known = np.arange(n) < 40
    right = np.where(known, rng.random(n) < 0.95, rng.random(n) < 0.6)
    table["predicted"], table["duplicate_group"] = np.where(right, table["label"], "another"), ""
    found = accuracy_without(table, known, Bootstrap(400))
    assert found["all"]["value"] == pytest.approx(right.mean(), abs=1e-6)
    assert found["without"]["value"] == pytest.approx(right[~known].mean(), abs=1e-6)
    assert found["difference"]["value"] == pytest.approx(right.mean() - right[~known].mean(), abs=1e-6)
    wide = found["all"]["high"] - found["all"]["low"] + found["without"]["high"] - found["without"]["low"]
    assert found["difference"]["high"] - found["difference"]["low"] < 0.5 * wide
    nobody = accuracy_without(table, np.zeros(n, bool), Bootstrap(200))
    assert nobody["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert nobody["known"]["value"] is None


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    options = PhantomOptions(images=100, seed=2, size=128, workers=1, clean=True, plants=(SPLIT_PATIENT, COPIES_ACROSS))
    made = write_phantom(tmp_path_factory.mktemp("phantom") / "set", options)
    manifest = pd.read_csv(made / "manifest.csv", dtype=str, keep_default_na=False)
    manifest["path"] = [str(made / path) for path in manifest["path"]]
    return made, new_manifest(manifest.to_dict("records"))


def test_planted_leaks_of_a_phantom_are_all_found_and_only_they(
    phantom: tuple[Path, pd.DataFrame], tmp_path: Path
) -> None:
    made, truth = phantom
    plants = pd.read_csv(made / "truth" / "plants.csv", dtype=str, keep_default_na=False)
    cut = spoil_split(split(truth, SplitOptions(seed=1)).manifest, made)
    result = leakage(case_of(tmp_path / "spoilt", cut))
    found = statuses(result)
    assert found[PATIENT_QUESTION] == "fail"
    assert found[FILM_QUESTION] == "fail"
    assert found[GROUP_QUESTION] == "pass"  # forgotten on purpose: only a fresh look can tell
    films_across = plants[(plants["split"] == "test") & ~plants["detail"].str.startswith("same id")]
    visits = plants[(plants["split"] == "test") & plants["detail"].str.startswith("same id")]
    assert result.figures["afresh"]["across"] == len(films_across)
    assert result.figures["known"]["film"] == len(films_across)
    assert result.figures["known"]["patient"] >= len(visits)


def test_the_honest_split_of_the_very_same_phantom_passes(phantom: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    _, truth = phantom
    result = leakage(case_of(tmp_path / "honest", split(truth, SplitOptions(seed=1)).manifest))
    assert set(statuses(result).values()) == {"pass"}
