"""Nowhere to write: under a file, where nobody may, on a full disk. One line each, and before the work is done."""

from __future__ import annotations

import errno
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from command_line import told
from cxrlens import cli
from cxrlens.batches import pack
from cxrlens.errors import CxrlensError, DatasetError, WriteError, mendable
from cxrlens.folders import RunFolder, check_writable, make_folder, write_atomically
from cxrlens.manifest import new_manifest, write_manifest
from cxrlens.preprocessing import Preprocessing
from cxrlens.sources.phantom.encode import encode_png, to_samples
from serving_model import phantoms

COMMANDS = (
    "phantom {out} --images 16",
    "fetch kermany --out {out}",
    "curate {here} --out {out}",
    "split {out}",
    "train {here} --out {out}",
    "evaluate {out}",
    "calibrate {out}",
    "gate {out}",
    "audit {out}",
    "explain {out}",
    "explain {run} {film} --out {out}",
    "explain {out} --scorecard",
    "report {out}",
    "run {here} --out {out}",
    "demo --out {out}",
    "export {run} --out {out}",
    "predict {film} --model {model} --cam {out}",
    "predict {film} --model {model} --dicom {out}",
    "node --model {model} --queue {out} --send A@127.0.0.1:4242 --port 0",
    "pull http://127.0.0.1:9/dicom-web --model {model} --queue {out}",
)
"""Every command that writes."""


@pytest.fixture(params=["under a file", "where nobody may"])
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "under a file":
        (tmp_path / "file").write_text("no folder")
        return tmp_path / "file" / "deeper" / "still"
    if not Path("/proc/self").is_dir():
        pytest.skip("needs a file system that takes no files, as /proc is")
    return Path("/proc/cxrlens/deeper")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_cannot_write_says_so_in_one_line(
    command: str,
    nowhere: Path,
    tmp_path: Path,
    served_run: RunFolder,
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    film = tmp_path / "film.png"
    film.write_bytes(encode_png(to_samples(phantoms(1)[0].pixels, 8)))
    known = {"out": nowhere, "here": tmp_path, "run": served_run.root, "model": exported, "film": film}
    code, _, said = told(command, known, monkeypatch, capfd)
    assert code == 2, said
    assert len(said) == 1, said
    assert said[0].startswith("error: ")
    assert str(nowhere) in said[0] or str(nowhere.parent) in said[0]
    assert "cannot be" in said[0]
    assert said[0].count("; ") == 1, "thing and fault, then the remedy"


def test_a_folder_that_may_be_made_is_not_made_by_asking(tmp_path: Path):
    assert check_writable(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def somebody() -> Iterator[Path]:
    """A folder that one may look into and not write to, and a process that is not allowed everything."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        (folder / "inside").mkdir()
        (folder / "inside").chmod(0o555)
        folder.chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield folder / "inside"
        finally:
            if root:
                os.seteuid(0)
            (folder / "inside").chmod(0o755)


def test_a_folder_without_the_right_to_write_is_told_by_asking(somebody: Path):
    for ask in (check_writable, make_folder):
        with pytest.raises(WriteError, match=r"Permission denied.*choose another place"):
            ask(somebody / "deeper")
    with pytest.raises(WriteError, match="Permission denied"):
        write_atomically(somebody / "file", b"")
    with pytest.raises(WriteError, match="Permission denied"):
        write_manifest(new_manifest([]), somebody / "manifest.csv")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file may grow beyond a hundred bytes: to a program that is a disk without space."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_leaves_the_old_file_whole(tmp_path: Path, full: None):
    write_atomically(tmp_path / "a", b"old")
    with pytest.raises(WriteError, match=r"a: cannot be written \(File too large\); .*free some space") as caught:
        write_atomically(tmp_path / "a", b"new" * 100)
    assert (caught.value.errno, caught.value.strerror) == (errno.EFBIG, "File too large"), "the system's own error too"
    frame = new_manifest([{"path": f"{i}.png", "label": "Normal"} for i in range(20)])
    with pytest.raises(WriteError, match=r"manifest\.csv: cannot be written"):
        write_manifest(frame, tmp_path / "manifest.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


@pytest.mark.parametrize("place", ["file", "file/deeper"])
def test_packing_into_a_folder_under_a_file_is_one_line(place: str, tmp_path: Path):
    (tmp_path / "file").write_text("no folder")
    film = tmp_path / "film.png"
    film.write_bytes(encode_png(to_samples(phantoms(1)[0].pixels, 8)))
    rows = pd.DataFrame([{"path": str(film), "sha256": "", "excluded": ""}])
    with pytest.raises(DatasetError, match="packed pixels cannot be written"):
        pack(rows, Preprocessing(size=32), tmp_path / place)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "/x/y: cannot be read or written (No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x: cannot be read or written (Permission denied)"),
        (OSError(errno.EROFS, "Read-only file system"), "the system: cannot be read or written (Read-only"),
        (DatasetError("a", "b", "c"), "a: b; c"),
    ],
)
def test_a_refusal_of_the_system_that_nobody_foresaw_is_one_line_at_the_shell(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def refused() -> None:
        raise error

    monkeypatch.setattr(cli, "app", refused)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {line}")


def test_a_fault_of_the_program_keeps_its_trace(monkeypatch: pytest.MonkeyPatch):
    fault = FileNotFoundError(errno.ENOENT, "No such file or directory", "its own")
    assert mendable(fault) is None

    def broken() -> None:
        raise fault

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(FileNotFoundError):
        cli.main()


def test_an_error_of_writing_is_both_kinds_and_one_line(tmp_path: Path):
    made = WriteError.of(tmp_path / "a\nb", OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(made, CxrlensError)
    assert isinstance(made, OSError)
    assert str(made) == f"{tmp_path}/a\\nb: cannot be written (No space left on device); " + made.remedy
