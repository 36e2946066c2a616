"""Association: Cramér's V against its formula and its purpose, chance by shuffling, and what the part says of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import contingency

from cxrlens.audit.association import association, associations
from cxrlens.audit.association_verdicts import (
    BLIND_QUESTION,
    FILE_QUESTION,
    LARGE,
    LEAST,
    SOURCE_QUESTION,
    WITHIN_QUESTION,
    blind_status,
    judge,
)
from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.cramer import count, one_against_rest, shuffled, strength, strongest_by_chance, v_interval
from cxrlens.audit.metadata import FACTS, SOURCE, Fact, codes, read_metadata, varying
from cxrlens.audit.metadata_only import metadata_only
from cxrlens.audit.verdict import PartResult, Verdict
from cxrlens.errors import UnreadableImageError
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.folders import DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.sources.headers import nearest_quality, read_save_header
from cxrlens.sources.phantom import PLANTS, PhantomOptions, write_phantom
from cxrlens.sources.phantom.encode import encode_jpeg
from cxrlens.sources.phantom.plants import CLASS_JPEG, RECOMPRESSED, SOURCE_CONTRAST, TONED
from cxrlens.split import SplitOptions, split

FEW = Bootstrap(200, 0)


def bergsma(table: np.ndarray) -> float:
    """The formula of the paper, letter by letter, for one table without empty rows."""
    n, (r, c) = table.sum(), table.shape
    phi2 = contingency.association(table.astype(int), method="tschuprow") ** 2 * np.sqrt((r - 1) * (c - 1))
    positive = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    rows, columns = (k - (k - 1) ** 2 / (n - 1) for k in (r, c))
    return float(np.sqrt(positive / min(rows - 1, columns - 1)))


# --- the statistic ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_v_is_the_papers_formula(seed: int) -> None:
    table = np.random.default_rng(seed).integers(1, 30, (2 + seed % 3, 3 + seed)).astype(float)
    assert strength(table[None]).v[0] == pytest.approx(bergsma(table), abs=1e-12)
    gaps = np.insert(np.insert(table, 1, 0, axis=0), 2, 0, axis=1)
    assert strength(gaps[None]).v[0] == pytest.approx(bergsma(table), abs=1e-12)


def test_v_is_one_for_what_names_the_class_and_nought_for_what_does_not() -> None:
    exact = np.diag([40.0, 40.0, 40.0, 40.0])
    assert strength(exact[None]).v[0] == pytest.approx(1.0, abs=1e-9)
    assert strength(exact[None]).w[0] == pytest.approx(np.sqrt(3), rel=0.02)
    assert strength(np.full((1, 4, 5), 8.0)).v[0] == 0.0
    assert strength(np.full((1, 1, 5), 8.0)).v[0] == 0.0


def test_unlike_plain_v_it_stays_near_nought_for_independent_kinds() -> None:
    rng = np.random.default_rng(0)
    found, plain = [], []
    for _ in range(200):
        table = count(rng.integers(4, size=80), rng.integers(6, size=80))
        found.append(strength(table).v[0])
        plain.append(contingency.association(table[0].astype(int)))
    assert np.mean(found) < 0.06
    assert np.mean(plain) > 0.2


def test_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    joint = 0.7 * np.diag([0.25] * 4) + 0.3 / 16
    truth = strength(joint[None] * 1e7).v[0]
    held = 0
    for k in range(60):
        drawn = rng.choice(16, size=300, p=joint.ravel())
        interval = v_interval(drawn // 4, drawn % 4, np.arange(300), Bootstrap(200, k))
        held += interval.low <= truth <= interval.high
    assert held >= 52


def test_interval_grows_when_images_come_in_units() -> None:
    rng = np.random.default_rng(2)
    classes, kinds = rng.integers(4, size=50), rng.integers(4, size=50)
    kinds[:25] = classes[:25]
    alone = v_interval(np.repeat(classes, 6), np.repeat(kinds, 6), np.arange(300), FEW)
    together = v_interval(np.repeat(classes, 6), np.repeat(kinds, 6), np.repeat(np.arange(50), 6), FEW)
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_shuffling_moves_whole_units_and_keeps_each_ones_classes() -> None:
    units = np.array([0, 1, 0, 2, 2, 3])
    classes = np.array([0, 1, 0, 2, 2, 3])
    seen = shuffled(classes, units, 50, np.random.default_rng(0))
    for row in seen:
        assert row[0] == row[2]
        assert row[3] == row[4]
        assert set(row) <= {0, 1, 2, 3}
    assert len({tuple(row) for row in seen}) > 10


def test_chance_of_the_strongest_grows_with_the_number_of_facts_and_falls_with_the_images() -> None:
    rng = np.random.default_rng(3)

    def chance(n: int, facts: int) -> float:
        permuted = shuffled(rng.integers(4, size=n), np.arange(n), 150, rng)
        return float(np.quantile(strongest_by_chance(permuted, [rng.integers(5, size=n) for _ in range(facts)]), 0.95))

    assert chance(60, 1) < chance(60, 8)
    assert chance(600, 8) < 0.5 * chance(60, 8)
    exact = np.arange(80) % 4
    permuted = np.stack([exact, np.zeros(80, int)])
    assert strongest_by_chance(permuted, [exact])[0] == pytest.approx(strength(count(exact, exact)).w[0])


def test_one_against_rest_adds_up() -> None:
    table = np.arange(12.0).reshape(1, 3, 4)
    for k, two in enumerate(one_against_rest(table)):
        assert (two.sum(axis=1) == table.sum(axis=1)).all()
        assert (two[0, 0] == table[0, k]).all()


# --- headers and facts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [1, 30, 49, 50, 55, 75, 88, 95, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(tmp_path: Path, quality: int) -> None:
    film = np.random.default_rng(0).integers(0, 255, (32, 32)).astype(np.uint8)
    (tmp_path / "cv.jpeg").write_bytes(encode_jpeg(film, quality))
    Image.fromarray(film).save(tmp_path / "pil.jpg", quality=quality)
    for name in ("cv.jpeg", "pil.jpg"):
        header = read_save_header(tmp_path / name)
        assert header.jpeg_quality == quality
        assert header.size == (tmp_path / name).stat().st_size
    assert nearest_quality(np.full(64, 1)) == 100


def test_what_is_embedded_is_told_and_a_torn_header_is_an_error(tmp_path: Path) -> None:
    film = Image.fromarray(np.zeros((20, 20), np.uint8))
    exif = Image.Exif()
    exif[0x010E] = "a film"
    film.save(tmp_path / "exif.jpg", exif=exif, dpi=(72, 72))
    film.save(tmp_path / "plain.png")
    assert {"EXIF", "resolution"} <= set(read_save_header(tmp_path / "exif.jpg").embedded.split(" + "))
    plain = read_save_header(tmp_path / "plain.png")
    assert (plain.embedded, plain.jpeg_tables, plain.jpeg_quality) == ("nothing", "", None)
    (tmp_path / "torn.jpg").write_bytes((tmp_path / "exif.jpg").read_bytes()[:9])
    for name in ("torn.jpg", "gone.png"):
        with pytest.raises(UnreadableImageError):
            read_save_header(tmp_path / name)


def test_dicom_tells_its_transfer_syntax_and_manufacturer(tmp_path: Path) -> None:
    from pydicom import FileDataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.3"
    dataset = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Modality, dataset.Manufacturer, dataset.Rows = "CR", "Works of Somewhere", 4
    dataset.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    header = read_save_header(tmp_path / "film.dcm")
    assert (header.transfer_syntax, header.manufacturer) == ("Explicit VR Little Endian", "Works of Somewhere")


def test_numbers_fall_into_fifths_kinds_keep_their_names_and_nothing_is_lost() -> None:
    number, kind = Fact("x", "x", number=True), Fact("k", "k")
    table = pd.DataFrame({"x": [*np.arange(95.0), *[np.nan] * 5], "k": ["a"] * 60 + [f"rare {i}" for i in range(40)]})
    fifths, kinds = codes(table, number), codes(table, kind)
    assert sorted(np.bincount(fifths)) == [5, 19, 19, 19, 19, 19]
    assert len(set(kinds)) == 16
    assert len(set(codes(pd.DataFrame({"x": [0.0] * 9 + [0.5]}), number))) == 2


def test_a_classifier_without_pixels_finds_what_is_there_and_says_which_fact_it_was() -> None:
    rng = np.random.default_rng(0)
    labels = np.array(CLASSES)[rng.integers(4, size=400)]
    table = pd.DataFrame({"label": labels, "source": "s", "patient_id": "", "duplicate_group": ""})
    table["telling"] = np.where(labels == CLASSES[3], rng.normal(3, 0.5, 400), rng.normal(0, 0.5, 400))
    table["idle"] = rng.choice(["a", "b"], 400)
    facts = [Fact("telling", "t", number=True), Fact("idle", "i")]
    found, importance = metadata_only(table[:250], table[250:].reset_index(drop=True), facts, FEW)
    assert found.by_class[CLASSES[3]]["recall"]["low"] > 0.85
    assert 0.3 < found.mean.value < 0.65
    assert next(iter(importance)) == "telling"
    assert importance["telling"]["low"] > 0.1
    assert importance["idle"]["low"] < 0.03


# --- the part --------------------------------------------------------------------------------------------------------


def case_of(folder: Path, manifest: pd.DataFrame, *, divide: bool = True) -> Case:
    """A case of hand-made folders: a manifest that is split, and a run that knows nothing but its dataset."""
    dataset, run = DatasetFolder(folder / "dataset"), RunFolder(folder / "run")
    dataset.root.mkdir(parents=True)
    run.root.mkdir(parents=True)
    done = split(manifest, SplitOptions(test=0.25)).manifest if divide else manifest
    write_manifest(done, dataset.manifest_path)
    write_json(dataset.curation_path, {"synthetic": True})
    write_json(run.config_path, {"format": 1, "dataset": str(dataset.root)})
    return Case(run, AuditOptions(resamples=100))


def of_phantom(folder: Path, options: PhantomOptions) -> Case:
    phantom = write_phantom(folder / "phantom", options)
    manifest = pd.read_csv(phantom / "manifest.csv", dtype=str, keep_default_na=False)
    manifest["path"] = [str(phantom / path) for path in manifest["path"]]
    return case_of(folder, new_manifest(manifest.to_dict("records")))


def by_question(result: PartResult) -> dict[str, Verdict]:
    assert len({v.question for v in result.verdicts}) == len(result.verdicts)
    for verdict in result.verdicts:
        assert (verdict.status == "unanswered") == verdict.sentence.startswith("Cannot be answered, because ")
        assert "None" not in verdict.sentence.replace("None of", "")
        assert "nan" not in verdict.sentence
    return {v.question: v for v in result.verdicts}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Case, PartResult]]:
    common = {"images": 320, "seed": 5, "size": 48, "workers": 1, "clean": True}
    made = {}
    for name, plants in {"clean": (), SOURCE_CONTRAST: (SOURCE_CONTRAST,), CLASS_JPEG: (CLASS_JPEG,)}.items():
        assert set(plants) <= set(PLANTS)
        case = of_phantom(tmp_path_factory.mktemp(name), PhantomOptions(**common, plants=plants))
        made[name] = case, association(case)
    return made


def test_a_clean_phantom_passes(answers: dict[str, tuple[Case, PartResult]]) -> None:
    _, result = answers["clean"]
    assert {q: v.status for q, v in by_question(result).items()} == {
        SOURCE_QUESTION: "pass",
        FILE_QUESTION: "pass",
        WITHIN_QUESTION: "pass",
        BLIND_QUESTION: "pass",
    }


def test_a_class_from_one_hospital_is_caught_and_named(answers: dict[str, tuple[Case, PartResult]]) -> None:
    _, result = answers[SOURCE_CONTRAST]
    verdicts = by_question(result)
    assert verdicts[SOURCE_QUESTION].status == "fail"
    assert f"best told is {TONED}" in verdicts[SOURCE_QUESTION].sentence
    assert verdicts[BLIND_QUESTION].status in ("warn", "fail")
    assert result.figures["source"]["strongest"]["label_w"] > 0.8


def test_a_jpeg_quality_of_one_class_is_caught_overall_and_within_the_source(
    answers: dict[str, tuple[Case, PartResult]],
) -> None:
    _, result = answers[CLASS_JPEG]
    verdicts = by_question(result)
    assert verdicts[SOURCE_QUESTION].status == "pass"
    assert verdicts[FILE_QUESTION].status == "fail"
    assert "JPEG" in verdicts[FILE_QUESTION].sentence
    assert f"best told is {RECOMPRESSED}" in verdicts[FILE_QUESTION].sentence
    assert verdicts[WITHIN_QUESTION].status == "fail"
    within = result.figures["within_source"]
    assert {name for name, found in within.items() if judge(found) == "fail"} == {
        "hillside-film",
        "ward-portable",
    }


def test_figures_are_json_and_the_drawings_are_there_and_say_synthetic(
    answers: dict[str, tuple[Case, PartResult]], tmp_path: Path
) -> None:
    for case, result in answers.values():
        write_json(tmp_path / "part.json", result.to_dict())
        assert {d.file for d in result.drawings} == {"association.png", "class_by_source.png"}
        for drawing in result.drawings:
            with Image.open(case.folder / drawing.file) as image:
                assert "SYNTHETIC" in image.info["Comment"].upper()


def test_every_fact_is_read_from_the_files(answers: dict[str, tuple[Case, PartResult]]) -> None:
    case, _ = answers["clean"]
    rows = case.rows.groupby("source").head(3)
    gone = pd.concat([rows, rows.head(1).assign(path="gone.png")], ignore_index=True)
    table = read_metadata(gone)
    assert len(table) == len(rows)
    assert {f.name for f in FACTS} <= set(table.columns)
    by_source = table.groupby("source").first()
    assert by_source["jpeg_quality"].to_dict() == pytest.approx(
        {"harbour-cr": np.nan, "hillside-film": 86, "northgate-dr": np.nan, "ward-portable": 80}, nan_ok=True
    )
    assert by_source.loc["northgate-dr", "bit_depth"] == "16"
    assert by_source.loc["hillside-film", "tint"] > 0.05
    assert {f.name for f in varying(table)} >= {"size", "file_format", "jpeg_tables"}


def small(folder: Path, n: int, sources: int, kinds: int = 4) -> pd.DataFrame:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(n)
    rows: list[dict[str, object]] = []
    for i in range(n):
        path = folder / f"{i}.png"
        Image.fromarray(rng.integers(40, 220, (16, 16 + i // 4 % 2)).astype(np.uint8)).save(path)
        source = f"s{i // kinds % sources}"
        rows.append({"path": str(path), "label": CLASSES[i % kinds], "collection": source, "source": source})
    return new_manifest(rows)


def test_forty_images_one_source_or_one_class_are_no_answer(tmp_path: Path) -> None:
    few = by_question(association(case_of(tmp_path / "few", small(tmp_path / "a", 40, 2))))
    assert few[FILE_QUESTION].status == "unanswered"
    assert "40 images" in few[FILE_QUESTION].sentence
    assert few[BLIND_QUESTION].status == "unanswered"
    one = by_question(association(case_of(tmp_path / "one", small(tmp_path / "b", 120, 1))))
    assert "one source" in one[SOURCE_QUESTION].sentence
    assert WITHIN_QUESTION not in one
    assert one[FILE_QUESTION].status == "pass"
    same = by_question(association(case_of(tmp_path / "same", small(tmp_path / "c", 40, 2, kinds=1))))
    assert {v.status for v in same.values()} == {"unanswered"}
    assert "one class" in same[SOURCE_QUESTION].sentence


def test_a_class_that_only_one_source_has_leaves_nothing_to_ask_within_sources(tmp_path: Path) -> None:
    manifest = small(tmp_path / "a", 120, 2)
    manifest["source"] = "hospital of " + manifest["label"]
    found = by_question(association(case_of(tmp_path / "case", manifest)))
    assert found[SOURCE_QUESTION].status == "fail"
    assert "V = 1.00" in found[SOURCE_QUESTION].sentence
    assert found[WITHIN_QUESTION].status == "unanswered"
    assert "no source has enough images of two classes" in found[WITHIN_QUESTION].sentence


def test_thresholds_say_what_they_are_said_to_say() -> None:
    def judged(w: float, p: float, by_chance: float, n: int = 300) -> str:
        return judge({"n": n, "strongest": {"w": w, "p": p, "by_chance": by_chance}})

    assert judged(0.9, 0.01, 0.2) == "fail"
    assert judged(0.4, 0.01, 0.2) == "warn"
    assert judged(0.1, 0.01, 0.05) == "pass"
    assert judged(0.4, 0.2, 0.45) == "pass"
    assert judged(0.4, 0.2, 0.45, n=LEAST - 1) == "unanswered"
    assert judged(0.6, 0.2, LARGE) == "unanswered"
    network = {"value": 0.85, "low": 0.8, "high": 0.9}
    assert blind_status({"value": 0.27, "low": 0.2, "high": 0.3}, 0.25, network) == "pass"
    assert blind_status({"value": 0.4, "low": 0.33, "high": 0.5}, 0.25, network) == "warn"
    assert blind_status({"value": 0.6, "low": 0.5, "high": 0.7}, 0.25, network) == "fail"
    assert blind_status({"value": 0.4, "low": 0.33, "high": 0.5}, 0.25, {"value": 0.5}) == "fail"


def test_p_values_of_several_families_are_corrected() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"label": np.array(CLASSES)[rng.integers(4, size=80)], "patient_id": "", "duplicate_group": ""}
    )
    table["source"] = np.where(rng.random(80) < 0.5, "a", np.where(table["label"] == CLASSES[0], "b", "c"))
    alone = associations(table, [SOURCE], FEW)["strongest"]
    among = associations(table, [SOURCE], FEW, tests=5)["strongest"]
    assert among["p"] >= 2 * alone["p"]
