"""The audit as a whole: parts are kept and resumed, one that stops does not stop the rest, nothing is guessed."""

import json
from pathlib import Path

import pytest

from audit_toys import make_case
from cxrlens.audit import audit as engine
from cxrlens.audit.audit import PARTS, SHOWN, audit, headline, verdicts_of
from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.verdict import PartResult, Verdict, gravest, spoken, unanswered
from cxrlens.errors import DatasetError, OptionError, RunError
from cxrlens.folders import read_json, write_json
from cxrlens.manifest import write_manifest


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("audit"), sources=2, epochs=1)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every part answered by a stand-in; the list says which ones ran."""
    ran: list[str] = []

    def call(self: engine.Part, case: Case) -> PartResult:
        ran.append(self.name)
        if self.name == "gate":
            raise DatasetError("the gate", "has nothing to learn from", "add images")
        return PartResult((Verdict(f"{self.name}?", "warn", f"{self.name} is 0.5."),), {"n": 3})

    monkeypatch.setattr(engine.Part, "__call__", call)
    return ran


def test_every_part_that_is_shown_is_run_once(case: Case):
    assert sorted(p.name for p in PARTS) == sorted(SHOWN)
    for part in PARTS:
        module = __import__(part.module, fromlist=[part.name])
        assert callable(getattr(module, part.name)), part.name


def test_a_part_that_stops_is_told_and_the_rest_is_done_and_kept(case: Case, parts: list[str]):
    said: list[str] = []
    done = audit(case.run, case.options, told=said.append)
    assert parts == [p.name for p in PARTS]
    assert list(done.parts) == [name for name in SHOWN if name != "gate"]
    assert len(done.problems) == 1
    assert any("nothing to learn from" in line for line in said)
    parts.clear()
    again = audit(case.run, case.options)
    assert parts == ["gate"], "only what has no result is asked again"
    assert again.parts == done.parts
    summary = read_json(case.run.root / "audit.json")
    assert summary["complete"] is False
    assert [p["name"] for p in summary["parts"]] == list(done.parts)
    assert summary["headline"] == done.headline


def test_a_torn_result_and_one_of_other_options_are_made_again(case: Case, parts: list[str]):
    audit(case.run, case.options, only=["leakage", "association"])
    parts.clear()
    (case.run.audit / "leakage.json").write_text('{"format": 1, "key"')
    audit(case.run, case.options, only=["leakage", "association"])
    assert parts == ["leakage"]
    parts.clear()
    audit(case.run, AuditOptions(epochs=1, resamples=200, seed=7), only=["leakage"])
    assert parts == ["leakage"]


def test_an_unknown_part_is_refused_with_the_known_ones(case: Case):
    with pytest.raises(OptionError, match="leave_one_out"):
        audit(case.run, case.options, only=["leek"])


def test_predictions_of_another_model_are_refused(case: Case):
    metrics = read_json(case.run.metrics_path)
    write_json(case.run.metrics_path, {**metrics, "model": {**metrics["model"], "hash": "other"}})
    try:
        with pytest.raises(RunError, match="evaluate"):
            audit(case.run, case.options, only=["leakage"])
    finally:
        write_json(case.run.metrics_path, metrics)


def test_a_dataset_that_was_altered_since_is_refused(case: Case):
    text = case.dataset.manifest_path.read_text()
    manifest = case.dataset.manifest()
    manifest.loc[0, "split"] = "test"
    write_manifest(manifest, case.dataset.manifest_path)
    try:
        with pytest.raises(RunError, match="another dataset or split"):
            audit(case.run, case.options, only=["leakage"])
    finally:
        case.dataset.manifest_path.write_text(text)


def test_the_headline_counts_and_begins_with_the_sources_left_out():
    first = PartResult((Verdict("?", "fail", "On unseen sources it is 0.31."),))
    other = PartResult((Verdict("?", "pass", "Fine."), Verdict("?", "unanswered", "Cannot be answered, because x.")))
    said = headline({"leave_one_out": first, "leakage": other})
    assert said.startswith("On unseen sources it is 0.31.")
    assert "3 questions asked: 1 failed, 0 with a warning, 1 passed, 1 that this data cannot answer" in said


def test_verdicts_come_gravest_first():
    parts = {"a": PartResult((Verdict("?", "pass", "x"), Verdict("?", "fail", "y"))), "b": unanswered("?", "z")}
    assert [v.status for _, v in verdicts_of(parts)] == ["fail", "unanswered", "pass"]
    assert gravest(parts["a"].verdicts) == "fail"


def test_results_survive_json():
    result = PartResult((Verdict("?", "warn", "x"),), {"value": {"value": 0.5, "low": None, "high": None}})
    assert PartResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_an_interval_is_spoken_as_it_is():
    assert spoken({"value": 0.314, "low": 0.2, "high": 0.4}) == "0.31 (0.20 to 0.40)"
    assert spoken({"value": 0.314, "low": None, "high": None}) == "0.31"
    assert spoken({"value": None, "reason": "no images"}) == "not defined (no images)"


@pytest.mark.parametrize("wrong", [{"resamples": 10}, {"epochs": 0}, {"size": 8}])
def test_options_out_of_range_are_refused(wrong: dict[str, int]):
    with pytest.raises(OptionError):
        AuditOptions(**wrong)


def test_no_run_is_one_line(tmp_path: Path):
    with pytest.raises(RunError) as caught:
        audit(__import__("cxrlens.folders", fromlist=["RunFolder"]).RunFolder(tmp_path), AuditOptions())
    assert "\n" not in str(caught.value)
