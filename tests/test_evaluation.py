"""``evaluate`` on a run folder: splits apart, files as the contract says, the wrong dataset refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cxrlens.errors import DatasetError, OptionError, RunError
from cxrlens.evaluation import EvaluationOptions, evaluate, measure
from cxrlens.evaluation.blocks import PROBABILITY_COLUMNS, Bootstrap
from cxrlens.evaluation.prediction import PREDICTION_COLUMNS
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, write_json
from cxrlens.labels import CLASSES
from cxrlens.manifest import dataset_hash, new_manifest, write_manifest
from cxrlens.model import build_model, save_model
from cxrlens.preprocessing import Preprocessing

SPLITS = ("train", "train", "train", "validation", "test", "calibration")


def make_dataset(root: Path, images: int = 48, seed: int = 0) -> DatasetFolder:
    """Small synthetic pictures, two sources, patients known in one of them."""
    rng = np.random.default_rng(seed)
    folder = root / "films"
    folder.mkdir(parents=True)
    rows = []
    for i in range(images):
        path = folder / f"film {i}.png"
        Image.fromarray(rng.integers(0, 255, (90, 80), dtype=np.uint8)).save(path)
        source = "North" if i % 2 else "South"
        rows.append(
            {
                "path": str(path),
                "label": CLASSES[i % 4],
                "collection": source,
                "source": source,
                "patient_id": f"p{i}" if source == "North" else "",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "split": SPLITS[(i // 4) % len(SPLITS)],
            }
        )
    dataset = DatasetFolder(root)
    write_manifest(new_manifest(rows), dataset.manifest_path)
    return dataset


def make_run(root: Path, dataset: DatasetFolder, name: str = "compact") -> RunFolder:
    """An untrained network in a run folder, as ``train`` would leave it."""
    torch.manual_seed(0)
    root.mkdir(parents=True)
    run = RunFolder(root)
    facts = {"dataset_hash": dataset_hash(dataset.manifest())}
    write_json(run.config_path, {"format": RUN_FORMAT, "dataset": str(dataset.root), **facts})
    network = build_model(name, size=64)
    save_model(run, network.state_dict(), name=name, classes=CLASSES, preprocessing=Preprocessing(size=64), facts=facts)
    return run


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, DatasetFolder, dict[str, object]]:
    root = tmp_path_factory.mktemp("evaluation")
    dataset = make_dataset(root / "dataset")
    run = make_run(root / "run", dataset)
    return run, dataset, evaluate(run, EvaluationOptions(resamples=200))


def test_each_split_is_measured_on_its_own_images(evaluated: tuple[RunFolder, DatasetFolder, dict]) -> None:
    run, dataset, metrics = evaluated
    assert metrics == json.loads(run.metrics_path.read_text())
    splits = dataset.manifest()["split"]
    predictions = pd.read_csv(run.predictions_path, keep_default_na=False)
    assert tuple(predictions.columns) == PREDICTION_COLUMNS
    assert len(predictions) == len(splits)  # calibration rows too
    for name in ("train", "validation", "test"):
        rows = predictions[predictions["split"] == name]
        assert metrics[name]["n"] == (splits == name).sum() == len(rows)
        assert metrics[name]["accuracy"]["value"] == pytest.approx(
            (rows["label"] == rows["predicted"]).mean(), abs=1e-5
        )
    meanings = [metrics[name]["meaning"] for name in ("train", "validation", "test")]
    assert "seen in training" in meanings[0]
    assert "not a test score" in meanings[1]
    assert "locked away" in meanings[2]


def test_probabilities_are_the_networks_own(evaluated: tuple[RunFolder, DatasetFolder, dict]) -> None:
    run, _, _ = evaluated
    predictions = pd.read_csv(run.predictions_path, keep_default_na=False)
    probabilities = predictions[list(PROBABILITY_COLUMNS)].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert [CLASSES[k] for k in probabilities.argmax(axis=1)] == list(predictions["predicted"])


def test_figures_are_whole_pngs_on_white(evaluated: tuple[RunFolder, DatasetFolder, dict]) -> None:
    run, _, _ = evaluated
    names = {p.name for p in run.figures.iterdir()}
    wanted = {"confusion", "roc", "precision_recall", "reliability", "per_source", "mistakes", "confusion_validation"}
    assert names == {f"{name}.png" for name in wanted}
    for path in run.figures.iterdir():
        with Image.open(path) as picture:
            grey = np.asarray(picture.convert("L"))
            assert picture.info["dpi"][0] == pytest.approx(150, abs=0.1)
        border = np.concatenate([grey[:8].ravel(), grey[-8:].ravel(), grey[:, :8].ravel(), grey[:, -8:].ravel()])
        assert border.min() == 255, f"something touches the edge of {path.name}"
        assert grey.min() < 100


def test_the_same_call_gives_the_same_bytes(evaluated: tuple[RunFolder, DatasetFolder, dict]) -> None:
    run, _, _ = evaluated
    before = run.metrics_path.read_bytes(), run.predictions_path.read_bytes()
    evaluate(run, EvaluationOptions(resamples=200, figures=False))
    assert (run.metrics_path.read_bytes(), run.predictions_path.read_bytes()) == before


def test_a_dataset_that_has_changed_is_refused_in_one_line(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", images=24)
    run = make_run(tmp_path / "run", dataset)
    manifest = dataset.manifest()
    manifest.loc[0, "label"] = "Pneumonia"
    write_manifest(manifest, dataset.manifest_path)
    with pytest.raises(DatasetError, match="is not the dataset") as caught:
        evaluate(run, EvaluationOptions(resamples=200))
    assert "\n" not in str(caught.value)
    assert not run.metrics_path.exists()


def test_another_dataset_is_external_and_leaves_the_runs_own_metrics_alone(
    evaluated: tuple[RunFolder, DatasetFolder, dict], tmp_path: Path
) -> None:
    run, _, _ = evaluated
    before = run.metrics_path.read_bytes()
    other = make_dataset(tmp_path / "elsewhere", images=24, seed=9)
    metrics = evaluate(run, EvaluationOptions(dataset=other, resamples=200))
    assert metrics["external"]["n"] == 24
    assert "never seen in training" in metrics["external"]["meaning"]
    assert "test" not in metrics
    assert "train" not in metrics
    assert (run.root / "external" / "elsewhere" / "metrics.json").is_file()
    assert (run.root / "external" / "elsewhere" / "figures" / "confusion.png").is_file()
    assert run.metrics_path.read_bytes() == before


def test_images_the_run_was_trained_on_are_no_external_test(
    evaluated: tuple[RunFolder, DatasetFolder, dict], tmp_path: Path
) -> None:
    run, dataset, _ = evaluated
    other = make_dataset(tmp_path / "mixed", images=8, seed=5)
    seen = dataset.manifest().iloc[:3]
    write_manifest(pd.concat([other.manifest(), seen], ignore_index=True), other.manifest_path)
    metrics = evaluate(run, EvaluationOptions(dataset=other, resamples=200, figures=False))
    assert metrics["external"]["n"] == 8


def test_an_image_that_is_gone_is_named_and_the_rest_are_measured(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", images=24)
    run = make_run(tmp_path / "run", dataset)
    gone = Path(dataset.manifest()["path"][3])
    gone.unlink()
    metrics = evaluate(run, EvaluationOptions(resamples=200, figures=False))
    assert len(metrics["problems"]) == 1
    assert gone.name in metrics["problems"][0]
    assert sum(metrics[name]["n"] for name in ("train", "validation", "test")) == 24 - 4 - 1


def test_a_random_split_is_called_inflated_on_every_score() -> None:
    frame = pd.DataFrame([{"label": "Normal", "predicted": "Normal", "source": "A", "split": s} for s in SPLITS])
    frame[["patient_id", "duplicate_group"]] = ""
    frame[list(PROBABILITY_COLUMNS)] = [0.7, 0.1, 0.1, 0.1]
    random, disjoint = (measure(frame, Bootstrap(200), kind) for kind in ("random", "patient"))
    assert "inflated" in random["test"]["meaning"]
    assert "inflated" in random["validation"]["meaning"]
    assert "inflated" not in random["train"]["meaning"]
    assert "inflated" not in disjoint["test"]["meaning"]


def test_a_folder_that_is_no_run_and_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is no run folder"):
        evaluate(RunFolder(tmp_path))
    with pytest.raises(OptionError, match="resamples"):
        EvaluationOptions(resamples=5)


def test_a_device_that_is_not_there_is_refused_in_one_line(evaluated: tuple[RunFolder, DatasetFolder, dict]) -> None:
    with pytest.raises(OptionError, match="cannot be used") as caught:
        evaluate(evaluated[0], EvaluationOptions(device="nonsense"))
    assert "\n" not in str(caught.value)


def test_an_unsplit_dataset_asks_for_a_split(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", images=8)
    manifest = dataset.manifest()
    manifest["split"] = ""
    write_manifest(manifest, dataset.manifest_path)
    run = make_run(tmp_path / "run", dataset)
    with pytest.raises(DatasetError, match="cxrlens split"):
        evaluate(run)
    shutil.rmtree(run.root)
