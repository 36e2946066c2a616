"""What comes in: limits before memory is taken, slow and endless uploads, hostile files, and never the disk."""

from __future__ import annotations

import io
import os
import resource
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

import cxrlens
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.options import MIB, Limits
from cxrlens.serving.web.uploads import clean_name
from web_server import answer_on, as_process, dicom, eventually, film, on_a_port, plugged, small


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return cxrlens.load(exported, threads=1)


@pytest.fixture(scope="module")
def api(predictor: Predictor) -> Iterator[httpx.Client]:
    """With limits that a test reaches quickly."""
    with on_a_port(predictor, limits=small(max_files=5, max_pixels=400 * 400, idle_s=0.5, upload_s=1.5)) as asking:
        yield asking


def kind(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["type"].removeprefix("urn:cxrlens:problem:")


def test_one_file_and_a_whole_request_have_their_limits(api: httpx.Client):
    assert kind(api.post("/v1/predictions", content=b"x" * 200_001)) == (413, "too-large")
    assert kind(api.post("/v1/predictions", content=b"x" * 200_000)) == (415, "no-image")
    large, fits = ("files", ("a", b"x" * 200_001)), ("files", ("a", b"x" * 150_000))
    assert kind(api.post("/v1/predictions", files=[large])) == (413, "too-large")
    assert kind(api.post("/v1/predictions", files=[fits] * 3)) == (413, "too-large")
    assert api.post("/v1/predictions", files=[fits] * 2).status_code == 200
    assert "limit of 200000 bytes" in api.post("/v1/predictions", content=b"x" * 200_001).json()["detail"]
    assert api.service.budget.held == 0


def test_a_thousand_files_at_once_are_one_clear_answer(predictor: Predictor):
    with on_a_port(predictor) as api:
        many = [("files", (f"{i}.png", film(0, 64))) for i in range(1000)]
        answer = api.post("/v1/predictions", files=many)
        assert kind(answer) == (413, "too-many-files")
        assert "64 files" in answer.json()["detail"]
        assert api.post("/v1/predictions", files=many[:64]).status_code == 200
        assert len(api.service.results) == 64


def test_two_gigabytes_that_are_announced_are_refused_before_a_byte_is_sent(api: httpx.Client):
    with plugged(api) as raw:
        raw.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2147483648\r\n"
                    b"Expect: 100-continue\r\n\r\n")  # fmt: skip
        start = time.monotonic()
        said = raw.recv(65536)
        assert time.monotonic() - start < 5
    assert said.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in said


@pytest.mark.parametrize("form", [False, True])
def test_two_gigabytes_that_are_really_streamed_take_no_memory(exported: Path, form: bool):
    chunk = os.urandom(MIB)
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="f.png"\r\n\r\n' if form else b""
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield head
        for _ in range(2048):
            sent += len(chunk)
            yield chunk

    kinds = {"Content-Type": "multipart/form-data; boundary=b"} if form else {}
    with as_process(exported) as (process, address, _said):
        film_sent = httpx.post(f"{address}/v1/predictions", content=film(0), trust_env=False, timeout=60)
        assert film_sent.status_code == 200
        before = memory(process.pid)
        try:
            answer = httpx.post(
                f"{address}/v1/predictions", content=endless(), headers=kinds, trust_env=False, timeout=60
            )
            assert kind(answer) == (413, "too-large")
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            pass  # the server hung up while we were still sending; it may
        assert memory(process.pid) - before < 3 * 64 * MIB, "the limit of one file, with what is in transit"
        again = httpx.post(f"{address}/v1/predictions", content=film(0), trust_env=False, timeout=60)
        assert again.status_code == 200
    assert sent > 64 * MIB


