"""Many files: in order, bad ones beside good ones, bounded, and stoppable."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrlens.errors import CxrlensError, UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources import read_many, reading


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    for value in range(40):
        path = tmp_path / f"{value}.png"
        if value % 10 == 3:
            path.write_bytes(b"")
        else:
            Image.fromarray(np.full((5, 6), value, np.uint8)).save(path)
        paths.append(path)
    return paths


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_results_come_in_order_and_errors_take_their_place(files: list[Path], workers: int) -> None:
    results = list(read_many(files, workers))
    assert [index for index, _ in results] == list(range(40))
    for index, result in results:
        if index % 10 == 3:
            assert isinstance(result, UnreadableImageError)
            assert str(files[index]) in str(result)
        else:
            assert isinstance(result, Radiograph)
            assert result.pixels.mean() == pytest.approx(index / 255)


def test_order_holds_where_early_files_are_slow(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    real = reading.read_radiograph

    def slow(path: Path, limits: object) -> Radiograph:
        time.sleep(0.03 if path.stem == "0" else 0)
        return real(path, limits)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "read_radiograph", slow)
    assert [index for index, _ in read_many(files, 4)] == list(range(40))


def test_reading_does_not_run_ahead_of_its_consumer(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    real = reading.read_radiograph

    def counted(path: Path, limits: object) -> Radiograph:
        started.append(path.stem)
        return real(path, limits)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "read_radiograph", counted)
    results = read_many(files, 2)
    next(iter(results))
    time.sleep(0.05)
    assert len(started) <= 9


def test_consumer_may_stop_early_and_no_thread_stays(files: list[Path]) -> None:
    before = threading.active_count()
    results = read_many(files, 3)
    next(iter(results))
    results.close()  # type: ignore[attr-defined]
    time.sleep(0.05)
    assert threading.active_count() <= before


def test_progress_sees_every_file(files: list[Path]) -> None:
    seen = []

    def progress(
        items: Iterable[tuple[int, Radiograph | CxrlensError]], total: int, what: str
    ) -> Iterator[tuple[int, Radiograph | CxrlensError]]:
        for item in items:
            seen.append((item[0], total, what))
            yield item

    assert len(list(read_many(files, 2, progress))) == len(seen) == 40
    assert {total for _, total, _ in seen} == {40}


def test_errors_other_than_a_files_own_are_not_swallowed(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path, limits: object) -> Radiograph:
        raise ZeroDivisionError(path, limits)

    monkeypatch.setattr(reading, "read_radiograph", broken)
    with pytest.raises(ZeroDivisionError):
        list(read_many(files, 2))


@pytest.mark.real
def test_all_real_radiographs_are_read(real_data: Path) -> None:
    paths = sorted((real_data / "collected").rglob("*.*g"))[::10]
    errors = [str(r) for _, r in read_many(paths, 2) if not isinstance(r, Radiograph)]
    assert not errors
