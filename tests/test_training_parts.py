"""The parts around the loop: schedule, options, checkpoints, history, curves, shared batches, console."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from cxrlens.augmentation import STRENGTHS
from cxrlens.errors import CxrlensWarning, OptionError, RunError
from cxrlens.preprocessing import Preprocessing
from cxrlens.training import (
    ConsoleObserver,
    EpochRow,
    Plan,
    Step,
    TrainingOptions,
    describe_gap,
    draw_curves,
    read_history,
)
from cxrlens.training import checkpoint as checkpoints
from cxrlens.training.checkpoint import read_checkpoint, write_checkpoint
from cxrlens.training.history import COLUMNS, write_history
from cxrlens.training.parallel import GlobalDropout, StepContext, share_batches
from cxrlens.training.randomness import derived_seed
from cxrlens.training.schedule import FLOOR, learning_rate


def row(epoch: int, clean: float = 0.9, validation: float = 0.85) -> EpochRow:
    return EpochRow(epoch, 1e-3, 0.5, 0.8, 0.3, clean, 0.4, validation, validation, 150.0, 20.0)


# schedule


@given(steps=st.integers(4, 400), warmup=st.integers(0, 100))
def test_the_rate_rises_then_falls_and_never_leaves_its_bounds(steps: int, warmup: int) -> None:
    warmup = min(warmup, steps // 4)
    rates = [learning_rate(0.1, i, steps, warmup) for i in range(steps)]
    assert all(0 < r <= 0.1 + 1e-12 for r in rates)
    top = max(0, warmup - 1)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top + 1 :] == sorted(rates[top + 1 :], reverse=True)
    assert max(rates) == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(0.1 * FLOOR)


# options


def test_options_survive_json() -> None:
    options = TrainingOptions(
        model="compact",
        weights=Path("w.safetensors"),
        augmentation=STRENGTHS["light"],
        preprocessing=Preprocessing(size=224),
    )
    assert TrainingOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"lr": -1},
        {"lr": math.nan},
        {"batch_size": 1},
        {"devices": 0},
        {"watch": "test_loss"},
        {"device": "abacus"},
        {"ema": 1.0},
    ],
)
def test_impossible_options_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        TrainingOptions(**wrong)  # type: ignore[arg-type]


def test_unknown_options_are_named() -> None:
    with pytest.raises(OptionError, match="learning_speed"):
        TrainingOptions.from_dict({"learning_speed": 1})


def test_differences_name_what_changes_the_result_only() -> None:
    options = TrainingOptions()
    assert options.differences(dataclasses.replace(options, devices=2, checkpoint_seconds=5)) == []
    assert options.differences(dataclasses.replace(options, lr=0.5, seed=3)) == ["lr", "seed"]


# checkpoints

TENSORS = {"model/w": torch.randn(3, 4), "optimizer/0/step": torch.tensor(5.0)}


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state = {"epoch": 3, "best_value": -0.1 - 0.2, "history": [row(1).to_dict()]}
    write_checkpoint(tmp_path, TENSORS, state)
    back = read_checkpoint(tmp_path)
    assert back is not None
    assert back.state == state
    assert all(torch.equal(back.tensors[k], v) for k, v in TENSORS.items())


def test_two_generations_are_kept(tmp_path: Path) -> None:
    for epoch in range(5):
        write_checkpoint(tmp_path, TENSORS, {"epoch": epoch})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "000004.json",
        "000004.safetensors",
        "000005.json",
        "000005.safetensors",
    ]


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
@pytest.mark.parametrize("fault", ["torn", "altered", "missing", "empty"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_with_a_warning(
    tmp_path: Path, suffix: str, fault: str
) -> None:
    for epoch in range(2):
        write_checkpoint(tmp_path, TENSORS, {"epoch": epoch})
    damage(tmp_path / f"000002.{suffix}", fault)
    if (suffix, fault) == ("json", "missing"):  # as a kill between the two writes leaves it: nothing to warn of
        back = read_checkpoint(tmp_path)
    else:
        with pytest.warns(CxrlensWarning, match="passed over"):
            back = read_checkpoint(tmp_path)
    assert back is not None
    assert back.state == {"epoch": 0}


def damage(path: Path, fault: str) -> None:
    data = path.read_bytes()
    if fault == "missing":
        path.unlink()
    elif fault == "altered":
        middle = data.index(b"epoch") + 8 if path.suffix == ".json" else len(data) - 3
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    else:
        path.write_bytes(data[: len(data) // 2] if fault == "torn" else b"")


def test_no_good_generation_is_an_error_and_none_at_all_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "absent") is None
    write_checkpoint(tmp_path, TENSORS, {})
    damage(tmp_path / "000001.safetensors", "torn")
    with pytest.raises(RunError, match="no checkpoint that is whole") as caught:
        read_checkpoint(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_full_disk_is_an_error_and_the_last_good_one_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    write_checkpoint(tmp_path, TENSORS, {"epoch": 0})
    true_write, calls = checkpoints.write_atomically, []

    def full(path: Path, data: bytes) -> None:
        calls.append(path)
        if len(calls) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        true_write(path, data)

    monkeypatch.setattr(checkpoints, "write_atomically", full)
    with pytest.raises(RunError, match=r"No space left on device.*last good checkpoint is still there"):
        write_checkpoint(tmp_path, TENSORS, {"epoch": 1})
    back = read_checkpoint(tmp_path)
    assert back is not None
    assert back.state == {"epoch": 0}
    assert len(list(tmp_path.iterdir())) == 2


def test_no_pickle_lies_in_a_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, TENSORS, {"epoch": 0})
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".safetensors"}


# history


def test_history_comes_back_and_has_an_epoch_a_row(tmp_path: Path) -> None:
    rows = [row(1), row(2)]
    write_history(tmp_path / "history.csv", rows)
    assert read_history(tmp_path / "history.csv") == rows
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0].split(",") == list(COLUMNS)
    assert len(lines) == 3


def test_a_garbled_history_is_refused(tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text("epoch,lr\n1,high\n")
    with pytest.raises(RunError, match="cannot be read"):
        read_history(tmp_path / "history.csv")
    with pytest.raises(RunError, match="missing"):
        read_history(tmp_path / "absent.csv")


# curves


def measured(train: float, validation: float) -> dict[str, dict[str, float]]:
    return {
        "train": {"accuracy": train, "loss": 1 - train},
        "validation": {"accuracy": validation, "loss": 1 - validation},
    }


@pytest.mark.parametrize(
    ("train", "validation", "words"), [(0.9, 0.895, "No overfitting"), (0.9, 0.86, "Some"), (0.99, 0.8, "Clear")]
)
def test_the_gap_is_named_in_words(train: float, validation: float, words: str) -> None:
    text = describe_gap(measured(train, validation))
    assert words in text
    assert f"{train - validation:+.3f}" in text


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_curves_are_a_picture_of_any_number_of_epochs(tmp_path: Path, epochs: int) -> None:
    history = [row(e, 0.95 - 0.4 / e, 0.88 - 0.4 / e) for e in range(1, epochs + 1)]
    draw_curves(history, epochs, measured(0.94, 0.87), tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (1320, 588)
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


# shared batches


def test_dropout_of_shares_is_the_dropout_of_the_whole_batch() -> None:
    x = torch.ones(10, 400)
    whole = GlobalDropout(0.4, 0, StepContext(seed=1, epoch=2, step=3, start=0, size=10))(x)
    shares = [GlobalDropout(0.4, 0, StepContext(1, 2, 3, a, 10))(x[a:b]) for a, b in ((0, 4), (4, 10))]
    assert torch.equal(torch.cat(shares), whole)
    assert float((whole == 0).float().mean()) == pytest.approx(0.4, abs=0.06)
    assert whole.unique().tolist() == pytest.approx([0.0, 1 / 0.6])


def test_dropout_changes_with_step_and_layer_and_sleeps_in_evaluation() -> None:
    context = StepContext(seed=1, size=10)
    layer, other = GlobalDropout(0.5, 0, context), GlobalDropout(0.5, 1, context)
    x = torch.ones(10, 40)
    first = layer(x)
    assert not torch.equal(first, other(x))
    context.step = 1
    assert not torch.equal(first, layer(x))
    assert torch.equal(layer.eval()(x), x)


def test_replacing_layers_keeps_the_names_of_the_state() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.Dropout(0.3)))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    shared = share_batches(model, StepContext(), world_size=2)
    assert list(shared.state_dict()) == list(before)
    assert type(shared[1]).__name__ == "GlobalBatchNorm2d"
    assert isinstance(shared[2][0], GlobalDropout)  # type: ignore[index]


def test_derived_seeds_differ_by_every_number() -> None:
    seeds = {derived_seed(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(seeds) == 125
    assert derived_seed(1, 2) != derived_seed(2, 1)


# console


def test_the_console_shows_loss_accuracy_and_the_best_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    observer = ConsoleObserver()
    observer.started(Plan("plain", 960_000, (80, 20), 2, 5, 1, 0, "cpu"))
    observer.stepped(Step(1, 5, 0.4321, 0.81, 123.0))
    observer.epoch_done(row(1), is_best=True)
    observer.told("stopped")
    observer.finished()
    shown = capsys.readouterr()
    assert shown.out == ""
    for words in ("0.96 M parameters", "80 train and 20 validation", "0.850", "best so far", "stopped"):
        assert words in shown.err


@pytest.mark.parametrize(("images", "batch"), [(3, 16), (304, 16), (1500, 30), (3333, 64), (100_000, 64)])
def test_a_small_set_gets_small_batches_so_that_an_epoch_has_steps(images: int, batch: int) -> None:
    assert TrainingOptions().settled(images).batch_size == batch


@pytest.mark.parametrize(("images", "strength"), [(304, "standard"), (1999, "standard"), (2000, "strong")])
def test_strong_augmentation_is_the_default_where_there_is_enough_to_learn_from(images: int, strength: str):
    assert TrainingOptions().settled(images).augmentation == STRENGTHS[strength]
    asked = TrainingOptions(augmentation=STRENGTHS["light"])
    assert asked.settled(images).augmentation == STRENGTHS["light"]


def test_options_travel_through_json_settled_or_not():
    for options in (TrainingOptions(), TrainingOptions().settled(5000)):
        assert TrainingOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options


def test_a_batch_size_that_is_given_is_kept() -> None:
    assert TrainingOptions(batch_size=8).settled(100_000).batch_size == 8
