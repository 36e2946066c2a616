"""The audit's verdicts on calibration, and the report's section: planted faults fail, honest predictions pass."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calibrated_predictions import distorted, honest, make_run, table
from cxrlens.audit import calibration_verdicts as asked
from cxrlens.audit.calibration import calibration
from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.verdict import PartResult
from cxrlens.calibrated import tempered
from cxrlens.evaluation.calibration.calibrate import calibrate
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.report import write_run_report

FEW = AuditOptions(resamples=200)
OPTIONS = CalibrationOptions(resamples=200)


def whole(test: pd.DataFrame, calibration: int = 400, sharpness: float = 2.0) -> pd.DataFrame:
    parts = [
        distorted(40, 2.0, seed=1, split="train"),
        distorted(calibration, 2.0, seed=3, split="calibration", sharpness=sharpness),
    ]
    return pd.concat([*parts, test], ignore_index=True)


def judged(run: RunFolder) -> PartResult:
    """Calibrated without pictures first: the audit takes what is there."""
    if (pd.read_csv(run.predictions_path)["split"] == "calibration").any():
        calibrate(run, OPTIONS, figures=False)
    return calibration(Case(run, FEW))


def status(result: PartResult) -> dict[str, str]:
    return {v.question: v.status for v in result.verdicts}


def left_out(rows: pd.DataFrame, source: str, split: str = "left-out") -> pd.DataFrame:
    """Moved to one source, under paths that the dataset knows."""
    return rows.assign(source=source, split=split)


@pytest.fixture(scope="module")
def honest_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("honest"), whole(distorted(600, 2.0, seed=4, sharpness=4), sharpness=4))


def test_honest_predictions_pass_and_the_unseen_source_stays_unanswered(honest_run: RunFolder) -> None:
    result = calibration(Case(honest_run, FEW))
    found = status(result)
    assert found.pop(asked.LEFT_OUT) == "unanswered"
    assert found.pop(asked.TRIAGE) in ("pass", "warn", "fail")  # nothing was planted for it
    assert set(found.values()) == {"pass"}, found
    for verdict in result.verdicts:
        assert verdict.sentence.endswith(".")
        if verdict.status != "unanswered":
            assert re.search(r"\d\.\d+ \(\d\.\d+ to \d\.\d+\)", verdict.sentence)
    for drawing in result.drawings:
        assert (honest_run.audit / drawing.file).is_file()
    assert PartResult.from_dict(result.to_dict()).verdicts == result.verdicts


def test_a_shifted_test_breaks_the_promise_and_the_verdict_says_fail(tmp_path: Path) -> None:
    p, truth = honest(600, seed=4, sharpness=4)
    moved = (truth + (np.arange(600) % 3 == 0)) % 4  # every third label is another one
    run = make_run(tmp_path, whole(table(tempered(p, 0.5), moved), sharpness=4))
    found = status(judged(run))
    for question in (asked.PROBABILITIES, asked.PROBABILITIES_BY_SOURCE, asked.BY_CLASS, asked.BY_SOURCE):
        assert found[question] == "fail", question
    assert found[asked.ABSTENTION] == "fail"


def test_one_bad_source_is_named_though_the_classes_keep_their_promise(tmp_path: Path) -> None:
    p, truth = honest(600, seed=4)
    bad = np.arange(600) % 8 == 0
    truth = np.where(bad, (truth + 1) % 4, truth)
    rows = table(tempered(p, 0.5), truth)
    rows.loc[bad, ["source", "collection"]] = "rogue"
    result = judged(make_run(tmp_path, whole(rows)))
    assert status(result)[asked.BY_SOURCE] == "fail"
    assert "rogue" in next(v.sentence for v in result.verdicts if v.question == asked.BY_SOURCE)


def test_a_source_left_out_is_judged_from_the_predictions_that_the_audit_kept(tmp_path: Path) -> None:
    rows = whole(distorted(600, 2.0, seed=4))
    run = make_run(tmp_path, rows)
    folder = run.audit / "leave_one_out"
    folder.mkdir(parents=True)
    inside = rows[rows["split"].isin(["calibration", "test"])]
    p, truth = honest(100, seed=8)
    for name, labels in (("fair", truth), ("foul", (truth + 1) % 4)):
        outside = left_out(table(tempered(p, 0.5), labels), name)
        pd.concat([inside, outside]).to_csv(folder / f"{name}.csv", index=False)
    (folder / "binary.csv").write_bytes(b"\x00\xff")
    (folder / "torn.csv").write_text("path,label\nx")
    stale = left_out(table(tempered(p, 0.5), truth), "stale").assign(path="gone.png")
    pd.concat([inside, stale]).to_csv(folder / "stale.csv", index=False)
    result = judged(run)
    assert status(result)[asked.LEFT_OUT] == "fail"
    sentence = result.verdicts[0].sentence
    assert "On 2 sources" in sentence
    assert "worst on foul" in sentence
    assert "on 1 of them" in sentence
    assert [s["source"] for s in result.figures["left_out"]] == ["foul", "fair"]
    assert result.figures["left_out"][0]["outside"]["sets"]["overall"]["coverage"]["high"] < 0.9
    assert (run.audit / "calibration_left_out.png").is_file()
    (folder / "foul.csv").unlink()
    assert status(judged(run))[asked.LEFT_OUT] in ("pass", "warn")


def test_what_cannot_be_answered_says_why(tmp_path: Path) -> None:
    rows = whole(distorted(100, 2.0, seed=4))
    cases = {
        "no image was set aside": rows[rows["split"] != "calibration"],
        "neither a test nor a validation part": rows[rows["split"] != "test"],
        "5 images are too few": whole(distorted(5, 2.0, seed=4)),
    }
    for number, (words, table_) in enumerate(cases.items()):
        result = judged(make_run(tmp_path / str(number), table_))
        assert [v.status for v in result.verdicts] == ["unanswered"]
        assert words in result.verdicts[0].sentence
    small = judged(make_run(tmp_path / "small", whole(distorted(100, 2.0, seed=4), calibration=8)))
    found = status(small)
    assert found[asked.BY_CLASS] == found[asked.BY_SOURCE] == found[asked.ABSTENTION] == "unanswered"
    one = rows.assign(source="only", collection="only")
    found = status(judged(make_run(tmp_path / "one", one)))
    assert found[asked.BY_SOURCE] == found[asked.PROBABILITIES_BY_SOURCE] == "unanswered"


def test_nothing_passes_on_a_random_split(tmp_path: Path) -> None:
    run = make_run(tmp_path, whole(distorted(600, 2.0, seed=4)), kind="random")
    found = judged(run)
    assert "pass" not in status(found).values()
    assert any("inflated" in v.sentence for v in found.verdicts)


@pytest.mark.parametrize(
    ("sensitivity", "specificity", "expected"),
    [
        ((0.97, 0.93, 0.99), (0.85, 0.80, 0.90), "pass"),
        ((0.93, 0.88, 0.97), (0.85, 0.80, 0.90), "warn"),
        ((0.89, 0.80, 0.95), (0.99, 0.98, 1.00), "fail"),
        ((0.97, 0.93, 0.99), (0.60, 0.50, 0.70), "fail"),
    ],
)
def test_the_triage_target_needs_both_rates_beyond_doubt(
    honest_run: RunFolder, sensitivity: tuple[float, ...], specificity: tuple[float, ...], expected: str
) -> None:
    record = calibrate(honest_run, OPTIONS, figures=False)
    point = record["measured"]["operating"]["Tuberculosis"]["points"]["triage"]
    for name, values in (("sensitivity", sensitivity), ("specificity", specificity)):
        point[name] = dict(zip(("value", "low", "high"), values, strict=True))
    assert asked.of_triage(record).status == expected


def test_the_report_shows_the_section_and_refuses_another_models(honest_run: RunFolder, tmp_path: Path) -> None:
    missing = make_run(tmp_path, whole(distorted(60, 2.0, seed=4)))
    assert "cxrlens calibrate run" in write_run_report(missing).read_text()
    calibrate(honest_run, OPTIONS)
    page = write_run_report(honest_run).read_text()
    section = page[page.index('<section aria-labelledby="calibrated">') :]
    section = section[: section.index("</section>")]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    record = read_json(honest_run.calibration_path)
    answered = record["measured"]["answers"]["overall"]["answered"]["value"]
    assert f"answers {answered:.3f}" in text
    assert "600 images of the test set (locked away until now)" in text
    assert "this helped" in text
    assert section.count("data:image/") == 7
    write_json(honest_run.calibration_path, {**record, "runtime": {**record["runtime"], "model": "cd" * 32}})
    page = write_run_report(honest_run).read_text()
    assert "is of another model than the one that lies here now" in page
    write_json(honest_run.calibration_path, {"format": 1})
    assert "Nobody has checked yet" in write_run_report(honest_run).read_text()
