"""Leave one source out: a clue that changes from source to source is caught, a true sign passes, links are cut."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit_toys import make_case, options, write_dataset
from cxrlens.audit import leave_one_out as module
from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.leave_one_out import LEFT_OUT, leave_one_out, mean_over_sources, plan
from cxrlens.audit.recall import Recall
from cxrlens.audit.relatives import relatives
from cxrlens.evaluation.intervals import Interval
from cxrlens.folders import RunFolder, write_json
from cxrlens.manifest import new_manifest, write_manifest


def planned(root: Path, change: object = None, **about: int) -> tuple[list, list]:
    """Plan over a dataset that ``change`` may alter; no network is trained."""
    dataset = write_dataset(root / "dataset", **about)
    manifest = dataset.manifest()
    if change is not None:
        manifest = change(manifest)
        write_manifest(manifest, dataset.manifest_path)
    run = RunFolder(root / "run")
    settings = {"format": 1, "dataset": str(dataset.root), "options": options().to_dict()}
    write_json(run.config_path, settings)
    write_json(run.model_path, {"format": 1, "epochs": 3})
    return plan(Case(run, AuditOptions()))


def test_every_source_with_enough_images_is_left_out_and_its_images_are_asked(tmp_path: Path):
    questions, refused = planned(tmp_path)
    assert {q.source for q in questions} == {"north", "east", "west"}
    assert not refused
    for q in questions:
        assert q.source not in set(q.job.train["source"]) | set(q.job.validation["source"])
        out = q.job.asked[q.job.asked["split"] == LEFT_OUT]
        assert set(out["source"]) == {q.source}
        assert len(out) == 48
        assert set(q.job.asked.loc[q.job.asked["split"] != LEFT_OUT, "split"]) == {"test", "calibration"}


def test_films_that_share_a_patient_or_a_radiograph_with_it_leave_the_training_too(tmp_path: Path):
    def link(manifest: pd.DataFrame) -> pd.DataFrame:
        north = manifest.index[manifest["source"] == "north"]
        east = manifest.index[(manifest["source"] == "east") & (manifest["split"] == "train")]
        manifest.loc[[north[0], east[0]], "duplicate_group"] = "7"
        return manifest

    questions, _ = planned(tmp_path, link)
    north = next(q for q in questions if q.source == "north")
    assert north.shared == 2, "the copy, and the other film of its patient"
    assert north.gone == north.stayed == (), "one radiograph makes no relatives"
    west = next(q for q in questions if q.source == "west")
    assert west.shared == 0


def share_radiographs(manifest: pd.DataFrame, count: int) -> pd.DataFrame:
    """The first ``count`` films of each of two sources are copies of each other."""
    first, second = (manifest.index[manifest["source"] == name][:count] for name in ("north", "east"))
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        manifest.loc[[a, b], "duplicate_group"] = str(number + 1)
    return manifest


def test_sources_that_hold_each_others_radiographs_are_left_out_together(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "LEAST_OF_A_CLASS", 1)
    questions, _ = planned(tmp_path, lambda m: share_radiographs(m, 6))
    by_source = {q.source: q for q in questions}
    assert by_source["north"].gone == ("east",)
    assert set(by_source["north"].job.train["source"]) == {"west"}
    assert by_source["west"].gone == by_source["west"].stayed == ()


def test_a_relative_stays_where_a_class_could_not_spare_it_and_that_is_said(tmp_path: Path):
    questions, _ = planned(tmp_path, lambda m: share_radiographs(m, 6))
    north = next(q for q in questions if q.source == "north")
    assert (north.gone, north.stayed) == ((), ("east",)), "a class would keep 6 train images"


def test_relatives_are_told_by_a_tenth_of_the_smaller_source(tmp_path: Path):
    manifest = write_dataset(tmp_path / "d").manifest()
    assert relatives(share_radiographs(manifest.copy(), 4))["north"] == {}
    found = relatives(share_radiographs(manifest.copy(), 5))
    assert found["north"] == {"east": pytest.approx(5 / 48, abs=1e-4)}
    assert found["west"] == {}


def named(*cells: tuple[str, str, int]) -> pd.DataFrame:
    """A manifest of (source, label, how many), without a copy."""
    rows = [{"path": f"{s}-{label}-{i}", "source": s, "label": label} for s, label, n in cells for i in range(n)]
    return new_manifest(rows)


def test_sources_that_the_catalogue_knows_to_be_of_one_hospital_are_relatives_without_a_copy():
    found = relatives(named(("nih", "Normal", 40), ("nih", "Pneumonia", 40), ("nih-sample", "Normal", 5)))
    assert found == {"nih": {"nih-sample": 1.0}, "nih-sample": {"nih": 1.0}}


def test_the_catalogue_is_asked_by_class():
    nih, kermany = ("nih", "Normal", 50), ("kermany", "Pneumonia", 50)
    covid, normals, viral = (("radiography", c, n) for c, n in (("COVID-19", 60), ("Normal", 30), ("Pneumonia", 30)))
    assert relatives(named(nih, kermany, covid))["radiography"] == {}
    assert relatives(named(nih, kermany, covid, normals))["radiography"] == {"nih": 0.6}
    assert relatives(named(nih, kermany, covid, viral))["radiography"] == {"kermany": 0.6}
    assert relatives(named(nih, kermany, covid, ("radiography", "Normal", 4)))["radiography"] == {}, "below a tenth"


@pytest.mark.parametrize("unknown", ["nih2", "my-hospital", "radiography-viral", "north/nih-copy", ""])
def test_a_name_that_is_not_in_the_catalogue_is_no_ones_relative(unknown: str):
    found = relatives(named(("nih", "Normal", 40), (unknown, "Normal", 40), ("rsna", "Normal", 40)))
    assert found == {"nih": {"rsna": 1.0}, unknown: {}, "rsna": {"nih": 1.0}}


def test_a_catalogue_name_is_known_in_another_spelling_and_under_its_parents_name():
    found = relatives(named(("a/NIH", "Normal", 40), ("b/nih", "Normal", 40), ("NIH Sample", "Normal", 40)))
    assert set(found["a/NIH"]) == {"b/nih", "NIH Sample"}


def test_copies_and_the_catalogue_do_not_add_up():
    manifest = named(("nih", "Normal", 40), ("rsna", "Normal", 40))
    manifest["duplicate_group"] = [str(i % 40) if i % 40 < 30 else "" for i in range(80)]
    assert relatives(manifest) == {"nih": {"rsna": 1.0}, "rsna": {"nih": 1.0}}


def test_what_cannot_be_left_out_is_named_with_its_reason(tmp_path: Path):
    def spoil(manifest: pd.DataFrame) -> pd.DataFrame:
        west = manifest["source"] == "west"
        manifest = manifest[~west | (manifest.groupby("source").cumcount() < 10)]
        only_north = (manifest["label"] == "Tuberculosis") & (manifest["source"] != "north")
        return manifest[~only_north].reset_index(drop=True)

    questions, refused = planned(tmp_path, spoil)
    reasons = {r["source"]: r["because"] for r in refused}
    assert reasons["north"] == "is the only source of Tuberculosis"
    assert "10 image(s), fewer than 20" in reasons["west"]
    assert {q.source for q in questions} == {"east"}


def test_one_source_alone_cannot_answer(tmp_path: Path):
    dataset = write_dataset(tmp_path / "dataset", sources=1)
    run = RunFolder(tmp_path / "run")
    write_json(run.config_path, {"format": 1, "dataset": str(dataset.root), "options": options().to_dict()})
    write_json(run.model_path, {"format": 1, "epochs": 3})
    (verdict,) = leave_one_out(Case(run, AuditOptions())).verdicts
    assert verdict.status == "unanswered"
    assert verdict.sentence.startswith("Cannot be answered, because")
    assert "only source" in verdict.sentence


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(("clue", "status"), [("inside", "pass"), ("source", "fail")])
def test_a_true_sign_survives_on_unseen_sources_and_a_clue_of_the_source_does_not(
    clue: str, status: str, tmp_path: Path
):
    case = make_case(tmp_path, clue, per_cell=24, epochs=10)
    result = leave_one_out(case)
    assert result.verdicts[0].status == status, result.verdicts[0].sentence
    figures = result.figures
    assert [e["mean_recall"]["value"] for e in figures["sources"]] == sorted(
        e["mean_recall"]["value"] for e in figures["sources"]
    ), "the worst comes first"
    assert figures["worst"] == figures["sources"][0]["source"]
    for entry in figures["sources"]:
        assert sum(entry["said"].values()) == entry["n"]
        assert (case.folder / "leave_one_out" / f"{entry['source']}.csv").is_file()
    assert (case.folder / result.drawings[0].file).is_file()


def test_the_interval_over_sources_is_wider_than_any_one_sources_doubt():
    rng = np.random.default_rng(0)
    recalls = [Recall(Interval(m, m - 0.02, m + 0.02), {}, rng.normal(m, 0.01, 500)) for m in (0.1, 0.2, 0.4, 0.5, 0.8)]
    found = mean_over_sources(recalls, 2000, 0)
    assert found.value == pytest.approx(0.4)
    spread = np.std([0.1, 0.2, 0.4, 0.5, 0.8]) / np.sqrt(5)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.15)


def test_two_sources_give_a_mean_without_an_interval():
    recalls = [Recall(Interval(m, 0, 1), {}, np.full(10, m)) for m in (0.2, 0.6)]
    found = mean_over_sources(recalls, 100, 0)
    assert (found.value, found.low) == (0.4, None)


def test_names_of_sources_become_file_names(tmp_path: Path):
    def rename(manifest: pd.DataFrame) -> pd.DataFrame:
        manifest.loc[manifest["source"] == "north", "source"] = "../ä b/c"
        return manifest

    questions, _ = planned(tmp_path, rename)
    names = {q.job.name for q in questions}
    assert all("/" not in name and not name.startswith(".") for name in names)
    assert len(names) == 3
