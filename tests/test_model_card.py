"""The model card: every field from a file, "not measured: run …" where there is none."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from audit_folders import HOSTILE_SOURCE, PARTS, interval, make_audit
from cxrlens.evaluation.calibration.calibrate import calibrate
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.report import write_model_card
from cxrlens.report.rendering import markdown_cell
from report_folders import SECRET_PATIENT, make_dataset, make_run

COMMANDS = {
    "## On a source it has never seen": "cxrlens audit run",
    "## The audit's verdicts": "cxrlens audit run",
    "## Probabilities, prediction sets, abstention": "cxrlens calibrate run",
    "## What it refuses to judge": "cxrlens gate run",
    "## The heat-maps": "cxrlens explain run --scorecard",
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "run", make_dataset(tmp_path / "films"))


def card_of(run: RunFolder) -> str:
    return write_model_card(run).read_text(encoding="utf-8")


def section(card: str, title: str) -> str:
    return card.split(f"\n{title}\n")[1].split("\n## ")[0]


def test_what_was_not_measured_names_the_command(run: RunFolder) -> None:
    card = card_of(run)
    for title, command in COMMANDS.items():
        assert section(card, title).strip() == f"not measured: run `{command}`"
    assert "**On a source it has never seen:** not measured: run `cxrlens audit run`" in card
    assert "cxrlens evaluate run --dataset OTHER" in card


def test_every_split_stands_by_class_and_by_source(run: RunFolder) -> None:
    card, metrics = card_of(run), read_json(run.metrics_path)
    for title, name in (("Test set", "test"), ("Validation set", "validation"), ("Training set", "train")):
        part = card.split(f"### {title}\n")[1].split("\n###")[0]
        assert metrics[name]["meaning"] in part
        for label, of in metrics[name]["per_class"].items():
            assert f"| {label} | {of['n']} | {of['recall']['value']:.3f}" in part
        for source, of in metrics[name]["per_source"].items():
            assert f"| {source} | {of['n']} | {of['accuracy']['value']:.3f}" in part


def test_verdicts_and_left_out_sources_stand_word_for_word(run: RunFolder) -> None:
    make_audit(run)
    card = card_of(run)
    verdicts = section(card, "## The audit's verdicts")
    for part in PARTS.values():
        for verdict in part.verdicts:
            assert markdown_cell(verdict.sentence.replace(SECRET_PATIENT, "(withheld)")) in verdicts
    assert card.index("**0.85 inside; 0.31 on a source it has never seen.**") < card.index("## The model")
    unseen = section(card, "## On a source it has never seen")
    assert unseen.index(markdown_cell(HOSTILE_SOURCE)) < unseen.index("| north | 40 | 0.410 (0.360 to 0.460)")
    assert "tiny (n = 9)" in unseen
    assert "0.31 on a source" in section(card, "## Limits")
    assert "Nothing here is from an unseen hospital." not in card


def test_audit_of_another_model_gives_no_figure(run: RunFolder) -> None:
    make_audit(run, model_hash="cd" * 32)
    card = card_of(run)
    assert "the audit in the run folder is of another model; run `cxrlens audit run`" in card
    assert "0.31" not in card
    assert PARTS["leakage"].verdicts[0].sentence not in card


def test_calibration_is_told_as_it_was_measured(run: RunFolder) -> None:
    metrics = read_json(run.metrics_path)
    write_json(run.metrics_path, {**metrics, "model": {"name": "plain", "hash": "ab" * 32}})
    record = calibrate(run, CalibrationOptions(resamples=200), figures=False)
    part = section(card_of(run), "## Probabilities, prediction sets, abstention")
    for label, of in record["measured"]["sets"]["by_class"].items():
        assert f"| {label} | {of['n']} | " in part
        assert f"{of['coverage']['value']:.3f}" in part
    assert "locked away until now" in part
    write_json(run.calibration_path, {**record, "model": {"name": "plain", "hash": "cd" * 32}})
    assert section(card_of(run), "## Probabilities, prediction sets, abstention").strip().startswith("not measured")


def test_gate_and_scorecard_are_told_as_they_were_measured(run: RunFolder) -> None:
    films = {
        "n": 28,
        "false_refusals": interval(0.017, 0.01),
        "per_class": {"Normal": {"n": 9, "refused": interval(0.1)}},
    }
    strangers = {"all kinds": {"n": 40, "refused": interval(0.93)}, "noise": {"n": 5, "refused": interval(0.99, 0.01)}}
    write_json(run.gate / "measured.json", {"model_sha256": "ab" * 32, "radiographs": films, "strangers": strangers})
    judged = {"question": "Does it depend on the weights?", "status": "pass", "sentence": "It does: 0.04."}
    method = {"title": "Grad-CAM", "judgements": [judged]}
    scorecard = {"model": "ab" * 32, "default": "grad-cam", "methods": {"grad-cam": method}}
    scorecard |= {
        "verdict": {"better": [], "sentence": "No other method is clearly better."},
        "flag": {"words": "3 of 9."},
    }
    write_json(run.explanations / "scorecard.json", scorecard)
    card = card_of(run)
    gate = section(card, "## What it refuses to judge")
    assert "Of 28 held-out radiographs it refuses 0.017 (0.007 to 0.027)" in gate
    assert "| noise | 5 | 0.990 (0.980 to 1.000) |" in gate
    maps = section(card, "## The heat-maps")
    for words in ("No other method is clearly better.", "3 of 9.", "| Does it depend on the weights? | pass |"):
        assert words in maps
    write_json(run.gate / "measured.json", {"model_sha256": "cd" * 32, "radiographs": films, "strangers": strangers})
    write_json(run.explanations / "scorecard.json", {**scorecard, "model": "cd" * 32})
    card = card_of(run)
    for title in ("## What it refuses to judge", "## The heat-maps"):
        assert section(card, title).strip().startswith("not measured: run")


def test_commands_to_reproduce_name_what_this_run_has_seen(run: RunFolder) -> None:
    assert "cxrlens audit run" not in section(card_of(run), "## How to get the same again")
    make_audit(run)
    again = section(card_of(run), "## How to get the same again")
    assert again.index("cxrlens evaluate run") < again.index("cxrlens audit run") < again.index("cxrlens report run")


def test_tables_are_whole_and_nothing_leaks(run: RunFolder, tmp_path: Path) -> None:
    make_audit(run)
    card = card_of(run)
    rows = card.splitlines()
    for above, below in pairwise(rows):
        if below.startswith("|---"):
            assert above.replace("\\|", "").count("|") == below.count("|"), above
        if above.startswith("|") and below.startswith("|"):
            assert above.replace("\\|", "").count("|") == below.replace("\\|", "").count("|"), below
    assert SECRET_PATIENT not in card
    assert "90210" not in card
    assert str(tmp_path) not in card
    assert "<img" not in card
