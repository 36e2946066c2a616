"""``cxrlens predict --dicom``: objects of every DICOM file, in a stream, whatever else lies beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

import cxrlens
from cxrlens.errors import OptionError
from cxrlens.serving.dicom import check_folder
from cxrlens.serving.dicom.files import NO_DICOM
from cxrlens.serving.stream import StreamOptions, predict_files
from cxrlens.sources.phantom.encode import encode_png, to_samples
from dicom_films import as_bytes, film
from serving_model import phantoms


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two DICOM films, a torn one, one without its study, a PNG, a text."""
    folder = tmp_path_factory.mktemp("films")
    one, two = (radiograph.pixels for radiograph in phantoms(2))
    (folder / "a_doe.dcm").write_bytes(as_bytes(film(one, SOPInstanceUID="1.2.1")))
    (folder / "b_doe.dcm").write_bytes(as_bytes(film(two, SOPInstanceUID="1.2.2", inverse=True)))
    (folder / "c_torn.dcm").write_bytes(as_bytes(film(one, SOPInstanceUID="1.2.3", Rows=4000)))
    (folder / "d_no_study.dcm").write_bytes(as_bytes(film(one, StudyInstanceUID=None)))
    (folder / "e.png").write_bytes(encode_png(to_samples(one, 8)))
    (folder / "f.txt.png").write_bytes(b"no picture")
    return folder


def referenced(folder: Path) -> dict[str, list[str]]:
    """Modalities written, by the image that they are about."""
    found: dict[str, list[str]] = {}
    for file in folder.iterdir():
        ds = pydicom.dcmread(file)
        assert file.name == f"{ds.SOPInstanceUID}.dcm"
        (about,) = {uid for uid in ("1.2.1", "1.2.2", "1.2.3") if f"UI: {uid}\n" in f"{ds}\n"}
        found.setdefault(about, []).append(str(ds.Modality))
    return {uid: sorted(kinds) for uid, kinds in sorted(found.items())}


def test_objects_are_written_for_dicom_files_alone_and_a_broken_one_stops_nothing(
    exported: Path, films: Path, tmp_path: Path
):
    predictor = cxrlens.load(exported, threads=1)
    rows = list(predict_files(predictor, sorted(films.iterdir()), StreamOptions(dicom=tmp_path / "out")))
    assert [row.status == "error" for row in rows] == [False, False, True, False, False, True]
    assert all(row.heat_map is None for row in rows), "arrays do not pile up"
    whole = ["OT", "PR", "SEG", "SR"]
    assert referenced(tmp_path / "out") == {"1.2.1": whole, "1.2.2": whole, "1.2.3": ["SR"]}
    assert any("no Study Instance UID" in warning for warning in rows[3].warnings)
    for row, told in zip(rows, (False, False, False, False, True, True), strict=True):
        assert (NO_DICOM in row.warnings) == told
    assert "Doe" not in json.dumps([row.to_dict() for row in rows])


def test_the_command_writes_them_and_both_ways_to_it_give_the_same(exported: Path, films: Path, tmp_path: Path):
    words = ["predict", str(films), "--model", str(exported), "--format", "jsonl", "--dicom"]
    short = [sys.executable, "-m", "cxrlens", *words, str(tmp_path / "short")]
    code = "import sys; sys.argv = ['cxrlens', *sys.argv[1:]]; from cxrlens.cli import main; main()"
    whole = [sys.executable, "-c", code, *words, str(tmp_path / "whole")]
    done = [subprocess.run(command, capture_output=True, text=True, check=False) for command in (short, whole)]
    assert [each.returncode for each in done] == [3, 3], done[0].stderr
    assert done[0].stdout == done[1].stdout
    names = [sorted(file.name for file in (tmp_path / way).iterdir()) for way in ("short", "whole")]
    assert names[0] == names[1]
    assert len(names[0]) == 9
    assert "Warning" not in done[0].stderr
    assert "Synthetic" not in done[0].stdout + done[0].stderr, "no name of a patient"


def test_a_folder_that_is_none_and_a_missing_library_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OptionError, match="is a file"):
        check_folder(file)
    check_folder(tmp_path / "not there yet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'cxrlens\[dicom\]'"):
        check_folder(tmp_path)
