"""The scorecard on run folders: what is written, what is judged, what cannot be answered, and where it is shown."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cxrlens.audit.case import AuditOptions, Case
from cxrlens.audit.explanations import explanations
from cxrlens.cli import app
from cxrlens.errors import DatasetError, OptionError, RunError
from cxrlens.evaluation import EvaluationOptions, evaluate
from cxrlens.evaluation.blocks import Bootstrap
from cxrlens.explanation import METHODS, ExplainOptions, GalleryOptions, explain, gallery
from cxrlens.explanation.localisation import LocalisationOptions, score_localisation
from cxrlens.explanation.methods import Method
from cxrlens.explanation.scorecard.card import score_explanations
from cxrlens.explanation.scorecard.judgements import QUESTIONS, judge
from cxrlens.explanation.scorecard.sample import ScorecardOptions, choose, draw_sample
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES, NORMAL
from cxrlens.manifest import dataset_hash, new_manifest, write_manifest
from cxrlens.model import build_model, load_model, save_model
from cxrlens.preprocessing import Preprocessing
from cxrlens.report import write_run_report

SIDE, FILMS = 64, 24


def save_run(root: Path, dataset: DatasetFolder, seed: int) -> RunFolder:
    run = RunFolder(root)
    facts = {"dataset_hash": dataset_hash(dataset.manifest())}
    write_json(run.config_path, {"format": RUN_FORMAT, "dataset": str(dataset.root), **facts})
    torch.manual_seed(seed)
    module = build_model("compact", size=SIDE)
    preprocessing = Preprocessing(size=SIDE)
    save_model(run, module.state_dict(), name="compact", classes=CLASSES, preprocessing=preprocessing, facts={**facts})
    evaluate(run, EvaluationOptions(resamples=100))
    return run


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """24 noisy pictures, two thirds held out; a lesion in every diseased one and lungs in half of all."""
    root = tmp_path_factory.mktemp("scorecard") / "dataset"
    (root / "films").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows, notes = [], []
    for i in range(FILMS):
        path = root / "films" / f"{i}.png"
        Image.fromarray(rng.integers(40, 215, (100, 90), dtype=np.uint8)).save(path)
        label = CLASSES[i % 4]
        split = "train" if i < FILMS // 3 else "test"
        rows.append(
            {"path": str(path), "label": label, "source": f"S{i % 2}", "patient_id": f"p{i // 2}", "split": split}
        )
        rows[-1]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        blank = {"path": f"films/{i}.png", "x": "", "y": "", "w": "", "h": "", "mask": "", "annotator": "test"}
        if label != NORMAL:
            notes.append({**blank, "kind": "box", "finding": "Consolidation", "x": 10, "y": 10, "w": 30, "h": 30})
        if i % 2:
            notes.append({**blank, "kind": "box", "finding": "Lungs", "x": 5, "y": 20, "w": 80, "h": 50})
    folder = DatasetFolder(root)
    write_manifest(new_manifest(rows), folder.manifest_path)
    pd.DataFrame(notes).to_csv(root / "annotations.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(dataset: DatasetFolder) -> RunFolder:
    return save_run(dataset.root.parent / "run", dataset, seed=0)


def options(**changed: object) -> ScorecardOptions:
    return ScorecardOptions(
        **{"images": 12, "few": 4, "resamples": 100, "methods": ("grad-cam", "hires-cam"), **changed}
    )


@pytest.fixture(scope="module")
def record(run: RunFolder, dataset: DatasetFolder) -> dict:
    other = save_run(dataset.root.parent / "other", dataset, seed=1)
    return score_explanations(run, options(annotations=dataset.root / "annotations.csv", other_run=other.root))


def test_every_method_answers_every_question_with_figures_or_with_a_reason(record: dict):
    assert list(record["methods"]) == ["grad-cam", "hires-cam"]
    for block in record["methods"].values():
        assert [j["topic"] for j in block["judgements"]] == list(QUESTIONS)
        for judged in block["judgements"]:
            if judged["status"] == "unanswered":
                assert judged["sentence"].startswith("Cannot be answered, because ")
            else:
                assert set(judged["key"]) >= {"value", "low", "high"}
                assert str(round(judged["key"]["value"], 3)) in judged["sentence"].replace("+", "").replace("−", "-")


def test_it_is_written_as_json_with_a_picture_beside_it(run: RunFolder, record: dict):
    kept = json.loads((run.explanations / "scorecard.json").read_text())
    assert kept == json.loads(json.dumps(record))
    with Image.open(run.explanations / "scorecard.png") as picture:
        assert picture.width > 1000
    assert str(run.root.parent) not in json.dumps(kept)  # no place of the machine


def test_films_are_spread_over_classes_and_sources_and_none_of_the_training_part_is_among_them(run: RunFolder):
    sample = draw_sample(run, load_model(run), options(images=8))
    assert set(sample.rows["split"]) == {"test"}
    assert sample.rows["label"].value_counts().to_dict() == dict.fromkeys(CLASSES, 2)


def test_no_patient_comes_twice_before_all_were_seen(dataset: DatasetFolder):
    rows = dataset.manifest()
    rows = rows[rows["split"] == "test"].assign(lesion=False, lungs=False, label=NORMAL, source="one")
    assert choose(rows, options(images=8))["patient_id"].nunique() == 8


def test_films_with_a_lesion_come_first_where_they_are_few(dataset: DatasetFolder):
    rows = dataset.manifest()
    rows = rows[rows["split"] == "test"].assign(lungs=False)
    rows["lesion"] = np.arange(len(rows)) < 3
    assert choose(rows, options(images=6))["lesion"].sum() == 3


def test_energy_in_lesions_is_that_of_the_localisation_scores(run: RunFolder, dataset: DatasetFolder):
    table = dataset.root / "annotations.csv"
    found = score_explanations(run, options(annotations=table, images=40, methods=("grad-cam",)))["lesions"]["real"]
    known = score_localisation(run, table, options=LocalisationOptions(resamples=100))
    assert found["n"] == known["n"]
    deepest = list(known["maps"].values())[-1]
    for score in ("energy", "pointing", "pointing_15px"):
        assert found["maps"]["grad-cam"][score]["value"] == pytest.approx(deepest[score]["value"], abs=2e-4)
        assert found["priors"]["centre"][score]["value"] == pytest.approx(known["priors"]["centre"][score]["value"])


def test_a_method_that_never_asks_the_network_is_found_out(run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    def brightness(module: object, pixels: torch.Tensor, target: int, layers: object) -> list[np.ndarray]:
        return [pixels[0, 0].numpy()]

    monkeypatch.setitem(METHODS, "grad-cam", Method("Brightness", "", "", True, brightness))
    block = score_explanations(run, options(images=6, methods=("grad-cam",)))["methods"]["grad-cam"]
    assert block["weights"]["stages"][-1]["rank"]["value"] == pytest.approx(1.0)
    weights = next(j for j in block["judgements"] if j["topic"] == "weights")
    assert weights["status"] == "fail"
    assert "an untrained network draws much the same map" in weights["sentence"]


def test_without_masks_and_a_second_run_those_questions_have_no_answer(run: RunFolder):
    found = score_explanations(run, options(images=6, methods=("grad-cam",)))
    said = {j["topic"]: j for j in found["methods"]["grad-cam"]["judgements"]}
    assert {said[topic]["status"] for topic in ("real", "phantom", "seeds")} == {"unanswered"}
    assert "--other-run" in said["seeds"]["sentence"]
    assert found["verdict"]["sentence"] == "Grad-CAM alone was scored."


def test_the_same_run_is_no_second_seed_and_another_network_neither(run: RunFolder, dataset: DatasetFolder):
    with pytest.raises(OptionError, match="very same weights"):
        score_explanations(run, options(other_run=run.root))


def test_a_run_without_held_out_films_says_so(run: RunFolder, dataset: DatasetFolder, tmp_path: Path):
    alone = DatasetFolder(tmp_path / "dataset")
    alone.root.mkdir()
    manifest = dataset.manifest().assign(split="train")
    write_manifest(manifest, alone.manifest_path)
    other = save_run(tmp_path / "run", alone, seed=0)
    with pytest.raises(RunError, match="not trained on"):
        score_explanations(other, options())
    result = explanations(Case(other))
    assert [v.status for v in result.verdicts] == ["unanswered"]
    assert "not trained on" in result.verdicts[0].sentence


def test_an_unreadable_film_is_passed_over(run: RunFolder, dataset: DatasetFolder, tmp_path: Path):
    manifest = dataset.manifest()
    manifest.loc[manifest["split"] == "test", "path"] = [
        path if k else str(tmp_path / "gone.png")
        for k, path in enumerate(manifest[manifest["split"] == "test"]["path"])
    ]
    alone = DatasetFolder(tmp_path / "dataset")
    alone.root.mkdir()
    write_manifest(manifest, alone.manifest_path)
    write_json(tmp_path / "run" / "config.json", {"format": RUN_FORMAT, "dataset": str(alone.root)})
    for name in ("model.json", "model.safetensors"):
        (tmp_path / "run" / name).write_bytes((run.root / name).read_bytes())
    found = score_explanations(RunFolder(tmp_path / "run"), options(images=40, methods=("grad-cam",)))
    assert found["n"] == FILMS - FILMS // 3 - 1
    assert len(found["problems"]) == 1


def interval(low: float, high: float) -> dict[str, float]:
    return {"value": (low + high) / 2, "low": low, "high": high}


def block(**changed: object) -> dict:
    stage = {"randomised": 1, "of": 1, "down_to": "x", "rank": interval(0.1, 0.2)}
    rivals = {name: interval(0.1, 0.2) for name in ("elsewhere", "edges", "centre")}
    repeated = {
        "n": 9,
        "rank": interval(0.8, 0.9),
        "another_film": interval(0, 0.1),
        "minus_another_film": interval(0.7, 0.8),
    }
    return {
        "weights": {"n": 9, "stages": [stage], "another_film": {"rank": interval(0, 0.1)}},
        "following": {"n": 9, "deletion": {"drop": interval(0.3, 0.4), "rivals": rivals, "minus": rivals}},
        "lesions": {"real": None, "phantom": None},
        "lungs": {
            "n": 9,
            "drawn": 9,
            "found": 0,
            "not_found": 0,
            "share": interval(0.6, 0.7),
            "area": interval(0.3, 0.4),
            "minus_area": interval(0.2, 0.4),
        },
        "shifts": repeated,
        "seeds": repeated,
        **changed,
    }


def status(topic: str, **changed: object) -> str:
    return next(j for j in judge("grad-cam", block(**changed)) if j["topic"] == topic)["status"]


def test_a_method_that_does_all_well_passes_what_can_be_asked():
    assert [j["status"] for j in judge("grad-cam", block()) if j["status"] != "unanswered"] == ["pass"] * 5


@pytest.mark.parametrize(
    ("minus", "expected"),
    [
        ({"elsewhere": interval(-0.1, 0.1)}, "fail"),
        ({"centre": interval(-0.1, 0.1)}, "warn"),
        ({"edges": interval(-0.2, -0.1)}, "warn"),
    ],
)
def test_deletion_fails_where_any_other_place_hurts_as_much(minus: dict, expected: str):
    known = block()["following"]
    deletion = {**known["deletion"], "minus": {**known["deletion"]["minus"], **minus}}
    assert status("deletion", following={**known, "deletion": deletion}) == expected


def test_heat_that_prefers_the_lungs_and_lies_outside_warns_and_heat_that_does_not_fails():
    lungs = block()["lungs"]
    assert status("lungs", lungs={**lungs, "share": interval(0.4, 0.45)}) == "warn"
    assert status("lungs", lungs={**lungs, "minus_area": interval(-0.1, 0.1)}) == "fail"
    assert status("lungs", lungs={"n": 0, "reason": "nobody drew them"}) == "unanswered"


def test_one_patient_gives_no_interval_and_no_answer():
    lone = {"value": 0.3, "low": None, "high": None, "reason": "too few images for an interval"}
    repeated = {**block()["shifts"], "rank": lone}
    assert status("shifts", shifts=repeated) == "unanswered"


def test_the_audit_judges_the_default_method_first_and_reads_a_scorecard_that_is_there(
    run: RunFolder, dataset: DatasetFolder, monkeypatch: pytest.MonkeyPatch
):
    small = options(annotations=dataset.root / "annotations.csv", images=8, methods=("grad-cam",))
    monkeypatch.setattr("cxrlens.audit.explanations.ScorecardOptions", lambda **_: small)
    case = Case(run, AuditOptions(resamples=100, annotations=dataset.root / "annotations.csv"))
    first = explanations(case)
    assert [v.question for v in first.verdicts[: len(QUESTIONS)]] == list(QUESTIONS.values())
    assert (case.folder / first.drawings[0].file).is_file()
    json.dumps(first.to_dict(), allow_nan=False)
    written = (run.explanations / "scorecard.json").stat().st_mtime_ns
    assert explanations(case).verdicts == first.verdicts
    assert (run.explanations / "scorecard.json").stat().st_mtime_ns == written
    with pytest.raises(DatasetError):
        explanations(Case(run, AuditOptions(annotations=dataset.root / "none.csv")))


def test_weak_maps_are_marked_on_the_sheet_and_listed_in_the_gallery(
    run: RunFolder, dataset: DatasetFolder, tmp_path: Path
):
    """The network is untrained: it is sure of nothing, so that every map must carry the flag."""
    film = dataset.root / "films" / "20.png"
    (done,) = explain(run, [film], ExplainOptions(out=tmp_path))
    assert any("the network gives this class" in reason for reason in done.weak)
    examples = gallery(run, GalleryOptions(per_class=1))["examples"]
    assert examples
    assert all(example["weak"] for example in examples)


def test_the_report_shows_the_scorecard_of_this_model_and_of_no_other(run: RunFolder, record: dict):
    write_json(run.explanations / "scorecard.json", record)
    page = write_run_report(run).read_text()
    assert record["verdict"]["sentence"] in page
    assert "do not read this one" in page
    write_json(run.explanations / "scorecard.json", {**record, "model": "another"})
    assert "The scorecard in this run folder is of another model" in write_run_report(run).read_text()


def test_the_command_refuses_images_beside_the_scorecard(run: RunFolder):
    done = CliRunner().invoke(app, ["explain", str(run.root), "film.png", "--scorecard"])
    assert done.exit_code != 0
    assert isinstance(done.exception, OptionError)


def test_options_refuse_what_gives_no_interval():
    for wrong in ({"images": 1}, {"resamples": 5}, {"methods": ()}, {"methods": ("guess",)}):
        with pytest.raises(OptionError):
            options(**wrong)


def test_means_leave_out_what_is_no_number(run: RunFolder, dataset: DatasetFolder):
    sample = draw_sample(run, load_model(run), options(images=8))
    assert sample.bootstrap == Bootstrap(100, 0)
    values = np.array([0.0, 1.0, np.nan, 1.0, 1.0, 0.0, 1.0, np.nan])
    assert sample.mean(values, share=True)["value"] == pytest.approx(4 / 6, abs=1e-6)
    assert sample.mean(np.full(8, np.nan))["value"] is None
