"""The whole chain as a user runs it, on a small phantom: what each command leaves on disk, and what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from command_line import told
from cxrlens.folders import DatasetFolder, RunFolder

CXRLENS = Path(sys.executable).with_name("cxrlens")


def cxrlens(*words: object, code: int = 0) -> str:
    done = subprocess.run([CXRLENS, *map(str, words)], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A demo in small: 96 synthetic radiographs, 2 epochs."""
    out = tmp_path_factory.mktemp("ünïcode and space") / "demo"
    return out, cxrlens("demo", "--out", out, "--images", 96, "--epochs", 2, "--no-audit")


def test_the_demo_says_where_the_report_lies_and_that_it_is_synthetic(done: tuple[Path, str]):
    out, said = done
    report = out / "run" / "report.html"
    assert "report.html" in said
    assert "SYNTHETIC" in said
    assert "not a medical device" in " ".join(said.split())
    assert "synthetic" in report.read_text(encoding="utf-8").lower()


def test_the_dataset_folder_is_complete(done: tuple[Path, str]):
    dataset = DatasetFolder(done[0] / "dataset")
    for path in (dataset.manifest_path, dataset.curation_path, dataset.pairs_path, dataset.split_path):
        assert path.is_file(), path
    assert (dataset.root / "report.html").is_file()
    assert list(dataset.packed_folder.glob("*.npy"))
    assert json.loads(dataset.curation_path.read_text())["synthetic"] is True


def test_the_run_folder_is_complete(done: tuple[Path, str]):
    run = RunFolder(done[0] / "run")
    for path in (
        run.config_path,
        run.history_path,
        run.weights_path,
        run.model_path,
        run.metrics_path,
        run.predictions_path,
    ):
        assert path.is_file(), path
    for name in (
        "curves.png",
        "report.html",
        "MODEL_CARD.md",
        "explanations/explanations.json",
        "explanations/localisation.json",
    ):
        assert (run.root / name).is_file(), name
    assert len(pd.read_csv(run.history_path)) == 2


def test_planted_faults_are_passed_over_each_with_a_reason(done: tuple[Path, str]):
    out, _ = done
    faults = pd.read_csv(out / "phantom" / "truth" / "faults.csv")
    rows = DatasetFolder(out / "dataset").manifest()
    broken = faults[faults["fault"].str.contains("truncated|text", case=False)]
    assert len(broken) >= 2
    for name in broken["path"]:
        row = rows[rows["path"].str.endswith(str(Path(name).name))]
        assert len(row) == 1, name
        assert row.iloc[0]["excluded"], name


def test_planted_copies_do_not_cross_the_split(done: tuple[Path, str]):
    out, _ = done
    known = pd.read_csv(out / "phantom" / "truth" / "known_duplicates.csv")
    rows = DatasetFolder(out / "dataset").manifest()
    kept = rows[rows["excluded"] == ""]
    names = {Path(p).name: split for p, split in zip(kept["path"], kept["split"], strict=True)}
    for group, members in known.groupby("group"):
        left = [Path(p).name for p in members["path"] if Path(p).name in names]
        assert len(left) <= 1, f"group {group}: {left} are all kept"


def test_each_part_is_measured_apart(done: tuple[Path, str]):
    metrics = json.loads((done[0] / "run" / "metrics.json").read_text())
    sizes = DatasetFolder(done[0] / "dataset").manifest()
    kept = sizes[sizes["excluded"] == ""]
    for split in ("train", "validation", "test"):
        assert metrics[split]["n"] == (kept["split"] == split).sum()
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auroc", "ece"):
            assert {"value", "low", "high"} <= set(metrics[split][name])


def test_the_chain_goes_on_where_it_was_stopped(done: tuple[Path, str]):
    out, _ = done
    before = (out / "run" / "model.safetensors").read_bytes()
    (out / "run" / "metrics.json").unlink()
    said = cxrlens("demo", "--out", out, "--images", 96, "--epochs", 2, "--no-audit")
    assert (out / "run" / "metrics.json").is_file()
    assert (out / "run" / "model.safetensors").read_bytes() == before
    assert "report.html" in said


def test_one_image_is_explained_and_a_broken_one_passed_over(done: tuple[Path, str], tmp_path: Path):
    out, _ = done
    good = DatasetFolder(out / "dataset").manifest().query("excluded == ''").iloc[0]["path"]
    bad = tmp_path / "torn.png"
    bad.write_bytes(b"")
    said = cxrlens("explain", out / "run", good, bad, "--out", tmp_path / "maps", code=3)
    assert "torn.png" in said
    assert list((tmp_path / "maps").glob("*.png"))


def refused(command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], **known: Path) -> str:
    """The one line with which a command ends."""
    code, _, said = told(command, known, monkeypatch, capfd)
    assert code == 2, said
    assert len(said) == 1, said
    assert said[0].startswith("error: ")
    return said[0]


def test_an_altered_manifest_is_not_evaluated(
    done: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """A label changed after training: the run no longer belongs to this dataset."""
    out, _ = done
    manifest = out / "dataset" / "manifest.csv"
    text = manifest.read_text(encoding="utf-8")
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    first = table.index[table["excluded"] == ""][0]
    table.loc[first, "label"] = "Pneumonia" if table.loc[first, "label"] != "Pneumonia" else "Normal"
    table.to_csv(manifest, index=False)
    try:
        refused("evaluate {out}/run", monkeypatch, capfd, out=out)
    finally:
        manifest.write_text(text, encoding="utf-8")


def test_a_second_training_into_the_same_folder_is_refused(
    done: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    said = refused("train {out}/dataset --out {out}/run", monkeypatch, capfd, out=done[0])
    assert "already holds a run" in said


def test_an_unknown_option_is_answered_with_the_nearest_one(
    done: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    command = "train {out}/dataset --out {new}/r --set label_smooting=0.1"
    assert "label_smoothing" in refused(command, monkeypatch, capfd, out=done[0], new=tmp_path)


def test_a_collection_without_any_class_says_how_classes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    from PIL import Image

    (tmp_path / "films").mkdir()
    Image.radial_gradient("L").save(tmp_path / "films" / "a.png")
    code, _, lines = told("curate {new}/films --out {new}/d", {"new": tmp_path}, monkeypatch, capfd)
    said = "\n".join(lines)
    assert code == 2, said
    assert "no image is left of 1" in said
    assert "--label" in said
