"""Who may ask, what every answer bears, what is never told; and the command's own mistakes."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import cxrlens
from cxrlens import RESEARCH_ONLY
from cxrlens.commands.serving import serve
from cxrlens.errors import CxrlensError, OptionError
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.options import ServerOptions, is_loopback
from cxrlens.serving.web.safety import host_of
from cxrlens.serving.web.serve import listen, read_token
from web_server import CXRLENS, NAME, TOKEN, as_process, dicom, film, on_a_port, plugged


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return cxrlens.load(exported, threads=1)


@pytest.fixture(scope="module")
def api(predictor: Predictor) -> Iterator[httpx.Client]:
    with on_a_port(predictor) as asking:
        yield asking


@pytest.fixture(scope="module")
def guarded(predictor: Predictor) -> Iterator[httpx.Client]:
    with on_a_port(predictor, token=TOKEN) as asking:
        yield asking


def test_another_host_than_this_machine_demands_a_token():
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.org"):
        with pytest.raises(OptionError, match="--token-file"):
            ServerOptions(host=host)
        assert not ServerOptions(host=host, token=TOKEN).loopback
    for token in ("short", "x" * 15, "x" * 20 + "\n", "Schlüssel" * 4):
        with pytest.raises(OptionError, match="token"):
            ServerOptions(token=token)


WRONG = (None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xff\xfe")


@pytest.mark.parametrize("given", WRONG)
@pytest.mark.parametrize("path", ["/v1/model", "/metrics", "/v1/predictions/x", "/v1/predictions/x/cam", "/v1/nowhere"])
def test_without_the_token_nothing_is_told(guarded: httpx.Client, given: str | None, path: str):
    headers = {} if given is None else {"Authorization": given.encode("latin-1")}
    answer = guarded.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:cxrlens:problem:token"
    assert TOKEN not in answer.text


def test_with_the_token_everything_is_and_the_page_needs_none(guarded: httpx.Client):
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/v1/model", headers=right).status_code == 200
    assert guarded.post("/v1/predictions", content=film(0), headers=right).status_code == 200
    assert guarded.post("/v1/predictions", content=film(0)).status_code == 401
    assert guarded.get("/metrics", headers=right).status_code == 200
    for path in ("/", "/health", "/ready", "/openapi.json"):
        assert guarded.get(path).status_code == 200
    assert guarded.get("/openapi.json").json()["paths"]["/v1/model"]["get"]["security"] == [{"token": []}]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.0.7", "", "[::2]"]
)
def test_a_name_that_was_made_to_point_here_is_not_answered(api: httpx.Client, host: str):
    answer = api.get("/v1/model", headers={"Host": host})
    assert (answer.status_code, answer.json()["type"]) == (421, "urn:cxrlens:problem:host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]", "127.1.2.3"])
def test_this_machines_own_names_are_answered(api: httpx.Client, host: str):
    assert api.get("/v1/model", headers={"Host": host}).status_code == 200


def test_hosts_are_taken_apart_right():
    assert host_of("[::1]:80") == "::1"
    assert host_of("localhost") == "localhost"
    assert is_loopback("127.255.0.1")
    assert not is_loopback("127.evil")


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": "null"},
                                     {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                                     {"Origin": "http://127.0.0.1:1"}])  # fmt: skip
def test_pages_of_other_sites_may_not_ask(api: httpx.Client, headers: dict[str, str]):
    answer = api.post("/v1/predictions", content=film(0), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:cxrlens:problem:cross-site")


def test_its_own_page_may_ask(api: httpx.Client):
    own = {"Origin": str(api.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    assert api.post("/v1/predictions", content=film(0), headers=own).status_code == 200


def test_every_answer_bears_the_policy_and_none_tells_what_runs_here(api: httpx.Client):
    for answer in (
        api.get("/"), api.get("/v1/model"), api.get("/nowhere"), api.put("/v1/model"), api.get("/health"),
        api.post("/v1/predictions", content=b"text"), api.get("/", headers={"Host": "evil.example"}),
    ):  # fmt: skip
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
        assert "uvicorn" not in answer.text.lower()


def test_too_many_requests_at_one_time_are_told_to_come_back(predictor: Predictor):
    from cxrlens.serving.web.options import Limits

    with on_a_port(predictor, limits=Limits(max_requests=1, idle_s=20)) as api, plugged(api) as raw:
        raw.sendall(b"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
        import time

        time.sleep(0.2)
        answer = api.get("/v1/model")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert api.get("/health").status_code == 200


def test_nothing_of_a_patient_is_ever_logged(exported: Path):
    """Names in the file, in its name, in the query, in the path, in broken values that libraries warn of."""
    first, last = NAME.split("^")[1], NAME.split("^")[0]
    odd = dicom(1)
    odd = odd.replace(b"20240102", b"NaChtiga", 1)
    broken = dicom(0).replace(b"PAT-4711", b"\xffAT-4711", 1)[:-400]
    with as_process(exported) as (process, address, said):
        with httpx.Client(base_url=address, trust_env=False, timeout=60) as asking:
            ids = []
            for data in (dicom(0), odd, broken, b"text of " + last.encode()):
                answer = asking.post(
                    f"/v1/predictions?{last}={first}", files=[("files", (f"{last}_{first}.dcm", data))]
                )
                ids += [row["id"] for row in answer.json().get("predictions", ())]
            assert len(ids) >= 2
            for part in ("", "/cam", "/pdf", "/dicom", "/pixels", f"/cam?target={last}"):
                asking.get(f"/v1/predictions/{ids[0]}{part}")
            asking.get(f"/{last}/{first}")
            asking.get("/v1/predictions/PAT-4711")
            asking.post("/v1/predictions", content=b"x", headers={"Content-Type": f"multipart/{last}"})
            metrics = asking.get("/metrics").text
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as raw:
            raw.sendall(f"{last} {first}\r\n\r\n".encode())
            raw.recv(1000)
        process.terminate()
        assert process.wait(30) == 0
        text = said.read_text()
    assert text.count("POST /v1/predictions 200") >= 2
    assert "GET /v1/predictions/{id}/cam 200" in text
    for secret in (last, first, "4711", "NaChtiga", *ids):
        assert secret.lower() not in (text + metrics).lower(), secret


def test_a_fault_is_logged_by_its_place_and_without_its_words(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def failing(*_given: object) -> None:
        raise RuntimeError(f"about {NAME}")

    monkeypatch.setattr("cxrlens.serving.web.predictions.pdf_page", failing)
    with caplog.at_level(logging.DEBUG), on_a_port(predictor) as api:
        (row,) = api.post("/v1/predictions", content=film(0)).json()["predictions"]
        answer = api.get(f"/v1/predictions/{row['id']}/pdf")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:cxrlens:problem:internal")
    assert "RuntimeError" in caplog.text
    assert "failing" in caplog.text
    assert NAME not in caplog.text + answer.text


# --- the command


def command(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    known = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [CXRLENS, "serve", *map(str, words)], capture_output=True, text=True, timeout=60, check=False, env=known
    )


def test_the_token_may_come_from_a_file_or_from_the_environment(exported: Path, tmp_path: Path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert read_token(tmp_path / "token") == TOKEN
    with as_process(exported, CXRLENS_TOKEN=TOKEN) as (process, address, said):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
        assert RESEARCH_ONLY in said.read_text()
        assert len(said.read_text().strip().splitlines()) == 1
        assert httpx.get(f"{address}/v1/model", trust_env=False).status_code == 401
        assert httpx.get(f"{address}/v1/model", headers=right, trust_env=False).status_code == 200
        process.terminate()
        assert process.wait(30) == 0
        assert TOKEN not in said.read_text()


def test_mistakes_are_one_line_and_exit_code_2(exported: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("--model", exported, "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: 127.0.0.1:{port}: cannot be listened on")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"host": "0.0.0.0"}, "--token-file"),
        ({"token_file": Path("no such file")}, "no such file: cannot be read"),
        ({"model": Path("nowhere")}, "does not exist"),
        ({"port": 99999}, "is no port"),
        ({"queue": 0}, "is too small"),
        ({"max_mib": -1}, "is too small"),
        ({"engine": "steam"}, "is not known"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_served(
    exported: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], part: str
):
    monkeypatch.delenv("CXRLENS_TOKEN", raising=False)
    with pytest.raises(CxrlensError, match=part):
        serve(**{"model": exported, "host": "127.0.0.1", "port": 0, "token_file": None, **options})


def test_an_altered_model_is_not_served(copied: Path):
    with (copied / "model.onnx").open("ab") as file:
        file.write(b"!")
    with pytest.raises(CxrlensError, match="was altered"):
        serve(copied, "127.0.0.1", 0, None)


def test_an_empty_token_file_is_no_token(tmp_path: Path):
    (tmp_path / "token").write_text(" \n")
    with pytest.raises(CxrlensError, match="holds no token"):
        read_token(tmp_path / "token")


def test_the_address_of_another_machine_is_one_line():
    with pytest.raises(CxrlensError, match=r"192\.0\.2\.1:0: cannot be listened on"):
        listen(ServerOptions(host="192.0.2.1", port=0, token=TOKEN))


def test_options_do_not_show_the_token():
    assert TOKEN not in repr(ServerOptions(token=TOKEN))
