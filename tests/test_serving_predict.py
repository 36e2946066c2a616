"""Answers from an exported model: the contract, what may be handed in, many files, the formats, the command."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import cxrlens
from cxrlens import RESEARCH_ONLY
from cxrlens.__main__ import OPTIONS, plain_predict
from cxrlens.calibrated import Calibration
from cxrlens.errors import CxrlensError, OptionError, UnreadableImageError
from cxrlens.folders import RunFolder, read_json
from cxrlens.labels import CLASSES
from cxrlens.model import load_model
from cxrlens.preprocessing import to_model_input
from cxrlens.radiograph import Radiograph
from cxrlens.serving.formats import FORMATS
from cxrlens.serving.images import to_radiograph
from cxrlens.serving.prediction import Prediction
from cxrlens.serving.predictor import NO_CALIBRATION, NO_GATE, Predictor
from cxrlens.serving.stream import AT_ONCE, StreamOptions, predict_files
from cxrlens.sources import read_radiograph, reading
from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.phantom.encode import encode_png, to_samples
from cxrlens.sources.walk import find_images
from serving_model import phantoms

CXRLENS = Path(sys.executable).with_name("cxrlens")


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return cxrlens.load(exported, threads=1)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of five files: two films, a torn one, text under a picture's name, a blank one."""
    folder = tmp_path_factory.mktemp("films")
    data = [encode_png(to_samples(r.pixels, 8)) for r in phantoms(2)]
    (folder / "a.png").write_bytes(data[0])
    (folder / "b.png").write_bytes(data[1])
    (folder / "c.png").write_bytes(data[1][:900])
    (folder / "d.png").write_text("no picture at all")
    Image.new("L", (128, 128), 90).save(folder / "e.png")
    return folder


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [CXRLENS, "predict", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_an_answer_is_what_torch_and_the_calibration_say(predictor: Predictor, served_run: RunFolder):
    model, calibration = load_model(served_run), Calibration.from_dict(read_json(served_run.calibration_path))
    statuses = set()
    for radiograph in phantoms(8):
        inputs = torch.from_numpy(to_model_input(model.preprocessing(radiograph)))
        with torch.inference_mode():
            shares = torch.softmax(model.module(inputs).double(), dim=1).numpy()[0]
        found = predictor(radiograph)
        assert found.probabilities is not None
        expected = calibration.probabilities(shares)
        assert list(found.probabilities) == list(CLASSES)
        assert np.abs(np.array(list(found.probabilities.values())) - expected).max() < 1e-4
        assert sum(found.probabilities.values()) == pytest.approx(1)
        assert found.prediction_set == calibration.prediction_set(shares)
        assert found.reason == calibration.abstain(shares)
        assert found.abstained == bool(found.reason)
        assert found.label == (None if found.reason else CLASSES[int(expected.argmax())])
        statuses.add(found.status)
    assert statuses == {"answered", "not sure"}, "the phantoms must show both"


def test_a_refused_image_has_no_class_and_no_probability(predictor: Predictor):
    found = predictor(np.full((128, 128), 0.5, np.float32), cam=True)
    assert (found.status, found.abstained) == ("refused", True)
    assert found.label is found.probabilities is found.prediction_set is found.heat_map is found.likeliest is None
    assert "is blank" in found.reason
    assert found.gate is not None
    assert found.gate["status"] == "refused"


def test_the_contract_names_model_measure_and_notice(predictor: Predictor, served_run: RunFolder):
    told = predictor(phantoms(1)[0]).to_dict()
    assert list(told) == [
        "image", "status", "label", "probabilities", "prediction_set", "abstained", "reason", "warnings",
        "gate", "calibrated", "risk", "cam", "heat_map", "model", "measured_on", "notice",
    ]  # fmt: skip
    assert told["model"] == {"name": "plain", "hash": served_run.model()["weights_sha256"]}
    assert told["notice"] == RESEARCH_ONLY
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_without_gate_or_calibration_that_is_said(predictor: Predictor):
    bare = Predictor(replace(predictor.network, calibration=None), None)
    found = bare(phantoms(1)[0])
    assert found.warnings == (NO_GATE, NO_CALIBRATION)
    assert (found.status, found.gate, found.prediction_set, found.calibrated) == ("answered", None, None, False)


def test_every_way_to_hand_in_an_image_gives_the_same_answer(predictor: Predictor, films: Path):
    path = films / "a.png"
    expected = predictor(path).probabilities
    grey = np.asarray(Image.open(path))
    colour = np.repeat(grey[..., None], 3, axis=2)
    ways = [str(path), path.read_bytes(), Image.open(path), Image.open(path).convert("RGB"), grey, colour]
    ways += [grey.astype(np.int64), (grey / 255).astype(np.float32), grey / 255.0, grey.astype(np.uint16) * 257]
    ways += [Image.open(path).convert("RGBA"), np.dstack([colour, np.full_like(grey, 255)])]
    for way in ways:
        assert predictor(way).probabilities == pytest.approx(expected, abs=2e-3), type(way)


@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 64), 300.0),
        np.full((64, 64), np.nan),
        np.zeros((0, 4)),
        np.zeros((4, 4, 7)),
        np.zeros((64, 64), complex),
        b"",
        b"text",
        "no-such-file.png",
        3.5,
    ],
)
def test_what_is_no_image_is_one_line(predictor: Predictor, image: object):
    with pytest.raises(UnreadableImageError):
        predictor(image)  # type: ignore[arg-type]


