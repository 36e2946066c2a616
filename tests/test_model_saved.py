"""Trained networks in a run folder: read back exactly, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cxrlens.errors import RunError
from cxrlens.folders import RUN_FORMAT, RunFolder
from cxrlens.labels import CLASSES
from cxrlens.model import build_model, load_model, save_model
from cxrlens.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(size=64, tone="clahe")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    torch.manual_seed(0)
    folder = RunFolder(tmp_path / "run")
    weights = build_model("compact", size=64).state_dict()
    save_model(folder, weights, name="compact", classes=CLASSES, preprocessing=PREPROCESSING, facts={"best_epoch": 3})
    return folder


def alter(run: RunFolder, **changes: object) -> None:
    run.model_path.write_text(json.dumps({**json.loads(run.model_path.read_text()), **changes}))


def test_what_was_saved_comes_back(run: RunFolder) -> None:
    loaded = load_model(run)
    torch.manual_seed(0)
    fresh = build_model("compact", size=64).eval().to(memory_format=torch.channels_last)
    pixels = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.module(pixels), fresh(pixels))
    assert not loaded.module.training
    assert loaded.preprocessing == PREPROCESSING
    assert (loaded.classes, loaded.name, loaded.size) == (CLASSES, "compact", 64)
    assert loaded.hash == run.model()["weights_sha256"]
    assert run.model()["best_epoch"] == 3


def test_one_altered_byte_of_the_weights_is_found(run: RunFolder) -> None:
    data = bytearray(run.weights_path.read_bytes())
    data[-5] ^= 1
    run.weights_path.write_bytes(data)
    with pytest.raises(RunError, match="damaged"):
        load_model(run)


def test_torn_weights_are_found(run: RunFolder) -> None:
    run.weights_path.write_bytes(run.weights_path.read_bytes()[:1000])
    with pytest.raises(RunError, match="damaged"):
        load_model(run)


def test_missing_weights_are_named(run: RunFolder) -> None:
    run.weights_path.unlink()
    with pytest.raises(RunError, match=r"model\.safetensors: is missing"):
        load_model(run)


def test_another_format_is_refused(run: RunFolder) -> None:
    alter(run, format=RUN_FORMAT + 1)
    with pytest.raises(RunError, match="format 2"):
        load_model(run)


def test_weights_of_another_network_are_refused_in_one_line(run: RunFolder) -> None:
    alter(run, name="plain")
    with pytest.raises(RunError, match="does not fit a 'plain' network") as caught:
        load_model(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("size", "wide"), ("classes", 4), ("preprocessing", {"size": -1}), ("preprocessing", None), ("name", "nonesuch")],
)
def test_a_garbled_description_is_refused(run: RunFolder, key: str, value: object) -> None:
    alter(run, **{key: value})
    with pytest.raises(RunError):
        load_model(run)


def test_a_folder_without_a_model_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no run folder"):
        load_model(RunFolder(tmp_path))
