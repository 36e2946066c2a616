"""Hostile files through every door: shell, Python, API, page and DICOM node. Each is answered for itself, in the same
words; its good neighbour is answered as ever; nothing is left on the disk; whoever answered goes on answering.

What else may come, and where that is tried:

    wrong content type          test_web_contract (whatever_its_type_is_called, a_garbled_form), test_web_uploads (compressed)
    2 GB upload                 test_web_uploads (two_gigabytes: announced; really streamed, in bounded memory)
    slow upload                 test_web_uploads (a_slow_upload, a_connection_without_a_request, headers_without_end)
    1,000 files at once         test_web_uploads (a_thousand_files), test_web_page (thousands_of_rows), test_serving_predict (a_few_at_a_time)
    cut connections             test_web_load (an_upload_that_breaks_off, a_client_that_leaves), test_web_page (a_server_that_is_gone)
    an association that aborts  test_node_receiver (in_mid_transfer), test_node_outbox (an_archive_that_aborts)
    a full queue                test_web_load (a_full_queue), test_node_receiver (a_full_queue), test_node_queue (or_disk)
    an archive that is down     test_node_outbox (an_archive_that_is_down), test_node_orthanc (also_when_it_was_down)
    a missing or altered model  here, through every command; test_serving_export (verify names the file)
    two nodes on one port       test_node_receiver (two_nodes_on_one_port), test_node_orthanc (a_taken_port)
    nowhere to write            test_writing, through every command
"""  # noqa: E501 # a table

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra 'serve' is not installed")
pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")

import httpx
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import cxrlens
from command_line import told
from cxrlens.errors import UnreadableImageError
from cxrlens.gate.answer import Answer
from cxrlens.gate.gate import Gate
from cxrlens.labels import CLASSES
from cxrlens.radiograph import Radiograph
from cxrlens.serving.formats import FORMATS, Table
from cxrlens.serving.node.node import Node, NodeOptions
from cxrlens.serving.node.outbox import Patience
from cxrlens.serving.node.receiver import SOP_CLASSES, Listening
from cxrlens.serving.stream import StreamOptions, predict_files
from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.reading import decode_radiograph
from hostile_files import FILES, GOOD, NAMES
from node_peers import CountingArchive, phantom_dataset, source_of, wait_for
from web_server import as_process

pytest_plugins = ["page_fixtures"]

CXRLENS = Path(sys.executable).with_name("cxrlens")
DOORS = ("shell", "python", "api", "page", "node")


@dataclass(frozen=True)
class Said:
    """What a door said of a file.

    Args:
        status: as in a prediction, or ``turned away``: the door did not take it.
        words: fault and remedy, or what was answered.
    """

    status: str
    words: str


def alike(words: str) -> str:
    """Without the number of a limit, which is each door's own."""
    return re.sub(r"the limit of \d+", "the limit of so many", words)


def said_of(row: dict) -> Said:
    return Said(row["status"], row["reason"] if row["status"] == "error" else f"{row['label']} {row['reason']}")


# --- Python


@pytest.fixture(scope="module")
def python(exported: Path) -> dict[str, Said]:
    predictor = cxrlens.load(exported, threads=1)
    said = {}
    for name, file in FILES.items():
        try:
            said[name] = said_of(predictor(file.data).to_dict())
        except UnreadableImageError as error:
            said[name] = Said("error", f"{error.fault}; {error.remedy}")
    assert predictor(GOOD.data).status == "answered"
    return said


# --- the shell


@dataclass
class Shell:
    """One ``cxrlens predict`` over a folder of everything."""

    rows: dict[str, dict]
    errors: list[str]
    code: int
    left: list[Path]


@pytest.fixture(scope="module")
def predicted(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    root = tmp_path_factory.mktemp("shell")
    folder, empty = root / "films", root / "empty"
    folder.mkdir()
    empty.mkdir()
    for file in (GOOD, *FILES.values()):
        (folder / file.file).write_bytes(file.data)
    (folder / "names").mkdir()
    for name in NAMES.values():
        with open(os.fsencode(folder) + b"/names/" + name, "wb") as out:
            out.write(GOOD.data)
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "round.png").symlink_to(folder / "round.png")
    (folder / "folder.png").mkdir()
    (folder / "folder.png" / "again").symlink_to(folder)
    os.mkfifo(folder / "pipe.png")
    (folder / "closed.png").write_bytes(GOOD.data)
    (folder / "closed").mkdir()
    for path in (folder / "closed.png", folder / "closed"):
        path.chmod(0)
    command = [CXRLENS, "predict", folder, "--model", exported, "--format", "jsonl"]
    if os.geteuid() == 0:  # who may everything can open everything
        without = "--bounding-set=-dac_override,-dac_read_search"
        command = ["setpriv", without, *command] if shutil.which("setpriv") else command
    known = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(empty), "HOME": str(empty)}
    done = subprocess.run(command, capture_output=True, cwd=empty, env=known, timeout=300, check=False)
    (folder / "closed").chmod(0o755)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    rows = {line["image"].removeprefix(f"{folder}/"): line for line in lines}
    assert len(rows) == len(lines), "a row a file"
    return Shell(rows, done.stderr.decode().splitlines(), done.returncode, list(empty.iterdir()))


