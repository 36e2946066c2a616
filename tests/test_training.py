"""Training as a whole, on a toy dataset: what it writes, what it refuses, what it never looks at."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from cxrlens.augmentation import STRENGTHS
from cxrlens.errors import DatasetError, OptionError, RunError
from cxrlens.folders import DatasetFolder, RunFolder
from cxrlens.labels import CLASSES
from cxrlens.manifest import dataset_hash
from cxrlens.model import load_model
from cxrlens.preprocessing import Preprocessing
from cxrlens.training import EpochRow, Plan, Silent, Step, TrainingOptions, read_history, train
from cxrlens.training import checkpoint as checkpoints
from toy_dataset import write_toy_dataset

OPTIONS = TrainingOptions(
    model="compact", preprocessing=Preprocessing(size=64), epochs=3, batch_size=8, checkpoint_seconds=0
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return write_toy_dataset(tmp_path_factory.mktemp("toy") / "dataset")


class Watching(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.steps: list[Step] = []
        self.rows: list[tuple[EpochRow, bool]] = []
        self.messages: list[str] = []
        self.ends = 0

    def started(self, plan: Plan) -> None:
        self.plans.append(plan)

    def stepped(self, step: Step) -> None:
        self.steps.append(step)

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        self.rows.append((row, is_best))

    def told(self, message: str) -> None:
        self.messages.append(message)

    def finished(self) -> None:
        self.ends += 1


@pytest.fixture(scope="module")
def trained(dataset: DatasetFolder, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Watching]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    watching = Watching()
    run = train(dataset, tmp_path_factory.mktemp("runs") / "a", OPTIONS, observer=watching)
    torch.set_num_threads(threads)
    return run, watching


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_file(run.weights_path)
    return state


def numbers(run: RunFolder) -> list[dict[str, float]]:
    """History without the clock's columns."""
    return [
        {k: v for k, v in r.to_dict().items() if k not in ("images_per_s", "seconds")}
        for r in read_history(run.history_path)
    ]


def test_the_run_folder_holds_what_later_commands_need(
    trained: tuple[RunFolder, Watching], dataset: DatasetFolder
) -> None:
    run, _ = trained
    config, model = run.config(), run.model()
    assert config["dataset_hash"] == model["dataset_hash"] == dataset_hash(dataset.manifest())
    assert run.dataset().root == dataset.root.resolve()
    assert TrainingOptions.from_dict(config["options"]) == OPTIONS.settled(
        int((dataset.manifest()["split"] == "train").sum())
    )
    assert config["timings"]["images_per_s"] > 0
    assert config["timings"]["peak_memory_mb"] > 50
    assert config["machine"]["threads"] == 1
    assert model["classes"] == list(CLASSES)
    assert (run.root / "curves.png").stat().st_size > 10_000
    loaded = load_model(run)
    assert loaded.preprocessing == OPTIONS.preprocessing
    assert [r.epoch for r in read_history(run.history_path)] == [1, 2, 3]


def test_it_learns_and_the_kept_weights_are_those_of_the_best_epoch(trained: tuple[RunFolder, Watching]) -> None:
    run, _ = trained
    rows = read_history(run.history_path)
    best = min(rows, key=lambda r: r.validation_loss)
    model = run.model()
    assert model["best_epoch"] == best.epoch
    assert model["trained"]["validation"]["loss"] == pytest.approx(best.validation_loss, rel=1e-4)
    assert model["trained"]["validation"]["accuracy"] >= 0.75
    assert rows[-1].train_loss < rows[0].train_loss


def test_the_observer_hears_of_every_epoch_once(trained: tuple[RunFolder, Watching]) -> None:
    _, watching = trained
    assert watching.plans[0].images == (48, 16)
    assert [r.epoch for r, _ in watching.rows] == [1, 2, 3]
    assert watching.rows[0][1]
    assert {s.epoch for s in watching.steps} == {1, 2, 3}
    assert watching.steps[-1].step == watching.plans[0].steps
    assert all(0 <= s.accuracy <= 1 and s.loss > 0 and s.images_per_s > 0 for s in watching.steps)
    assert watching.ends == 1


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    trained: tuple[RunFolder, Watching], dataset: DatasetFolder, tmp_path: Path
) -> None:
    run, _ = trained
    torch.manual_seed(12345)  # the state of the global generator must not matter
    again = train(dataset, tmp_path / "again", OPTIONS)
    assert all(torch.equal(weights(run)[k], v) for k, v in weights(again).items())
    assert numbers(run) == numbers(again)
    other = train(dataset, tmp_path / "other", dataclasses.replace(OPTIONS, seed=1, epochs=1))
    assert not torch.equal(weights(run)["network.classes.weight"], weights(other)["network.classes.weight"])


