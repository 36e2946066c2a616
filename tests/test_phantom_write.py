"""The synthetic data set on disk: layout, truth, planted faults, determinism."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrlens.errors import CollectionError, OptionError
from cxrlens.labels import CLASSES
from cxrlens.manifest import COLUMNS
from cxrlens.sources.phantom import ALTERATIONS, HOSPITALS, PhantomOptions, write_phantom
from cxrlens.sources.phantom.cohort import plan_cohort
from cxrlens.sources.phantom.encode import MARK

OPTIONS = PhantomOptions(images=40, seed=3, size=64, workers=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("phantom") / "set", OPTIONS)


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def grey(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return image.astype(np.float32) / 255


def test_same_seed_gives_the_same_bytes_also_with_two_processes(made: Path, tmp_path: Path) -> None:
    again = write_phantom(tmp_path / "again", OPTIONS)
    assert contents(again) == contents(made)
    options = {"images": 66, "seed": 3, "size": 48}
    one, two = (write_phantom(tmp_path / f"w{n}", PhantomOptions(**options, workers=n)) for n in (1, 2))
    assert contents(one) == contents(two)


def test_an_image_does_not_depend_on_how_many_are_made(made: Path, tmp_path: Path) -> None:
    fewer = write_phantom(tmp_path / "fewer", PhantomOptions(images=20, seed=3, size=64, workers=1))
    rows = table(fewer / "manifest.csv").head(20)
    for path, sha in zip(rows["path"], rows["sha256"], strict=True):
        assert hashlib.sha256((made / path).read_bytes()).hexdigest() == sha
    assert plan_cohort(500, 3)[:100] == plan_cohort(100, 3)


def test_manifest_names_every_file_once_and_tells_the_truth_about_it(made: Path) -> None:
    manifest = table(made / "manifest.csv")
    assert tuple(manifest.columns) == COLUMNS
    on_disk = {str(p.relative_to(made)) for p in (made / "collections").rglob("*") if p.is_file()}
    assert set(manifest["path"]) == {p for p in on_disk if not p.endswith("metadata.csv")}
    assert manifest["path"].is_unique
    for row in manifest[manifest["excluded"] == ""].itertuples():
        assert hashlib.sha256((made / row.path).read_bytes()).hexdigest() == row.sha256
        with Image.open(made / row.path) as image:
            assert image.size == (int(row.width), int(row.height))


def test_every_class_is_in_every_hospital_from_16_images_on() -> None:
    for seed in range(5):
        first = plan_cohort(16, seed)
        assert len({(r.label, r.hospital) for r in first}) == 16
        assert len({r.path for r in plan_cohort(3000, seed)}) == 3000


def test_shares_of_classes_differ_between_hospitals_and_some_patients_come_again() -> None:
    records = pd.DataFrame([(r.label, r.hospital, r.patient_id) for r in plan_cohort(480, 0)], columns=list("lhp"))
    shares = pd.crosstab(records["h"], records["l"], normalize="index")
    assert shares.max().max() < 0.6  # no hospital names the class
    assert (shares.max() - shares.min()).max() > 0.08
    visits = records["p"].value_counts()
    assert set(visits) <= {1, 2, 3}
    assert 0.1 < (visits > 1).mean() < 0.4
    assert len(records[["p", "h"]].drop_duplicates()) == len(visits)


def test_formats_layouts_and_spellings_differ_as_promised(made: Path) -> None:
    manifest = table(made / "manifest.csv")
    originals = manifest[(manifest["collection"] == manifest["source"]) & (manifest["excluded"] == "")]
    modes = {name: Image.open(made / group["path"].iloc[0]).mode for name, group in originals.groupby("collection")}
    assert modes == {"northgate-dr": "I;16", "harbour-cr": "L", "hillside-film": "RGB", "ward-portable": "L"}
    film = np.asarray(Image.open(made / originals[originals["collection"] == "hillside-film"]["path"].iloc[0]))
    assert film[..., 0].mean() > film[..., 2].mean() + 5  # warm
    metadata = table(made / "collections/northgate-dr/metadata.csv")
    assert list(metadata.columns) == ["filename", "finding", "patientid", "view", "sex", "age"]
    assert set(metadata["filename"]) == {p.name for p in (made / "collections/northgate-dr/images").iterdir()}
    known = metadata[metadata["patientid"] != ""].set_index("filename")["patientid"]
    own = originals[originals["collection"] == "northgate-dr"]
    for row in own.itertuples():
        assert known[Path(row.path).name] == row.patient_id
    assert {p.name for p in (made / "collections/ward-portable").iterdir()} <= {"train", "val", "test"}
    assert (made / "collections/harbour-cr/TURBERCULOSIS").is_dir()
    spellings = {h.spelling["Tuberculosis"] for h in HOSPITALS.values()}
    assert len(spellings) == len(HOSPITALS)


def test_patient_ids_stand_in_no_file_name(made: Path) -> None:
    manifest = table(made / "manifest.csv")
    numbers = {row.patient_id.rsplit("-", 1)[-1]: row.path for row in manifest.itertuples() if row.patient_id}
    assert not any(number in Path(path).name for number, path in numbers.items())


def test_masks_fit_their_images_and_lesions_belong_to_the_ill(made: Path) -> None:
    annotations, manifest = table(made / "truth/annotations.csv"), table(made / "manifest.csv").set_index("path")
    assert list(annotations.columns) == ["path", "kind", "finding", "mask", "x", "y", "w", "h", "annotator"]
    for row in annotations.itertuples():
        with Image.open(made / row.mask) as image:
            assert image.mode == "1"
            mask = np.asarray(image)
        truth = manifest.loc[row.path]
        assert mask.shape == (int(truth["height"]), int(truth["width"]))
        x, y, w, h = int(row.x), int(row.y), int(row.w), int(row.h)
        assert mask[y : y + h, x : x + w].sum() == mask.sum() > 0
    by_path = annotations.groupby("path")["finding"].agg(set)
    assert len(by_path) == OPTIONS.images
    for path, findings in by_path.items():
        assert "Lungs" in findings
        assert (len(findings) == 1) == (manifest.loc[path, "label"] == "Normal")


def test_every_kind_of_copy_is_planted_and_is_what_it_says(made: Path) -> None:
    duplicates = table(made / "truth/known_duplicates.csv")
    assert set(duplicates["alteration"]) == {"original", *ALTERATIONS}
    for _, group in duplicates.groupby("group"):
        original = made / group[group["alteration"] == "original"]["path"].iloc[0]
        for row in group[group["alteration"] != "original"].itertuples():
            copy = made / row.path
            assert copy.parts[-3] != original.parts[-3] or copy.parent != original.parent
            a, b = grey(original), grey(copy)
            if row.alteration == "same bytes":
                assert copy.read_bytes() == original.read_bytes()
            elif row.alteration == "same pixels":
                assert copy.read_bytes() != original.read_bytes()
                deep = [cv2.imread(str(p), cv2.IMREAD_UNCHANGED) for p in (original, copy)]
                assert np.array_equal(deep[0], deep[1])
            elif row.alteration == "inverted":
                assert np.corrcoef(a.ravel(), b.ravel())[0, 1] < -0.98
            elif row.alteration == "recompressed":
                assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.98
                assert not np.array_equal(a, b)
            elif row.alteration == "re-windowed":
                assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9
            elif row.alteration == "resized":
                assert b.shape[0] < 0.9 * a.shape[0]
            elif row.alteration == "cropped 8 %":
                assert b.shape[0] / a.shape[0] == pytest.approx(0.92, abs=0.02)
            elif row.alteration == "rotated and shifted":
                assert b.shape == a.shape
                assert np.abs(a - b).mean() > 0.005


def test_planted_faults_are_there_and_listed(made: Path) -> None:
    faults = table(made / "truth/faults.csv")
    manifest = table(made / "manifest.csv").set_index("path")
    of = {fault: group["path"].iloc[0] for fault, group in faults.groupby("fault")}
    assert {"label conflict", "rotated by 90°", "blank", "truncated", "text named .png"} <= set(of)
    assert grey(made / of["blank"]).std() < 0.02
    assert of["text named .png"].endswith(".png")
    assert (made / of["text named .png"]).read_text().startswith("This is a text")
    with pytest.raises(OSError), Image.open(made / of["truncated"]) as image:
        image.load()
    groups = table(made / "truth/known_duplicates.csv")
    group = groups[groups["path"] == of["label conflict"]]["group"].iloc[0]
    labels = {manifest.loc[p, "label"] for p in groups[groups["group"] == group]["path"]}
    assert len(labels) == 2
    assert labels <= set(CLASSES)
    # Upright, the mediastinum is a white column; turned, it is a white row.
    turned = grey(made / of["rotated by 90°"])
    upright = np.rot90(turned, -1)
    h = upright.shape[0]
    assert upright[h // 4 : h // 2].mean(axis=0).std() > 0.5 * upright[h // 4 : h // 2].mean(axis=1).std()


def test_every_picture_and_the_folder_say_that_they_are_synthetic(made: Path) -> None:
    assert "SYNTHETIC" in (made / "README.txt").read_text()
    manifest = table(made / "manifest.csv")
    for path in manifest["path"]:
        assert MARK.encode() in (made / path).read_bytes(), path
    with Image.open(made / manifest[manifest["path"].str.endswith(".png")]["path"].iloc[0]) as image:
        assert image.text["Comment"] == MARK
    with Image.open(made / manifest[manifest["path"].str.endswith(".jpeg")]["path"].iloc[0]) as image:
        assert image.info["comment"] == MARK.encode()


def test_a_finished_phantom_is_kept_and_anything_else_is_refused(made: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*")}
    assert write_phantom(made, OPTIONS) == made
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*")} == before
    with pytest.raises(CollectionError, match="other options"):
        write_phantom(made, PhantomOptions(images=41, seed=3, size=64))
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(CollectionError, match="not empty"):
        write_phantom(tmp_path, OPTIONS)
    assert (tmp_path / "letter.txt").read_text() == "mine"


def test_progress_sees_every_image_and_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    counted: list[object] = []

    def stop(items, total, what):  # type: ignore[no-untyped-def]
        assert total == 16
        for item in items:
            counted.append(item)
            if len(counted) == 16:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        write_phantom(tmp_path / "half", PhantomOptions(images=16, size=48), stop)
    assert len(counted) == 16
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [{"images": 3}, {"seed": -1}, {"size": 10}, {"workers": -2}])
def test_impossible_options_are_refused(given: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=next(iter(given))):
        PhantomOptions(**given)


def test_truth_tables_are_plain_csv(made: Path) -> None:
    for name in ("truth/annotations.csv", "truth/known_duplicates.csv", "truth/faults.csv", "manifest.csv"):
        with (made / name).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert len({len(row) for row in rows}) == 1
        assert len(rows) > 5