@pytest.fixture(scope="module")
def shell(predicted: Shell) -> dict[str, Said]:
    return {name: said_of(predicted.rows[file.file]) for name, file in FILES.items()}


def test_the_shell_answers_the_good_and_says_that_some_were_bad(predicted: Shell):
    assert predicted.code == 3
    assert predicted.rows[GOOD.file]["status"] == "answered"
    assert predicted.left == []
    assert [line for line in predicted.errors if "closed: cannot be opened" not in line] == []
    assert len(predicted.rows) == len(FILES) + len(NAMES) + len(("good", "gone", "round", "pipe", "closed"))


def test_the_shell_says_what_is_wrong_with_files_that_are_none(predicted: Shell):
    reasons = {name: predicted.rows[f"{name}.png"]["reason"] for name in ("gone", "round", "pipe", "closed")}
    assert reasons["gone"] == "does not exist; check the path"
    assert reasons["pipe"] == "is a folder or a device, not a file; check the path"
    assert re.match(r"does not exist|cannot be opened", reasons["round"])
    if os.geteuid() != 0 or shutil.which("setpriv"):
        expected = "cannot be opened (Permission denied); check the file's permissions and its disk"
        assert reasons["closed"] == expected
        assert len(predicted.errors) == 1, "the folder"


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_judged_and_said_back(predicted: Shell, name: str):
    row = predicted.rows["names/" + os.fsdecode(NAMES[name])]
    assert row["probabilities"] == predicted.rows[GOOD.file]["probabilities"]


# --- the API and the page: one server


@dataclass
class Server:
    """``cxrlens serve``, running."""

    url: str
    log: Path
    folder: Path


