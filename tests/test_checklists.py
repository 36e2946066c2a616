"""Reporting checklists: whole, in our own words, and nothing evidenced without a file that holds the evidence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from audit_folders import interval, make_audit
from cxrlens.audit.verdict import PartResult, Verdict
from cxrlens.evaluation.calibration.calibrate import calibrate
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.report import write_checklists, write_run_report
from cxrlens.report.checklists import Assessed, assess
from cxrlens.report.checklists.assessment import CHECKLISTS, COMMANDS
from cxrlens.report.checklists.claim import CLAIM
from cxrlens.report.checklists.evidence import FINDERS
from cxrlens.report.checklists.tripod import TRIPOD
from cxrlens.report.records import read_run
from cxrlens.report.run_facts import run_facts
from report_folders import SECRET_PATIENT, make_dataset, make_run
from test_report import Page

ITEMS = [(each.short, item) for each in CHECKLISTS for item in each.items]


def complete_run(root: Path) -> RunFolder:
    """A run with a file for every piece of evidence that the tool can make."""
    dataset = make_dataset(root / "films")
    manifest = dataset.manifest()
    manifest.loc[manifest.index[:9], "view"] = "PA"
    manifest.loc[manifest.index[:9], "sex"] = "F"
    manifest.to_csv(dataset.manifest_path, index=False)
    run = make_run(root / "run", dataset)
    config = read_json(run.config_path)
    config["options"] = {"seed": 5, "epochs": 3, "class_weights": True, "watch": "validation_loss"}
    write_json(run.config_path, {**config, "versions": {"torch": "2.13"}, "machine": {"device": "cpu", "threads": 2}})
    run.weights_path.write_bytes(b"weights")
    mark = read_json(run.model_path)["weights_sha256"]
    write_json(run.metrics_path, {**read_json(run.metrics_path), "model": {"name": "plain", "hash": mark}})
    make_audit(run)
    part = PartResult((Verdict("Which labels are wrong?", "warn", "3 of 80 labels are suspected."),))
    about = {"format": 1, "part": "suspects", "key": read_json(run.root / "audit.json")["key"], "seconds": 1.0}
    write_json(run.audit / "suspects.json", {**about, **part.to_dict()})
    calibrate(run, CalibrationOptions(resamples=200), figures=False)
    gate = {
        "radiographs": {"n": 9, "false_refusals": interval(0.02)},
        "strangers": {"all kinds": {"refused": interval(0.9)}},
    }
    write_json(run.gate / "measured.json", {"model_sha256": mark, **gate})
    write_json(run.explanations / "explanations.json", {"method": "grad-cam", "split": "test"})
    write_json(run.explanations / "scorecard.json", {"model": mark, "default": "grad-cam", "methods": {}})
    external = {"external": {**read_json(run.metrics_path)["test"], "meaning": "another dataset"}}
    write_json(run.root / "external" / "elsewhere" / "metrics.json", external)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return complete_run(tmp_path_factory.mktemp("checklists"))


def assessed(run: RunFolder) -> dict[tuple[str, str], Assessed]:
    return {
        (each.checklist.short, one.item.number): one for each in assess(run_facts(read_run(run))) for one in each.items
    }


def test_claim_has_its_44_items_and_tripod_its_27_with_parts() -> None:
    assert [item.number for item in CLAIM.items] == [str(n) for n in range(1, 45)]
    numbers = [item.number for item in TRIPOD.items]
    assert len(numbers) == len(set(numbers)) == 52
    mains = sorted({int("".join(c for c in number if c.isdigit())) for number in numbers})
    assert mains == list(range(1, 28))


def test_items_say_what_to_supply_or_can_be_made_by_a_command() -> None:
    for name, item in ITEMS:
        assert item.topic, (name, item.number)
        if item.not_applicable:
            assert not item.evidence
            continue
        assert item.evidence in FINDERS or item.supply, (name, item.number)
        if item.evidence:
            assert item.evidence in FINDERS
            assert item.supply or item.evidence in COMMANDS or item.evidence in DEFAULTS, item


DEFAULTS = {"uncertainty", "internal_test", "all_parts", "failures", "diagnostic", "metrics", "artefacts_used"}
"""Evidence that ``cxrlens evaluate`` makes, the command named where no other is."""


def test_every_finder_finds_something_in_a_complete_run_and_names_a_file(run: RunFolder) -> None:
    facts = run_facts(read_run(run))
    for name, finder in FINDERS.items():
        found = finder(facts)
        assert found is not None, name
        assert found.words, name
        assert found.files, name
        for place in found.files:
            root = facts.record.dataset.root if place.startswith("dataset: ") else run.root
            assert root is not None
            assert (root / place.removeprefix("dataset: ")).is_file(), (name, place)


def test_nothing_is_evidenced_in_an_empty_run_folder(tmp_path: Path) -> None:
    empty = RunFolder(tmp_path / "run")
    write_json(empty.config_path, {"format": 1})
    states = {one.state for one in assessed(empty).values()}
    assert states == {"missing", "not applicable"}
    assert all(one.supply for one in assessed(empty).values() if one.state == "missing")


@pytest.mark.parametrize("name", list(FINDERS))
def test_without_its_files_the_evidence_is_gone(name: str, run: RunFolder, tmp_path: Path) -> None:
    """All files that a finder names are removed, and again each alone: it then finds nothing, or names fewer files."""
    found = FINDERS[name](run_facts(read_run(run)))
    assert found is not None
    copy = copied(run, tmp_path / "all", found.files)
    left = FINDERS[name](run_facts(read_run(copy)))
    assert left is None or not set(left.files) & set(found.files)
    for key, one in assessed(copy).items():
        if one.item.evidence == name and left is None:
            assert one.state == "missing", key
            assert one.words == ""
    for place in found.files:
        partial = FINDERS[name](run_facts(read_run(copied(run, tmp_path / place.replace("/", "_"), (place,)))))
        assert partial is None or place not in partial.files


def copied(run: RunFolder, to: Path, without: tuple[str, ...]) -> RunFolder:
    """The run and its dataset elsewhere, some files gone; config.json only loses its contents, or it were no run."""
    shutil.copytree(run.root, to / "run")
    shutil.copytree(run.dataset().root, to / "films", ignore=shutil.ignore_patterns("pictures"))
    new = RunFolder(to / "run")
    config = {**read_json(new.config_path), "dataset": str(to / "films")}
    if "config.json" in without:
        config = {"format": 1, "dataset": str(to / "films")}
    write_json(new.config_path, config)
    for place in without:
        if place.startswith("dataset: "):
            (to / "films" / place.removeprefix("dataset: ")).unlink()
        elif place != "config.json":
            (new.root / place).unlink()
    return new


def test_audit_of_another_model_is_no_evidence(run: RunFolder, tmp_path: Path) -> None:
    copy = copied(run, tmp_path, ())
    shutil.rmtree(copy.root / "external")
    assert assessed(copy)[("CLAIM 2024", "33")].state == "partly"  # the sources left out stand in
    summary = read_json(copy.root / "audit.json")
    write_json(copy.root / "audit.json", {**summary, "model": {"name": "plain", "hash": "cd" * 32}})
    for number in ("30", "33"):
        assert assessed(copy)[("CLAIM 2024", number)].state == "missing"


def test_sources_left_out_do_not_pass_for_an_external_test(run: RunFolder) -> None:
    complete = assessed(run)[("CLAIM 2024", "33")]
    assert complete.state == "evidenced"
    assert "elsewhere" in complete.words


def test_random_split_is_no_full_evidence(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", make_dataset(tmp_path / "films", kind="random"))
    one = assessed(run)[("CLAIM 2024", "32")]
    assert one.state == "partly"
    assert "inflated" in one.supply


def test_figures_are_those_on_disk(run: RunFolder) -> None:
    accuracy = read_json(run.metrics_path)["test"]["accuracy"]
    assert f"{accuracy['value']:.3f} ({accuracy['low']:.3f} to" in assessed(run)[("CLAIM 2024", "29")].words
    wrong = read_run(run).predictions
    assert wrong is not None
    count = int(((wrong["split"] == "test") & (wrong["label"] != wrong["predicted"])).sum())
    assert assessed(run)[("CLAIM 2024", "39")].words.startswith(f"{count} mistake")


def test_file_and_page_show_every_item_and_no_patient(run: RunFolder) -> None:
    text = write_checklists(run).read_text(encoding="utf-8")
    for _, item in ITEMS:
        assert f"| {item.number} | {item.section} |" in text
    rows = [line.replace("\\|", "") for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {7}
    html = write_run_report(run).read_text(encoding="utf-8")
    page = Page(html)
    assert "Reporting checklists" in page.text
    for _, item in ITEMS:
        assert f"{item.section}: {item.topic}" in page.text
    for shown in (text, html):
        assert SECRET_PATIENT not in shown
    assert str(run.root.parent) not in text