def memory(process: int) -> int:
    """The highest resident size so far, in bytes."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        pytest.skip("needs /proc to see another process's memory")
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) * 1024


def test_a_client_that_is_refused_while_it_sends_still_learns_why(api: httpx.Client):
    with plugged(api) as raw:
        raw.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n")
        for _ in range(20):
            raw.sendall(b"x" * 50_000)
        said = answer_on(raw)
    assert said.startswith(b"HTTP/1.1 413")
    assert b"too-large" in said


@pytest.mark.parametrize("pause", [None, 0.2], ids=["stalls", "trickles"])
def test_a_slow_upload_is_given_up(api: httpx.Client, pause: float | None):
    with plugged(api) as raw:
        raw.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nabc")
        stop = threading.Event()

        def trickle() -> None:
            while pause is not None and not stop.wait(pause):
                try:
                    raw.send(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        start = time.monotonic()
        said = b""
        while b"slow-upload" not in said and (part := raw.recv(65536)):
            said += part
        took = time.monotonic() - start
        stop.set()
        thread.join()
    assert said.startswith(b"HTTP/1.1 408")
    assert b"slow-upload" in said
    assert took < 6
    assert eventually(lambda: api.service.budget.held == 0)


@pytest.mark.parametrize("part", [b"", b"GET /health HTTP/1.1\r\nHo"], ids=["silent", "half a header"])
def test_a_connection_without_a_request_is_given_up(api: httpx.Client, part: bytes):
    with plugged(api) as raw:
        raw.sendall(part)
        start = time.monotonic()
        assert answer_on(raw) == b""
        assert time.monotonic() - start < 4


def test_a_second_request_on_a_connection_may_not_dawdle_either(api: httpx.Client):
    with plugged(api) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        while b'{"status":"ok"}' not in said:
            said += raw.recv(65536)
        raw.sendall(b"GET /health HT")
        start = time.monotonic()
        assert answer_on(raw) == b""
        assert time.monotonic() - start < 4


def test_headers_without_end_are_refused(api: httpx.Client):
    with plugged(api) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"A: " + b"x" * 200_000)
        assert b"HTTP/1.1 400" in answer_on(raw)


def test_a_client_that_does_not_read_its_answer_is_cut_off(predictor: Predictor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cxrlens.serving.web.serve._KEEP_ALIVE_S", 1)
    with on_a_port(predictor, limits=Limits(upload_s=1.0, idle_s=1.0)) as api:
        noise = np.random.default_rng(0).integers(0, 255, (2000, 2000), np.uint8)
        row = api.post("/v1/predictions", content=saved(Image.fromarray(noise), "PNG")).json()["predictions"][0]
        api.close()
        connections = api.server.server_state.connections
        assert eventually(lambda: not connections)
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", api.base_url.port))
            raw.sendall(f"GET /v1/predictions/{row['id']}/pixels HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert eventually(lambda: connections), "it is being answered"
            assert eventually(lambda: not connections, 8), "and not for ever"


def test_all_uploads_together_have_a_limit(predictor: Predictor):
    limits = Limits(max_bytes=100_000, max_body=100_000, in_flight=150_000, idle_s=20)
    with on_a_port(predictor, limits=limits) as api, plugged(api) as raw:
        raw.sendall(
            b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n" + b"x" * 90_000
        )
        assert eventually(lambda: api.service.budget.held == 90_000)
        answer = api.post("/v1/predictions", content=b"x" * 90_000)
        assert kind(answer) == (503, "busy")
        assert answer.headers["retry-after"] == "2"
        raw.close()
        assert eventually(lambda: api.service.budget.held == 0)
        assert api.post("/v1/predictions", content=film(0)).status_code == 200


def test_a_compressed_request_is_not_unpacked(api: httpx.Client):
    packed = zlib.compress(b"\0" * 10_000_000)
    answer = api.post("/v1/predictions", content=packed, headers={"Content-Encoding": "deflate"})
    assert kind(answer) == (415, "content-encoding")


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def test_a_film_at_the_limit_of_pixels_is_taken_and_one_beyond_it_is_not(api: httpx.Client):
    beyond = api.post("/v1/predictions", content=saved(Image.new("L", (401, 400)), "PNG"))
    assert kind(beyond) == (422, "no-image")
    assert "401 x 400 pixels, more than the limit of 0.16 million" in beyond.json()["detail"]
    answer = api.post("/v1/predictions", content=saved(Image.new("L", (400, 400), 90), "PNG"))
    assert answer.json()["predictions"][0]["status"] == "refused", "blank, yet read"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("film.png", "film.png"),
        ("../../etc/passwd", "passwd"),
        (r"C:\Users\me\film.dcm", "film.dcm"),
        ("a\x1b[31mred\r\n.png", "a[31mred.png"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("", "upload"),
        ("/", "upload"),
        ("x" * 5000, "x" * 200),
        ("Röntgen 雪.png", "Röntgen 雪.png"),
    ],
)
def test_a_name_is_said_back_without_what_could_be_obeyed(given: str, kept: str):
    assert clean_name(given) == kept


def test_nothing_is_written_to_the_disk(exported: Path, tmp_path: Path):
    """The process may write no file of a byte or more (RLIMIT_FSIZE), its own output apart, which is a pipe."""
    import subprocess

    from web_server import CXRLENS

    def no_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    known = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path), "MPLCONFIGDIR": str(tmp_path)}
    command = [CXRLENS, "serve", "--model", exported, "--port", "0"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=known, cwd=tmp_path, preexec_fn=no_files
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        address = "http://" + line.partition("http://")[2].split()[0]
        large = saved(Image.fromarray(np.random.default_rng(0).integers(0, 255, (1500, 1500), np.uint8)), "PNG")
        assert len(large) > 2 * MIB, "beyond what a form parser keeps in memory"
        parts = [("files", ("a.png", large)), ("files", ("b.dcm", dicom(0, 1100)))]
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as asking:
            rows = asking.post("/v1/predictions", files=parts).json()["predictions"]
            assert "error" not in [row["status"] for row in rows]
            assert asking.post("/v1/predictions", content=large).status_code == 200
            for row in rows:
                assert asking.get(f"/v1/predictions/{row['id']}/pixels").status_code == 200
            assert asking.get(f"/v1/predictions/{rows[1]['id']}/dicom").status_code == 200
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size] == []