@pytest.fixture(scope="module")
def served(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with as_process(exported, TMPDIR=str(folder), HOME=str(folder)) as (process, url, log):
        yield Server(f"{url}/", log, folder)
        assert process.poll() is None, "it still runs"
        assert "Traceback" not in log.read_text()
        assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def asking(served: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def api(asking: httpx.Client) -> dict[str, Said]:
    """Each alone, and between two good ones; what is said of it must be the same."""
    said = {}
    for name, file in FILES.items():
        answer = asking.post("v1/predictions", content=file.data)
        if answer.status_code == 200:
            (row,) = answer.json()["predictions"]
            said[name] = said_of(row)
        else:
            assert answer.status_code in (415, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            said[name] = Said("error", answer.json()["detail"].removeprefix("the file "))
    names = list(FILES)
    for start in range(0, len(names), 20):
        some = names[start : start + 20]
        parts = [GOOD, *(FILES[name] for name in some), GOOD]
        form = [("files", (part.file, part.data)) for part in parts]
        rows = asking.post("v1/predictions", files=form).json()["predictions"]
        assert [rows[0]["status"], rows[-1]["status"]] == ["answered", "answered"]
        for name, row in zip(some, rows[1:-1], strict=True):
            assert said_of(row) == said[name]
            assert row["image"] == FILES[name].file
    assert "cxrlens_faults_total 0.0" in asking.get("metrics").text, "foreseen, not caught by a net"
    assert asking.get("ready").status_code == 200
    return said


DROP = """(files) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
  }
  const zone = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  for (const type of ["dragenter", "dragover", "drop"]) {
    zone.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""

READ = """() => {
  const text = (of) => document.querySelector(`#result ${of}`)?.innerText ?? "";
  const said = [...document.querySelectorAll("#result .reason li")].map((each) => each.innerText);
  const row = { name: text(".file"), kind: document.getElementById("result").dataset.kind,
    verdict: document.querySelector("#result .verdict")?.firstChild?.textContent ?? "",
    reason: said.length ? said.join(" ") : text(".reason") };
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
  return row;
}"""


@pytest.fixture
def page(open_page) -> dict[str, Said]:
    """All of them dropped at once, a good one first and last, and then gone through from film to film."""
    opened = open_page(expected=(415, 422))
    dropped = [(GOOD.file, GOOD.data), *((file.file, file.data) for file in FILES.values()), ("last.png", GOOD.data)]
    opened.evaluate(DROP, [[name, base64.b64encode(data).decode()] for name, data in dropped])
    opened.locator("#worklist-count", has_text=str(len(dropped))).wait_for(state="attached")
    opened.locator("#progress-line").wait_for(state="hidden", timeout=120_000)
    rows = {row["name"]: row for row in (opened.evaluate(READ) for _ in dropped)}
    assert rows[GOOD.file]["kind"] == rows["last.png"]["kind"] == "answered"
    said = {}
    for name, file in FILES.items():
        row = rows[file.file]
        if row["kind"] == "error":
            assert re.fullmatch(r"The file .*[.]", row["reason"]), "a sentence"
            said[name] = Said("error", row["reason"][len("The file ") : -1])
        else:
            said[name] = Said(row["kind"], row["verdict"])
    return said


# --- the node


SYNTAX = ExplicitVRLittleEndian


def sent_as(name: str) -> tuple[bytes, str, str]:
    """The bytes of a data set, its transfer syntax, and its SOP Instance UID, as a careless sender would have them."""
    file = io.BytesIO(FILES[name].data)
    try:
        read_preamble(file, force=True)
        meta = _read_file_meta_info(file)
        data = file.read()
        uid = str(pydicom.dcmread(io.BytesIO(FILES[name].data), force=True).SOPInstanceUID)
        return data, str(meta.TransferSyntaxUID), uid
    except Exception:  # no DICOM: as it is, but a data set of no bytes would not be sent at all
        return FILES[name].data or b"\0\0", SYNTAX, generate_uid(entropy_srcs=[name])


@pytest.fixture(scope="module")
def node(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Said]:
    """All over one association a transfer syntax, a good film after each of them that was turned away."""
    from pynetdicom import AE

    from cxrlens.serving.node.checkpoint import mend

    folder = tmp_path_factory.mktemp("node") / "queue"
    said: dict[str, Said] = {}
    waiting: dict[str, str] = {}
    by_syntax: dict[str, list[str]] = {}
    for name in FILES:
        by_syntax.setdefault(sent_as(name)[1], []).append(name)
    with CountingArchive().running() as archive, pytest.MonkeyPatch.context() as patch:
        options = NodeOptions(folder, send=archive.peer, results=("report",), patience=Patience(0.1, 0.4, 0.1))
        with Node(exported, Listening(port=0), options) as running:
            for syntax, names in by_syntax.items():
                entity = AE("TESTER")
                entity.add_requested_context(SOP_CLASSES[1], [syntax])
                made = entity.associate("127.0.0.1", running.port)
                mend(made)
                if not made.accepted_contexts:
                    said |= dict.fromkeys(names, Said("turned away", "the transfer syntax was not agreed on"))
                    continue
                for name in names:
                    data, _, uid = sent_as(name)
                    request = Dataset()
                    request.file_meta = FileMetaDataset()
                    request.file_meta.TransferSyntaxUID = syntax
                    request.SOPClassUID, request.SOPInstanceUID = SOP_CLASSES[1], uid
                    patch.setattr("pynetdicom.association.encode", lambda *_, data=data: data)
                    answer = made.send_c_store(request)
                    assert "Status" in answer, f"{name} ended the association"
                    if answer.Status:
                        said[name] = Said("turned away", str(answer.ErrorComment))
                    else:
                        waiting[uid] = name
                patch.undo()
                made.release()
            good = phantom_dataset(1)
            entity = AE("TESTER")
            entity.add_requested_context(good.SOPClassUID, SYNTAX)
            made = entity.associate("127.0.0.1", running.port)
            mend(made)
            assert made.send_c_store(good).Status == 0
            made.release()
            wait_for(lambda: not running.queue.waiting(), 60)
            left = [path for part in ("incoming", "results") for path in (folder / part).iterdir()]
            assert left == []
        reports = {source_of(report): report for report in archive.reports()}
    assert reports.pop(str(good.SOPInstanceUID)).CompletionFlag == "COMPLETE"
    assert set(reports) == set(waiting), "a report each"
    for uid, report in reports.items():
        texts = [str(each.value) for each in report.iterall() if each.keyword == "TextValue"]
        words = next((text for text in texts if "; " in text), " | ".join(texts)).removeprefix("Reason: ")
        said[waiting[uid]] = Said("error" if report.CompletionFlag == "PARTIAL" else "judged", words)
    return said


# --- the contract


@pytest.mark.parametrize("door", DOORS)
def test_every_door_says_the_same_of_every_file(door: str, request: pytest.FixtureRequest, python: dict[str, Said]):
    told = request.getfixturevalue(door)
    assert set(told) == set(FILES), "one answer each, and none for nobody"
    for name, file in FILES.items():
        said, words = told[name], alike(told[name].words)
        assert "Traceback" not in said.words
        assert words.isprintable(), name
        if said.status == "turned away":
            assert 0 < len(said.words) <= 64, "an Error Comment"
            continue
        assert (said.status == "error") == bool(file.says), (name, said)
        if file.says:
            assert file.says in said.words, (name, said)
            assert words == alike(python[name].words), name
            fault, _, remedy = said.words.rpartition("; ")
            assert fault, "what is wrong"
            assert remedy, "what to do"
        elif door in ("shell", "api"):
            assert said == python[name], name


def test_the_node_turns_away_what_is_no_film_and_answers_the_rest(node: dict[str, Said]):
    taken = {name for name, said in node.items() if said.status != "turned away"}
    assert taken >= {"dicom of many frames", "dicom of huge size", "dicom of a colour table", "dicom without bits"}
    assert taken >= {"dicom whose codestream claims more", "dicom named png", "dicom without preamble", "monochrome1"}
    assert not taken & {"text", "torn png", "16 bits", "dicom without pixels", "dicom of a private syntax"}


# --- a model that is not what it was


@pytest.mark.parametrize("fault", ["altered", "missing", "no model"])
@pytest.mark.parametrize(
    "command",
    [
        "predict {film} --model {model}",
        "serve --model {model} --port 0",
        "node --model {model} --queue {queue} --send A@127.0.0.1:9 --port 0",
        "pull http://127.0.0.1:9/dicom-web --model {model} --queue {queue}",
        "verify {model}",
    ],
)
def test_a_model_that_is_not_what_it_was_is_not_used(
    command: str,
    fault: str,
    copied: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    film = tmp_path / "film.png"
    film.write_bytes(GOOD.data)
    network = copied / "model.onnx"
    if fault == "altered":
        data = bytearray(network.read_bytes())
        data[len(data) // 2] ^= 1
        network.write_bytes(data)
    elif fault == "missing":
        network.unlink()
    else:
        shutil.rmtree(copied)
    known = {"film": film, "model": copied, "queue": tmp_path / "queue"}
    code, out, err = told(command, known, monkeypatch, capfd)
    assert code not in (0, None)
    words = {
        "altered": "was altered: its SHA-256 is",
        "missing": "cannot be read (No such file",
        "no model": str(copied),
    }
    lines = out + err
    assert any(words[fault] in line for line in lines), lines
    assert not any("Traceback" in line for line in lines)
    if not command.startswith("verify"):
        assert len(lines) == 1, lines
        assert lines[0].startswith("error: ")


def test_the_library_that_runs_networks_reports_to_nobody():
    """It does by default; and the doors above leave nothing in a user's home, where it would keep an identifier."""
    code = "import os, sys, cxrlens.serving; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    known = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]


# --- a row for a reader


def test_an_overlay_has_a_name_that_any_system_takes(exported: Path, tmp_path: Path):
    films = tmp_path / "films"
    films.mkdir()
    for name in NAMES.values():
        with open(os.fsencode(films) + b"/" + name, "wb") as out:
            out.write(GOOD.data)
    rows = list(
        predict_files(cxrlens.load(exported, threads=1), sorted(films.iterdir()), StreamOptions(tmp_path / "maps"))
    )
    maps = [Path(row.cam or "") for row in rows]
    assert len({path.name for path in maps}) == len(NAMES)
    for path in maps:
        assert path.is_file()
        assert path.name.isprintable()


def decoding(data: bytes, path: Path, limits: ReadLimits) -> Radiograph:
    if path.name == "1.png":
        raise RecursionError
    return decode_radiograph(data, path, limits)


def judging(gate: Gate, films: Sequence[Radiograph]) -> list[Answer]:
    if any(Path(film.path).name == "1.png" for film in films):
        raise RecursionError
    return JUDGE_ALL(gate, films)


JUDGE_ALL = Gate.judge_all


@pytest.mark.parametrize(
    ("where", "failing", "said"),
    [
        ("cxrlens.sources.reading.decode_radiograph", decoding, "decoded"),
        ("cxrlens.gate.gate.Gate.judge_all", judging, "judged"),
    ],
)
def test_what_nobody_foresaw_costs_one_row(
    where: str, failing: object, said: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """At the shell; the same of the API in test_web_load, of the node in test_node_judging."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        path.write_bytes(GOOD.data)
    predictor = cxrlens.load(exported, threads=1)
    monkeypatch.setattr(where, failing)
    rows = list(predict_files(predictor, paths, StreamOptions(workers=1)))
    assert [row.status for row in rows] == ["answered", "error", "answered"]
    assert re.fullmatch(rf"cannot be {said} \(RecursionError\); .+", rows[1].reason)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_neither_breaks_a_row_nor_orders_the_terminal_about(exported: Path, name: str):
    answer = cxrlens.load(exported, threads=1)(GOOD.data)
    named = os.fsdecode(NAMES[name])
    row = Table(CLASSES, "measured on nothing").row(replace(answer, image=named, warnings=(), cam=f"{named}_cam.png"))
    lines = row.splitlines()
    assert lines[0].startswith(str(answer.label))
    assert lines[1].startswith("    heat-map: ")
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert FORMATS["csv"](CLASSES, "").row(replace(answer, image=named))
