"""Processes that are killed, and several that share the work: the result is the same."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cxrlens.errors import CxrlensWarning, DatasetError, RunError
from cxrlens.folders import DatasetFolder, RunFolder
from cxrlens.preprocessing import Preprocessing
from cxrlens.training import Silent, Step, TrainingOptions, read_history, train
from toy_dataset import write_toy_dataset

# Dropout, batch normalisation, augmentation and class weights are all on: the defaults of ``plain``.
OPTIONS = TrainingOptions(preprocessing=Preprocessing(size=64), epochs=3, batch_size=4, checkpoint_seconds=0)

KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch
from cxrlens.folders import DatasetFolder
from cxrlens.training import Silent, TrainingOptions, checkpoint, train

dataset, out, options, moment, resume = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Killer(Silent):
    def stepped(self, step):
        if moment == "in the middle of epoch 2" and (step.epoch, step.step) == (2, 12):
            die()

write, calls = checkpoint.write_atomically, []
def dying_write(path, data):
    calls.append(path)
    if moment == "while a checkpoint is written" and len(calls) == 4:
        path.write_bytes(data[: len(data) // 2])
        die()
    write(path, data)
checkpoint.write_atomically = dying_write

torch.set_num_threads(1)
options = TrainingOptions.from_dict(json.loads(options))
train(DatasetFolder(Path(dataset)), Path(out), options, observer=Killer(), resume=resume == "yes")
"""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return write_toy_dataset(tmp_path_factory.mktemp("toy") / "dataset")


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_file(run.weights_path)
    return state


def numbers(run: RunFolder) -> list[dict[str, float]]:
    """History without the clock's columns."""
    return [
        {k: v for k, v in row.to_dict().items() if k not in ("images_per_s", "seconds")}
        for row in read_history(run.history_path)
    ]


def test_killed_twice_and_resumed_gives_the_same_weights_bit_for_bit(dataset: DatasetFolder, tmp_path: Path) -> None:
    whole = train(dataset, tmp_path / "whole", OPTIONS)
    out = tmp_path / "killed"
    for moment, resume in (("in the middle of epoch 2", "no"), ("while a checkpoint is written", "yes")):
        arguments = [str(dataset.root), str(out), json.dumps(OPTIONS.to_dict()), moment, resume]
        ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
        assert ended.returncode == -9, ended.stderr
        assert not (out / "model.json").exists()
    with pytest.warns(CxrlensWarning, match="passed over"):
        resumed = train(dataset, out, OPTIONS, resume=True)
    assert all(torch.equal(weights(whole)[k], v) for k, v in weights(resumed).items())
    assert numbers(resumed) == numbers(whole)
    assert resumed.model()["best_epoch"] == whole.model()["best_epoch"]


class Interrupter(Silent):
    """Stands for a user's Ctrl-C in the middle of an epoch."""

    def stepped(self, step: Step) -> None:
        if step.epoch == 2:
            raise KeyboardInterrupt


def test_an_interrupted_run_whose_checkpoints_are_all_torn_says_so(dataset: DatasetFolder, tmp_path: Path) -> None:
    short = dataclasses.replace(OPTIONS, model="compact")
    with pytest.raises(KeyboardInterrupt):
        train(dataset, tmp_path / "run", short, observer=Interrupter())
    for path in (tmp_path / "run" / "checkpoint").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match="no checkpoint that is whole"):
        train(dataset, tmp_path / "run", short, resume=True)


def test_two_processes_give_the_one_process_result_within_rounding(dataset: DatasetFolder, tmp_path: Path) -> None:
    # In float64, so that rounding is 1e-16 and not what Adam makes of float32's: any fault of logic is far larger.
    options = dataclasses.replace(OPTIONS, precision="64-true", epochs=2, batch_size=10)
    one = train(dataset, tmp_path / "one", options)
    two = train(dataset, tmp_path / "two", dataclasses.replace(options, devices=2))
    assert os.environ.get("LOCAL_RANK") is None
    for name, tensor in weights(two).items():
        torch.testing.assert_close(tensor, weights(one)[name], rtol=1e-7, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
    for a, b in zip(numbers(one), numbers(two), strict=True):
        assert a == pytest.approx(b, rel=1e-6)


def test_an_error_in_a_process_comes_back_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.multiprocessing.spawn import ProcessRaisedException

    from cxrlens.training import launch

    raised = DatasetError("the split", "has 1 image(s) for 2 process(es)", "use fewer processes")

    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(launch, "work", fail)
    said = tmp_path / "error.json"
    with pytest.raises(DatasetError):
        launch._work_and_tell(None, None, said)  # type: ignore[arg-type]
    seen_by_parent = ProcessRaisedException("Traceback ...\ncxrlens.errors.DatasetError: ...", 0, 1)
    run = Silent()
    run.run = RunFolder(tmp_path)  # type: ignore[attr-defined]
    back = launch._error_of_process(run, said, seen_by_parent)  # type: ignore[arg-type]
    assert type(back) is DatasetError
    assert str(back) == str(raised)
    unknown = launch._error_of_process(run, tmp_path / "absent.json", seen_by_parent)  # type: ignore[arg-type]
    assert type(unknown) is RunError
    assert "\n" not in str(unknown)
