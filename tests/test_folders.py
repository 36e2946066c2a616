import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxrlens.errors import DatasetError, RunError
from cxrlens.folders import RUN_FORMAT, DatasetFolder, RunFolder, read_json, write_atomically, write_json


def test_a_folder_without_a_manifest_is_no_dataset(tmp_path: Path):
    with pytest.raises(DatasetError, match="cxrlens curate"):
        DatasetFolder(tmp_path).manifest()


def test_a_folder_without_a_config_is_no_run(tmp_path: Path):
    with pytest.raises(RunError, match="cxrlens train"):
        RunFolder(tmp_path).config()


@pytest.mark.parametrize("version", [RUN_FORMAT + 1, 0, None, "1"])
def test_a_run_of_another_version_is_refused(tmp_path: Path, version: object):
    (tmp_path / "config.json").write_text(json.dumps({"format": version}))
    with pytest.raises(RunError, match=f"format {version}"):
        RunFolder(tmp_path).config()


@pytest.mark.parametrize("torn", ["", '{"format": 1', "[1, 2]", "\x00\x01"])
def test_torn_json_is_one_line_with_the_path(tmp_path: Path, torn: str):
    (tmp_path / "metrics.json").write_text(torn)
    with pytest.raises(RunError, match=r"metrics\.json"):
        read_json(tmp_path / "metrics.json")


def test_json_never_holds_nan(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "m.json", {"value": math.nan})
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_writers_of_one_file_do_not_break_each_other(tmp_path: Path) -> None:
    target, whole = tmp_path / "answer.dcm", [bytes([n]) * 20_000 for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: write_atomically(target, whole[n % 4]), range(400)))
    assert target.read_bytes() in whole
    assert list(tmp_path.iterdir()) == [target]