def test_a_declared_size_beyond_the_limit_is_refused_before_decoding():
    png = bytearray(encode_png(to_samples(np.zeros((8, 8), np.float32), 8)))
    png[16:24] = (60000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    with pytest.raises(UnreadableImageError, match="60000 x 60000"):
        to_radiograph(bytes(png))


def test_an_unknown_class_and_an_unknown_engine_are_refused(predictor: Predictor, exported: Path):
    with pytest.raises(OptionError, match="Lupus"):
        predictor(phantoms(1)[0], cam=True, target="Lupus")
    with pytest.raises(OptionError, match="abacus"):
        cxrlens.load(exported, engine="abacus")
    with pytest.raises(OptionError, match="quantised"):
        cxrlens.load(exported, engine="openvino-int8")


def test_a_broken_file_is_a_row_and_stops_nothing(predictor: Predictor, films: Path):
    rows = list(predict_files(predictor, sorted(films.iterdir())))
    assert [Path(row.image).name for row in rows] == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert [row.status for row in rows][2:] == ["error", "error", "refused"]
    assert rows[0].probabilities == pytest.approx(predictor(films / "a.png").probabilities)
    assert "torn or corrupt" in rows[2].reason
    assert rows[3].reason.startswith("is no image but text")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_goes_through_a_few_at_a_time(
    predictor: Predictor, films: Path, workers: int, monkeypatch: pytest.MonkeyPatch
):
    """However long the list, no more files are read than a few ahead of the row that was asked for."""
    read, shown = [], []

    def counted(path: Path, limits: ReadLimits) -> Radiograph:
        read.append(path)
        return read_radiograph(path, limits)

    def seen(items: Iterable[Prediction], total: int, what: str) -> Iterator[Prediction]:
        assert total == 500
        for item in items:
            shown.append(item)
            yield item

    monkeypatch.setattr(reading, "read_radiograph", counted)
    rows = predict_files(predictor, [films / "a.png"] * 500, StreamOptions(workers=workers), seen)  # type: ignore[arg-type]
    for asked in range(1, 3 * AT_ONCE):
        next(rows)
        assert len(shown) == asked
        assert len(read) <= asked + (workers + 2) * AT_ONCE
    rows.close()  # type: ignore[attr-defined]


def test_threads_keep_the_order_and_the_answers(predictor: Predictor, films: Path):
    paths = [films / name for name in ("b.png", "c.png", "a.png", "e.png", "a.png", "d.png", "b.png")] * 3
    alone = [row.to_dict() for row in predict_files(predictor, paths, StreamOptions(workers=1))]
    together = [row.to_dict() for row in predict_files(predictor, paths, StreamOptions(workers=3))]
    assert [row["image"] for row in together] == [str(path) for path in paths]
    assert together == alone


def test_overlays_have_the_size_of_the_film_and_say_what_they_are(predictor: Predictor, films: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.png").write_bytes((films / "b.png").read_bytes())
    paths = [films / "a.png", other / "a.png"]
    rows = list(predict_files(predictor, paths, StreamOptions(cam=tmp_path / "cam")))
    assert len({row.cam for row in rows}) == 2, "two files of one name"
    for row, path in zip(rows, paths, strict=True):
        picture, film = Image.open(str(row.cam)), Image.open(path)
        assert row.judged_map is not None
        assert picture.width == film.width
        assert (picture.height > film.height) == row.judged_map.doubts.flagged, "a flagged map has a strip below it"
        assert RESEARCH_ONLY in picture.text["Comment"]
        assert "SYNTHETIC" in picture.text["Comment"]
        assert row.heat_map is None, "arrays do not pile up"


def test_folders_are_searched_and_none_at_all_is_an_error(films: Path, tmp_path: Path):
    assert len(find_images([films, films / "a.png"])[0]) == 6
    with pytest.raises(OptionError, match="holds no image"):
        find_images([tmp_path])


def examples(predictor: Predictor) -> list[Prediction]:
    awkward = Radiograph(phantoms(1)[0].pixels, path='films/odd, "name".png')
    blank = Radiograph(np.full((96, 96), 0.5, np.float32), path="blank.png")
    broken = predictor.unreadable("torn.png", CxrlensError("torn.png", "is torn", "get it again"))
    return [*predictor.judge([awkward, blank]), broken]


def test_json_lines_and_csv_read_back(predictor: Predictor):
    rows = examples(predictor)
    writer = FORMATS["jsonl"](CLASSES, "x")
    text = writer.head() + "".join(map(writer.row, rows)) + writer.foot()
    assert [json.loads(line) for line in text.splitlines()] == [row.to_dict() for row in rows]
    writer = FORMATS["csv"](CLASSES, "x")
    text = writer.head() + "".join(map(writer.row, rows)) + writer.foot()
    table = list(csv.DictReader(io.StringIO(text)))
    assert [cells["image"] for cells in table] == [row.image for row in rows]
    assert [cells["status"] for cells in table] == [row.status for row in rows]
    for cells, row in zip(table, rows, strict=True):
        assert (cells["p_Normal"] == "") == (row.probabilities is None)
        assert cells["notice"] == RESEARCH_ONLY


def test_the_table_says_why_there_is_no_answer(predictor: Predictor):
    rows = examples(predictor)
    writer = FORMATS["table"](CLASSES, "measured on a toy")
    text = writer.head() + "".join(map(writer.row, rows)) + writer.foot()
    assert "refused: the image is blank" in text
    assert "error: is torn; get it again" in text
    assert "measured on a toy" in text
    assert RESEARCH_ONLY in text


def test_the_command_gives_rows_and_exit_code_3_for_a_broken_file(exported: Path, films: Path, predictor: Predictor):
    done = run(films, "--model", exported, "--format", "jsonl")
    assert done.returncode == 3, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["status"] for row in rows] == [p.status for p in predict_files(predictor, sorted(films.iterdir()))]
    whole = run(films / "a.png", "--model", exported)
    assert whole.returncode == 0, whole.stderr
    assert RESEARCH_ONLY in whole.stdout


def test_the_command_line_library_understands_the_same(exported: Path, films: Path):
    """The short way and the whole way: same rows, to the letter."""
    words = ["predict", str(films / "a.png"), "--model", str(exported), "--format=csv"]
    code = "import sys; sys.argv = ['cxrlens', *sys.argv[1:]]; from cxrlens.cli import main; main()"
    whole = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert whole.returncode == 0, whole.stderr
    assert run(*words[1:]).stdout == whole.stdout


def test_the_short_way_knows_the_options_of_the_command():
    from cxrlens.cli import app

    command = typer.main.get_command(app).commands["predict"]  # type: ignore[attr-defined]
    own = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    assert {o.removeprefix("--") for p in own for o in p.opts} == set(OPTIONS)
    assert all(not p.is_flag for p in own)


@given(st.lists(st.sampled_from(["a.png", "--model", "m", "--model=m", "--cam", "-h", "--format", "--", "--x", "csv"])))
def test_the_short_way_takes_only_what_it_surely_understands(words: list[str]):
    found = plain_predict(["predict", *words])
    assert plain_predict(words) is None
    if found is None:
        return
    images, options = found
    assert images
    assert "model" in options
    assert not any(word.startswith("-") for word in (*images, *options.values()))
    given_words = sum(1 if f"--{n}={v}" in words else 2 for n, v in options.items())
    assert len(images) + given_words == len(words), "no word is lost"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("{films}/a.png", "--model", "{films}/none"), "does not exist"),
        (("{films}/a.png", "--model", "{films}"), "neither"),
        (("{films}/a.png", "--model", "{model}", "--format", "xml"), "jsonl"),
        (("{films}/a.png", "--model", "{model}", "--engine", "abacus"), "onnxruntime"),
        (("{films}/a.png", "--model", "{model}", "--cam", "{films}/a.png"), "--cam"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(exported: Path, films: Path, words: tuple[str, ...], names: str):
    done = run(*(word.format(films=films, model=exported) for word in words))
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    assert line.startswith("error: ")
    assert names in line


HEAVY = {"torch", "scipy", "matplotlib", "sklearn", "onnx", "kornia"}
NO_MAP = {"pandas", "pydicom", "typer", "rich", "cxrlens.serving.doubting", "cxrlens.lungs", "PIL.ImageDraw"}


@pytest.mark.parametrize(("more", "heavy"), [("", HEAVY | NO_MAP), ("--cam overlays", HEAVY)], ids=["answer", "map"])
def test_one_image_cold_imports_neither_torch_nor_tables_nor_plots(
    exported: Path, films: Path, tmp_path: Path, more: str, heavy: set[str]
):
    """And nothing that looks at maps where none is asked for."""
    code = (
        "import os, sys\nfrom cxrlens.__main__ import main\nos._exit = sys.exit  # to see what was imported\n"
        "try:\n    main()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        f"heavy = {heavy} & set(sys.modules)\nassert not heavy, heavy\nprint('looked')\n"
    )
    words = ["predict", str(films / "a.png"), "--model", str(exported), *more.split()]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("looked\n")


def test_importing_the_package_costs_nothing():
    code = "import sys, cxrlens\ncxrlens.load\nprint({'numpy', 'onnxruntime', 'torch', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_run_that_was_not_exported_is_exported_when_it_is_asked(served_run: RunFolder, films: Path, exported: Path):
    """Here it was: the run's folder will do as a model, and standard output holds nothing but rows."""
    done = run(films / "a.png", "--model", served_run.root, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout == run(films / "a.png", "--model", exported, "--format", "jsonl").stdout
