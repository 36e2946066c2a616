"""``cxrlens calibrate`` on a run folder: what it writes, what it refuses, and what it says where data are scarce."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from calibrated_predictions import HASH, distorted, honest, make_run, table
from cxrlens.calibrated import Calibration
from cxrlens.cli import app
from cxrlens.errors import RunError
from cxrlens.evaluation.blocks import scores_of
from cxrlens.evaluation.calibration.calibrate import calibrate, read_predictions, stored_calibration
from cxrlens.evaluation.calibration.options import CalibrationOptions
from cxrlens.folders import RunFolder, read_json, write_json
from cxrlens.labels import CLASSES

FEW = CalibrationOptions(resamples=100)


def whole(planted: float = 2.0, calibration: int = 240, test: int = 300) -> pd.DataFrame:
    return pd.concat(
        [
            distorted(60, planted, seed=1, split="train"),
            distorted(60, planted, seed=2, split="validation"),
            distorted(calibration, planted, seed=3, split="calibration"),
            distorted(test, planted, seed=4, split="test"),
        ],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, dict[str, object]]:
    run = make_run(tmp_path_factory.mktemp("calibrate"), whole())
    return run, calibrate(run, FEW)


def test_the_file_holds_what_was_returned_and_the_runtime_reads_it(done: tuple[RunFolder, dict]) -> None:
    run, record = done
    assert read_json(run.calibration_path) == json.loads(json.dumps(record))
    rule = Calibration.from_dict(read_json(run.calibration_path)).of_model(HASH)
    rows = read_predictions(run)
    test = scores_of(rows[rows["split"] == "test"])
    assert rule.answered(test.probabilities).mean() == pytest.approx(
        record["measured"]["answers"]["overall"]["answered"]["value"], abs=1e-6
    )
    assert "300 images of its test set" in rule.measured_on
    assert "240 images set aside" in rule.measured_on


def test_only_the_calibration_part_is_fitted_on(done: tuple[RunFolder, dict], tmp_path: Path) -> None:
    """Other labels in every other part change the figures, and nothing that was learnt."""
    rows = whole()
    other = rows["split"] != "calibration"
    rows.loc[other, "label"] = rows.loc[other, "label"].map(dict(zip(CLASSES, np.roll(CLASSES, 1), strict=True)))
    record = calibrate(make_run(tmp_path, rows), FEW, figures=False)
    for key in ("temperature", "conformal", "abstention", "fitted"):
        assert record[key] == done[1][key]
    found = record["measured"]["sets"]["overall"]["coverage"]["high"]
    assert found < done[1]["measured"]["sets"]["overall"]["coverage"]["low"]


def test_figures_are_whole_and_nothing_touches_their_edge(done: tuple[RunFolder, dict]) -> None:
    found = sorted((done[0].root / "calibration").glob("*.png"))
    names = {"coverage", "decision", "operating", "prevalence", "reliability", "reliability_by_source", "risk_coverage"}
    assert {path.stem for path in found} == names
    for path in found:
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert("L"))
        border = np.concatenate([grey[:8].ravel(), grey[-8:].ravel(), grey[:, :8].ravel(), grey[:, -8:].ravel()])
        assert border.min() == 255, path.name
        assert grey.min() < 100


def test_the_command_says_what_came_of_it(done: tuple[RunFolder, dict]) -> None:
    result = CliRunner().invoke(app, ["calibrate", str(done[0].root), "--resamples", "100"])
    assert result.exit_code == 0, result.output
    for words in ("temperature", "tempering helps", "Tuberculosis", "answered", "not a medical device"):
        assert words in result.output


def test_a_run_that_cannot_be_calibrated_is_refused_in_one_line(tmp_path: Path) -> None:
    rows = whole()
    cases = {
        "has no calibration part": make_run(tmp_path / "a", rows[rows["split"] != "calibration"]),
        "has predictions of another model": make_run(tmp_path / "b", rows, model="ef" * 32),
        "has no predictions yet": make_run(tmp_path / "c", rows),
        "lacks the column p_normal": make_run(tmp_path / "d", rows),
        "names a class": make_run(tmp_path / "e", rows),
        "cannot be read": make_run(tmp_path / "f", rows),
    }
    cases["has no predictions yet"].predictions_path.unlink()
    rows.drop(columns="p_normal").to_csv(cases["lacks the column p_normal"].predictions_path)
    rows.assign(label="Flu").to_csv(cases["names a class"].predictions_path)
    rows.assign(p_normal="much").to_csv(cases["cannot be read"].predictions_path)
    for words, run in cases.items():
        with pytest.raises(RunError, match=words) as caught:
            calibrate(run, FEW)
        assert "\n" not in str(caught.value)
        assert not run.calibration_path.exists()


def test_a_calibration_of_another_model_or_of_other_predictions_is_not_taken(tmp_path: Path) -> None:
    run = make_run(tmp_path, whole(calibration=60, test=60))
    assert stored_calibration(run) is None
    calibrate(run, FEW, figures=False)
    assert stored_calibration(run) is not None
    kept = run.predictions_path.read_bytes()
    run.predictions_path.write_bytes(kept + b"\n")
    assert stored_calibration(run) is None
    run.predictions_path.write_bytes(kept)
    write_json(run.model_path, {**read_json(run.model_path), "weights_sha256": "cd" * 32})
    assert stored_calibration(run) is None


def test_forty_images_in_all_promise_nothing_and_say_so(tmp_path: Path) -> None:
    rows = pd.concat(
        [
            distorted(28, 2.0, seed=1, split="train"),
            distorted(6, 2.0, seed=2, split="calibration"),
            distorted(6, 2.0, seed=3),
        ],
        ignore_index=True,
    )
    run = make_run(tmp_path, rows)
    record = calibrate(run, FEW)
    assert record["temperature"]["value"] == 1.0
    assert "too few" in record["temperature"]["reason"]
    assert all(p["threshold"] is None for p in record["conformal"]["classes"].values())
    assert record["abstention"]["confidence"] is None
    rule = Calibration.from_dict(record)
    p = honest(5)[0]
    assert np.allclose(rule.probabilities(p), p)
    assert rule.prediction_set(p[0]) == CLASSES
    assert rule.answered(p).all()
    assert "as the network gives it" in rule.measured_on
    assert not (run.root / "calibration" / "prevalence.png").exists()  # no point was chosen


def test_one_source_and_a_class_missing_from_the_whole_set(tmp_path: Path) -> None:
    rows = whole().assign(source="only", collection="only")
    rows = rows[rows["label"] != "Tuberculosis"].reset_index(drop=True)
    run = make_run(tmp_path, rows)
    record = calibrate(run, FEW)
    assert record["conformal"]["classes"]["Tuberculosis"]["reason"] == "0 calibration images, 9 are needed"
    assert record["measured"]["sets"]["by_class"]["Tuberculosis"]["coverage"]["value"] is None
    assert record["measured"]["operating"]["Tuberculosis"]["points"]["triage"]["sensitivity"]["value"] is None
    assert not (run.root / "calibration" / "reliability_by_source.png").exists()
    assert record["measured"]["operating"]["Normal"]["points"]["youden"]["sensitivity"]["value"] > 0.5


def test_what_was_measured_on_is_labelled_wherever_it_stands(tmp_path: Path) -> None:
    rows = whole(calibration=60, test=60)
    random = calibrate(make_run(tmp_path / "a", rows, kind="random"), FEW, figures=False)
    assert "random split" in random["measured"]["meaning"]
    assert "too good to be true" in random["runtime"]["measured_on"]
    validated = calibrate(make_run(tmp_path / "b", rows[rows["split"] != "test"]), FEW, figures=False)
    assert validated["measured"]["split"] == "validation"
    assert "not a test score" in validated["measured"]["meaning"]
    synthetic = make_run(tmp_path / "c", rows, synthetic=True)
    assert calibrate(synthetic, FEW)["measured"]["meaning"].startswith("SYNTHETIC")
    with Image.open(synthetic.root / "calibration" / "coverage.png") as picture:
        assert "SYNTHETIC" in picture.info["Comment"]
    nothing = calibrate(make_run(tmp_path / "d", rows[rows["split"].isin(["train", "calibration"])]), FEW)
    assert nothing["measured"] is None
    assert "measured on no independent image" in nothing["runtime"]["measured_on"]


def test_the_same_run_gives_the_same_bytes(done: tuple[RunFolder, dict], tmp_path: Path) -> None:
    run = make_run(tmp_path, whole())
    calibrate(run, FEW, figures=False)
    assert run.calibration_path.read_bytes() == done[0].calibration_path.read_bytes() or (
        json.loads(run.calibration_path.read_text()) == json.loads(json.dumps(done[1]))
    )


def test_images_whose_probabilities_are_all_alike_break_nothing(tmp_path: Path) -> None:
    parts = []
    for split, n in (("train", 20), ("calibration", 80), ("test", 80)):
        flat = np.full((n, 4), 0.1)
        flat[np.arange(n), np.arange(n) % 4] = 0.7
        parts.append(table(flat, (np.arange(n) + (np.arange(n) % 5 == 0)) % 4, split=split))
    record = calibrate(make_run(tmp_path, pd.concat(parts, ignore_index=True)), FEW, figures=False)
    assert record["measured"]["risk_coverage"]["points"] == [
        {"answered": 1.0, "risk": 0.2, "confidence": pytest.approx(0.8, abs=0.01)}
    ]