def test_test_rows_are_never_touched(
    dataset: DatasetFolder, trained: tuple[RunFolder, Watching], tmp_path: Path
) -> None:
    """Test images are missing from the disk already; now their labels and sources are made absurd as well."""
    manifest = dataset.manifest()
    assert not any(Path(p).exists() for p in manifest.loc[manifest["split"] == "test", "path"])
    poisoned = DatasetFolder(tmp_path / "poisoned")
    poisoned.root.mkdir()
    is_test = manifest["split"] == "test"
    manifest.loc[is_test, "label"] = CLASSES[0]
    manifest.loc[is_test & (manifest.index % 2 == 0), "split"] = "calibration"
    manifest.to_csv(poisoned.manifest_path, index=False)
    run = train(poisoned, tmp_path / "run", OPTIONS)
    clean, _ = trained
    assert all(torch.equal(weights(clean)[k], v) for k, v in weights(run).items())


def test_early_stopping_keeps_the_best_and_says_so(dataset: DatasetFolder, tmp_path: Path) -> None:
    watching = Watching()
    wild = dataclasses.replace(
        OPTIONS, lr=1e-8, warmup_epochs=0, epochs=50, patience=2, watch="validation_balanced_accuracy"
    )
    run = train(dataset, tmp_path / "run", wild, observer=watching)
    rows = read_history(run.history_path)
    best = run.model()["best_epoch"]
    assert len(rows) == best + 2 < 50
    assert any("stopped after epoch" in m for m in watching.messages)
    assert rows[best - 1].validation_balanced_accuracy == max(r.validation_balanced_accuracy for r in rows)


def test_averaged_weights_are_validated_and_kept(dataset: DatasetFolder, tmp_path: Path) -> None:
    run = train(dataset, tmp_path / "run", dataclasses.replace(OPTIONS, ema=0.9, augmentation=STRENGTHS["none"]))
    assert run.model()["trained"]["validation"]["loss"] == pytest.approx(
        min(r.validation_loss for r in read_history(run.history_path)), rel=1e-4
    )


def test_tensorboard_gets_a_point_an_epoch_on_every_curve(dataset: DatasetFolder, tmp_path: Path) -> None:
    accumulators = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="extra tensorboard"
    )
    watching = Watching()
    options = dataclasses.replace(OPTIONS, epochs=2, tensorboard=True)
    run = train(dataset, tmp_path / "run", options, observer=watching)
    events = accumulators.EventAccumulator(str(run.root / "tensorboard")).Reload()
    points = events.Scalars("accuracy/validation_accuracy")
    assert [p.step for p in points] == [1, 2]
    assert [p.value for p in points] == pytest.approx([r.validation_accuracy for r in read_history(run.history_path)])
    assert len(watching.rows) == 2


def test_a_missing_tensorboard_is_named_before_anything_is_written(
    dataset: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(OptionError, match=r"cxrlens\[tensorboard\]"):
        train(dataset, tmp_path / "run", dataclasses.replace(OPTIONS, tensorboard=True))
    assert not (tmp_path / "run").exists()


def test_a_second_run_never_overwrites_the_first(trained: tuple[RunFolder, Watching], dataset: DatasetFolder) -> None:
    with pytest.raises(RunError, match="already holds a run"):
        train(dataset, trained[0].root, OPTIONS)


def changed(dataset: DatasetFolder, root: Path, change: str) -> DatasetFolder:
    manifest = dataset.manifest()
    if change == "no split":
        manifest["split"] = ""
    elif change == "no validation":
        manifest = manifest[manifest["split"] != "validation"]
    elif change == "class missing":
        manifest = manifest[~((manifest["label"] == "Tuberculosis") & (manifest["split"] == "train"))]
    elif change == "all excluded":
        manifest["excluded"] = "blank"
    root.mkdir()
    pd.DataFrame(manifest).to_csv(root / "manifest.csv", index=False)
    return DatasetFolder(root)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no split", "no image in the split 'train'"),
        ("no validation", "no image in the split 'validation'"),
        ("class missing", "no train image of Tuberculosis"),
        ("all excluded", "no image in the split"),
    ],
)
def test_a_dataset_that_cannot_be_trained_on_is_refused_in_one_line(
    dataset: DatasetFolder, tmp_path: Path, change: str, words: str
) -> None:
    with pytest.raises(DatasetError, match=words) as caught:
        train(changed(dataset, tmp_path / "d", change), tmp_path / "run", OPTIONS)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_an_unknown_model_or_missing_device_leaves_no_run_behind(dataset: DatasetFolder, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="plain"):
        train(dataset, tmp_path / "run", dataclasses.replace(OPTIONS, model="plein"))
    if not torch.cuda.is_available():
        with pytest.raises(OptionError, match="device cuda"):
            train(dataset, tmp_path / "run", dataclasses.replace(OPTIONS, device="cuda"))
    assert not (tmp_path / "run").exists()


