from pathlib import Path

import pandas as pd
import pytest

from cxrlens.errors import ManifestError
from cxrlens.manifest import COLUMNS, dataset_hash, kept, new_manifest, read_manifest, write_manifest


def rows(n: int = 3) -> list[dict[str, object]]:
    return [{"path": f"/data/{i} ü.png", "label": "Normal", "sha256": f"{i:064d}", "age": 40 + i} for i in range(n)]


@pytest.mark.parametrize("name", ["manifest.csv", "manifest.parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str):
    frame = new_manifest(rows())
    write_manifest(frame, tmp_path / name)
    pd.testing.assert_frame_equal(read_manifest(tmp_path / name), frame, check_dtype=False)


def test_every_cell_is_text_and_unknown_is_blank():
    frame = new_manifest(rows())
    assert frame.columns.tolist() == list(COLUMNS)
    assert all(isinstance(cell, str) for cell in frame.to_numpy().ravel())
    assert frame["patient_id"].tolist() == ["", "", ""]


def test_relative_paths_are_resolved_against_the_manifest(tmp_path: Path):
    (tmp_path / "m.csv").write_text("path,label\nimages/a.png,Normal\n")
    assert read_manifest(tmp_path / "m.csv")["path"].tolist() == [str(tmp_path / "images/a.png")]


def test_a_byte_order_mark_from_a_spreadsheet_is_no_part_of_a_name(tmp_path: Path):
    (tmp_path / "m.csv").write_bytes("\ufeffpath,label\na.png,Normal\n".encode())
    assert len(read_manifest(tmp_path / "m.csv")) == 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("file,label\na.png,Normal\n", "lacks the column(s) path"),
        ("path,label\na.png,Flu\n", "label 'Flu'"),
        ("path,label,split\na.png,Normal,holdout\n", "split 'holdout'"),
        ("path,label\na.png,Normal\na.png,Normal\n", "more than once"),
        ("", "cannot be read as a table"),
    ],
)
def test_a_bad_manifest_is_refused_in_one_line(tmp_path: Path, text: str, fault: str):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_manifest(path)
    assert fault in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_manifest_names_the_command_that_makes_one(tmp_path: Path):
    with pytest.raises(ManifestError, match="cxrlens curate"):
        read_manifest(tmp_path / "none.csv")


def test_an_unknown_label_is_allowed_on_an_excluded_row(tmp_path: Path):
    (tmp_path / "m.csv").write_text("path,label,excluded\na.png,Flu,unknown class\n")
    frame = read_manifest(tmp_path / "m.csv")
    assert len(frame) == 1
    assert len(kept(frame)) == 0


def test_the_hash_ignores_order_and_place_but_not_label_or_split():
    frame = new_manifest(rows())
    moved = frame.iloc[::-1].assign(path=[f"/elsewhere/{i}" for i in range(3)])
    assert dataset_hash(frame) == dataset_hash(moved)
    for column, value in (("label", "Pneumonia"), ("split", "test"), ("excluded", "blank")):
        changed = frame.copy()
        changed.loc[0, column] = value
        assert dataset_hash(changed) != dataset_hash(frame), column


def test_a_failed_write_leaves_the_old_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "manifest.csv"
    write_manifest(new_manifest(rows(1)), path)

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="space"):
        write_manifest(new_manifest(rows(3)), path)
    assert len(read_manifest(path)) == 1
