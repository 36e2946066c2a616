"""Planted shortcuts: each is there, alone and together; a clean phantom has none; the default one is as it ever was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrlens.errors import CollectionError, OptionError
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest
from cxrlens.sources import scan
from cxrlens.sources.phantom import PLANTS, PhantomOptions, spoil_split, write_phantom
from cxrlens.sources.phantom.cohort import plan_cohort
from cxrlens.sources.phantom.encode import MARK
from cxrlens.sources.phantom.plants import (
    CLASS_JPEG,
    COPIES_ACROSS,
    CORNER_MARKER,
    MARKED,
    RECOMPRESSED,
    SOURCE_CONTRAST,
    SPLIT_PATIENT,
    TONED,
    TONED_HOSPITAL,
    mix_of,
    treatment,
)

SMALL = {"images": 60, "seed": 3, "size": 64, "workers": 1, "clean": True}


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in (folder / "collections").rglob("*") if p.suffix in (".png", ".jpeg"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("clean") / "set", PhantomOptions(**SMALL))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("planted") / "set", PhantomOptions(**SMALL, plants=PLANTS))


def test_options_that_are_as_ever_leave_the_recipe_as_it_ever_was() -> None:
    assert set(PhantomOptions().recipe()) == {"cxrlens", "images", "seed", "size"}
    assert PhantomOptions(clean=True, plants=(CLASS_JPEG, CORNER_MARKER)).recipe()["plants"] == [
        CORNER_MARKER,
        CLASS_JPEG,
    ]
    with pytest.raises(OptionError, match="corner-marker"):
        PhantomOptions(plants=("corner",))


@pytest.mark.parametrize("seed", range(3))
def test_a_clean_cohort_has_the_same_shares_of_classes_in_every_hospital(seed: int) -> None:
    mix = mix_of((), clean=True)
    records = plan_cohort(480, seed, mix)
    patients = pd.DataFrame([(r.label, r.hospital, r.patient_id) for r in records], columns=list("lhp"))
    patients = patients.drop_duplicates()
    counts = pd.crosstab(patients["l"], patients["h"]).to_numpy()
    assert counts.max() - counts.min() <= 1
    assert plan_cohort(100, seed, mix) == records[:100]


def test_a_clean_phantom_has_no_copies_no_faults_and_knows_every_patient(clean: Path) -> None:
    manifest = table(clean / "manifest.csv")
    assert len(manifest) == SMALL["images"]
    assert manifest["sha256"].is_unique
    assert (manifest["excluded"] == "").all()
    assert (manifest["duplicate_group"] == "").all()
    for name in ("plants", "faults", "known_duplicates"):
        assert table(clean / "truth" / f"{name}.csv").empty
    found = scan(sorted((clean / "collections").iterdir())).manifest
    told = found.assign(path=[str(Path(p).relative_to(clean)) for p in found["path"]]).set_index("path")
    for row in manifest.itertuples():
        assert told.loc[row.path, "label"] == row.label
        assert told.loc[row.path, "patient_id"].endswith(row.patient_id)
    assert "faulty" not in (clean / "README.txt").read_text()


def test_the_recipe_tells_what_was_planted_and_other_plants_are_refused(planted: Path) -> None:
    recipe = json.loads((planted / "truth" / "phantom.json").read_text())
    assert recipe["clean"] is True
    assert recipe["plants"] == list(PLANTS)
    assert write_phantom(planted, PhantomOptions(**SMALL, plants=PLANTS[::-1])) == planted
    with pytest.raises(CollectionError, match="other options"):
        write_phantom(planted, PhantomOptions(**SMALL, plants=(CLASS_JPEG,)))


def test_every_plant_is_listed_with_files_that_exist_and_are_marked_as_synthetic(planted: Path) -> None:
    plants, manifest = table(planted / "truth" / "plants.csv"), table(planted / "manifest.csv")
    assert set(plants["plant"]) == set(PLANTS)
    assert set(plants["path"]) <= set(manifest["path"])
    assert manifest["path"].is_unique
    for path in manifest["path"]:
        assert MARK.encode() in (planted / path).read_bytes()


def test_the_corner_marker_is_on_nearly_all_films_of_one_class_and_changes_that_corner_alone(
    clean: Path, tmp_path: Path
) -> None:
    marked = write_phantom(tmp_path / "m", PhantomOptions(**SMALL, plants=(CORNER_MARKER,)))
    manifest = table(marked / "manifest.csv").set_index("path")
    listed = set(table(marked / "truth" / "plants.csv")["path"])
    before, after = hashes(clean), hashes(marked)
    assert {path for path in after if after[path] != before[path]} == listed
    assert {manifest.loc[path, "label"] for path in listed} == {MARKED}
    assert len(listed) >= 0.85 * (manifest["label"] == MARKED).sum()
    lossless = [path for path in listed if path.endswith(".png")]
    for path in lossless:
        a, b = (cv2.imread(str(root / path), cv2.IMREAD_UNCHANGED).astype(float) for root in (clean, marked))
        rows, columns = np.nonzero(a != b)
        assert rows.min() > 0.85 * a.shape[0]
        assert columns.max() < 0.15 * a.shape[1]
        assert np.abs(a - b).max() > 0.3 * b.max()
    assert lossless


@pytest.mark.parametrize("seed", range(3))
def test_source_contrast_draws_nearly_all_of_one_class_and_little_else_to_one_hospital(seed: int) -> None:
    records = plan_cohort(480, seed, mix_of((SOURCE_CONTRAST,), clean=True))
    frame = pd.DataFrame([(r.label, r.hospital) for r in records], columns=["label", "hospital"])
    there, named = frame["hospital"] == TONED_HOSPITAL, frame["label"] == TONED
    assert (there & named).sum() / named.sum() > 0.88
    assert (there & named).sum() / there.sum() > 0.82
    assert all(treatment(r, (SOURCE_CONTRAST,)).tone == (r.hospital == TONED_HOSPITAL) for r in records)
    rest = pd.crosstab(frame[~there & ~named]["label"], frame[~there & ~named]["hospital"])
    assert rest.to_numpy().min() > 0.5 * rest.to_numpy().mean()


def test_class_jpeg_gives_one_class_a_quantisation_table_of_its_own_and_changes_no_other_file(
    clean: Path, tmp_path: Path
) -> None:
    saved = write_phantom(tmp_path / "j", PhantomOptions(**SMALL, plants=(CLASS_JPEG,)))
    manifest = table(saved / "manifest.csv").set_index("path")
    before, after = hashes(clean), hashes(saved)
    changed = {path for path in after if after[path] != before[path]}
    assert changed == set(table(saved / "truth" / "plants.csv")["path"])
    assert all(path.endswith(".jpeg") and manifest.loc[path, "label"] == RECOMPRESSED for path in changed)
    tables: dict[str, set[str]] = {"changed": set(), "others": set()}
    for path in after:
        if path.endswith(".jpeg"):
            with Image.open(saved / path) as image:
                tables["changed" if path in changed else "others"].add(str(image.quantization[0]))
    assert len(tables["changed"]) == 1
    assert not tables["changed"] & tables["others"]


def test_split_patient_makes_one_person_under_one_id_and_under_two(planted: Path) -> None:
    plants, manifest = table(planted / "truth" / "plants.csv"), table(planted / "manifest.csv").set_index("path")
    mine = plants[plants["plant"] == SPLIT_PATIENT].assign(id=lambda f: list(manifest.loc[f["path"], "patient_id"]))
    same = mine[mine["detail"].str.startswith("same id")]
    assert (same.groupby("id")["split"].nunique() == 2).all()
    two = mine[mine["detail"].str.startswith("two ids")]
    assert two["id"].is_unique
    assert len(two) >= 8
    for first, other in zip(two["path"][::2], two["path"][1::2], strict=True):
        assert manifest.loc[first, "duplicate_group"] == manifest.loc[other, "duplicate_group"] != ""
        a, b = (cv2.imread(str(planted / p), cv2.IMREAD_GRAYSCALE).astype(float) for p in (first, other))
        assert a.shape[0] == b.shape[0] + 2
        assert np.corrcoef(a[2:].ravel(), b.ravel())[0, 1] > 0.98
        assert manifest.loc[first, "sha256"] != manifest.loc[other, "sha256"]


def test_spoil_split_puts_the_planted_images_into_two_parts_and_touches_nothing_else(planted: Path) -> None:
    truth = table(planted / "manifest.csv")
    truth["path"] = [str(planted / path) for path in truth["path"]]
    manifest = new_manifest(truth.to_dict("records"))
    manifest["split"] = "validation"
    plants = table(planted / "truth" / "plants.csv")
    gone = str(planted / plants[plants["plant"] == COPIES_ACROSS]["path"].iloc[0])
    manifest.loc[manifest["path"] == gone, ["split", "excluded"]] = ["", "duplicate"]
    spoilt = spoil_split(manifest, planted)
    asked = {str(planted / row.path): row.split for row in plants.itertuples() if row.split}
    for row in spoilt.itertuples():
        assert row.split == ("" if row.path == gone else asked.get(row.path, "validation"))
    pd.testing.assert_frame_equal(
        spoilt.drop(columns=["split", "duplicate_group"]), manifest.drop(columns=["split", "duplicate_group"])
    )
    assert set(manifest["split"]) == {"validation", ""}


def test_spoil_split_refuses_a_phantom_with_nothing_that_breaks_a_split(clean: Path) -> None:
    with pytest.raises(CollectionError, match="split-patient"):
        spoil_split(new_manifest([]), clean)


def test_plants_go_with_the_usual_faults_too(tmp_path: Path) -> None:
    options = PhantomOptions(images=16, seed=1, size=48, workers=1, plants=(COPIES_ACROSS, CLASS_JPEG))
    made = write_phantom(tmp_path / "both", options)
    faults = set(table(made / "truth" / "faults.csv")["fault"])
    assert {"blank", "copy: inverted"} <= faults
    assert set(table(made / "truth" / "plants.csv")["plant"]) == {COPIES_ACROSS, CLASS_JPEG}
    assert set(table(made / "manifest.csv")["label"]) == set(CLASSES)