def test_an_unreadable_train_image_is_told_and_passed_over(dataset: DatasetFolder, tmp_path: Path) -> None:
    manifest = dataset.manifest()
    first = manifest.index[manifest["split"] == "train"][0]
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    manifest.loc[first, "path"] = str(tmp_path / "torn.png")
    (tmp_path / "d").mkdir()
    manifest.to_csv(tmp_path / "d" / "manifest.csv", index=False)
    watching = Watching()
    train(DatasetFolder(tmp_path / "d"), tmp_path / "run", dataclasses.replace(OPTIONS, epochs=1), observer=watching)
    assert watching.plans[0].images == (47, 16)
    assert any("torn.png" in m for m in watching.messages)


def test_a_loss_that_is_no_number_stops_with_a_remedy(dataset: DatasetFolder, tmp_path: Path) -> None:
    broken = dataclasses.replace(OPTIONS, model="plain", precision="bf16-mixed", lr=10.0, gradient_clip=0, epochs=200)
    with pytest.raises(RunError, match=r"no number any more.*learning rate"):
        train(dataset, tmp_path / "run", dataclasses.replace(broken, warmup_epochs=0, patience=0, weight_decay=10))


def test_a_disk_that_fills_up_is_an_error_and_the_run_can_go_on(
    trained: tuple[RunFolder, Watching], dataset: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_write, calls = checkpoints.write_atomically, []

    def full(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        true_write(path, data)

    monkeypatch.setattr(checkpoints, "write_atomically", full)
    with pytest.raises(RunError, match="No space left on device"):
        train(dataset, tmp_path / "run", OPTIONS)
    monkeypatch.undo()
    run = train(dataset, tmp_path / "run", OPTIONS, resume=True)
    assert all(torch.equal(weights(trained[0])[k], v) for k, v in weights(run).items())


def test_resume_refuses_other_options_another_dataset_and_no_run(
    trained: tuple[RunFolder, Watching], dataset: DatasetFolder, tmp_path: Path
) -> None:
    run, _ = trained
    with pytest.raises(RunError, match="another lr"):
        train(dataset, run.root, dataclasses.replace(OPTIONS, lr=0.5), resume=True)
    other = changed(dataset, tmp_path / "d", "same")
    manifest = other.manifest()
    manifest.loc[0, "label"] = CLASSES[1]
    manifest.to_csv(other.manifest_path, index=False)
    with pytest.raises(RunError, match="another dataset"):
        train(other, run.root, OPTIONS, resume=True)
    with pytest.raises(RunError, match="no run folder"):
        train(dataset, tmp_path / "empty", OPTIONS, resume=True)


def test_resuming_a_complete_run_changes_nothing(trained: tuple[RunFolder, Watching], dataset: DatasetFolder) -> None:
    run, _ = trained
    before = run.weights_path.read_bytes()
    watching = Watching()
    assert train(dataset, run.root, OPTIONS, resume=True, observer=watching) == run
    assert run.weights_path.read_bytes() == before
    assert watching.messages == ["this run is complete: nothing to go on with"]


def test_class_weights_balance_the_classes(dataset: DatasetFolder) -> None:
    from cxrlens.batches import open_packed
    from cxrlens.training.data import make_loaders, training_rows

    rows = training_rows(dataset)
    thin = rows.train.drop(rows.train.index[rows.train["label"] == "COVID-19"][:6]).reset_index(drop=True)
    packed = open_packed(dataset.packed_folder, OPTIONS.preprocessing)
    weighed = make_loaders(packed, dataclasses.replace(rows, train=thin), OPTIONS, 0, 1)
    counts = torch.bincount(weighed.train.targets)
    each = torch.bincount(weighed.train.targets, weights=weighed.weights)
    assert each.tolist() == pytest.approx([counts.sum().item() / 4] * 4)
    assert float(weighed.weights.mean()) == pytest.approx(1)
    plain = make_loaders(packed, rows, dataclasses.replace(OPTIONS, balance="none"), 0, 1)
    assert plain.weights.tolist() == [1.0] * len(plain.train.manifest)


def test_history_is_json_and_finite(trained: tuple[RunFolder, Watching]) -> None:
    run, _ = trained
    json.dumps(run.model(), allow_nan=False)
    assert all(math.isfinite(v) for r in read_history(run.history_path) for v in r.to_dict().values())
