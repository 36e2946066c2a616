"""Under load: micro-batches, a bounded queue, deadlines, clients that leave, a graceful end."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import cxrlens
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.engine import Engine
from cxrlens.serving.web.metrics import Metrics
from cxrlens.serving.web.options import Keep, ServerOptions
from cxrlens.serving.web.problems import Problem
from cxrlens.serving.web.results import Result, Results
from cxrlens.serving.web.uploads import Upload
from web_server import Held, answer_on, as_process, eventually, film, on_a_port, plugged


@pytest.fixture(scope="module")
def predictor(exported: Path) -> Predictor:
    return cxrlens.load(exported, threads=1)


def send(api: httpx.Client, data: bytes) -> httpx.Response:
    return httpx.post(f"{api.base_url}/v1/predictions", content=data, timeout=60, trust_env=False)


def test_together_gives_the_same_bytes_as_one_by_one(predictor: Predictor):
    data = [film(number) for number in range(8)]
    alone = [predictor(each).to_dict() for each in data]
    held = Held(predictor)
    with on_a_port(held, batch=4) as api, ThreadPoolExecutor(9) as pool:
        first = pool.submit(send, api, data[0])
        assert held.entered.wait(10)  # judging is busy, so the others gather
        rest = [pool.submit(send, api, each) for each in data]
        assert eventually(lambda: api.service.engine._ready.qsize() == 8 or api.service.engine.waiting == 9)
        assert eventually(lambda: not api.service.engine._decoding or api.service.engine._ready.qsize() >= 4)
        held.go.set()
        found = [job.result().json()["predictions"][0] for job in rest]
        assert first.result().status_code == 200
    assert max(held.batches) == 4, "nothing was judged together"
    for row, expected in zip(found, alone, strict=True):
        assert {n: v for n, v in row.items() if n not in ("id", "cam", "image")} == {
            n: v for n, v in expected.items() if n not in ("cam", "image")
        }


def test_a_full_queue_is_told_with_a_time_to_come_back_and_nothing_is_lost(predictor: Predictor):
    held = Held(predictor)
    with on_a_port(held, queue=3, batch=1) as api, ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(send, api, film(0)) for _ in range(3)]
        assert eventually(lambda: api.service.engine.waiting == 3)
        assert api.get("/ready").status_code == 503
        assert api.get("/health").status_code == 200, "alive, though full"
        refused = [pool.submit(send, api, film(0)).result() for _ in range(4)]
        for answer in refused:
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:cxrlens:problem:queue-full"
            assert 1 <= int(answer.headers["retry-after"]) <= 60
        held.go.set()
        assert [job.result().status_code for job in waiting] == [200] * 3
        assert send(api, film(0)).status_code == 200, "there is room again"
        assert api.get("/ready").status_code == 200
        assert 'cxrlens_problems_total{kind="queue-full"} 5.0' in api.get("/metrics").text
        assert api.service.budget.held == 0


def test_more_files_than_the_queue_ever_holds_are_refused_for_good(predictor: Predictor):
    with on_a_port(predictor, queue=3) as api:
        answer = api.post("/v1/predictions", files=[("files", ("a.png", film(0)))] * 4)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:cxrlens:problem:too-many-files")
    assert "retry-after" not in answer.headers


def test_what_is_not_answered_in_time_is_told_and_dropped(predictor: Predictor):
    held = Held(predictor)
    with on_a_port(held, deadline_s=0.4, batch=1) as api, ThreadPoolExecutor(4) as pool:
        answers = [job.result() for job in [pool.submit(send, api, film(0)) for _ in range(4)]]
        assert {answer.status_code for answer in answers} == {504}
        assert answers[0].json()["type"] == "urn:cxrlens:problem:deadline"
        held.go.set()
        assert eventually(lambda: api.service.engine.waiting == 0)
        assert len(held.batches) == 1, "only the film that was being judged already"
        assert api.post("/v1/predictions", content=film(0)).status_code == 200


def test_a_client_that_leaves_while_it_waits_costs_nothing(predictor: Predictor):
    held = Held(predictor)
    with on_a_port(held, batch=1) as api:
        keeper = threading.Thread(target=send, args=(api, film(0)))
        keeper.start()
        assert held.entered.wait(10)
        for _ in range(5):
            with plugged(api) as raw:
                data = film(1)
                head = f"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
                raw.sendall(head.encode() + data)
                assert eventually(lambda: api.service.engine.waiting >= 2)
        time.sleep(0.2)
        held.go.set()
        keeper.join()
        assert eventually(lambda: api.service.engine.waiting == 0)
        assert held.batches == [1], "films were judged for nobody"
        assert len(api.service.results) == 1
        assert api.service.budget.held == 0


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_an_upload_that_breaks_off_leaves_nothing_behind(predictor: Predictor, share: float):
    data = film(0)
    with on_a_port(predictor) as api:
        for how in (f"Content-Length: {len(data)}", "Transfer-Encoding: chunked"):
            with plugged(api) as raw:
                raw.sendall(f"POST /v1/predictions HTTP/1.1\r\nHost: localhost\r\n{how}\r\n\r\n".encode())
                part = data[: int(len(data) * share)]
                raw.sendall(part if "Length" in how else b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
        assert api.post("/v1/predictions", content=data).status_code == 200
        assert eventually(lambda: api.service.budget.held == 0)
        assert api.service.engine.waiting == 0
        assert len(api.service.results) == 1
        assert api.get("/metrics").text.count("cxrlens_faults_total 0.0") == 1


def test_one_film_that_fails_does_not_take_the_others_with_it(predictor: Predictor):
    class Failing(Held):
        def judge_with_films(self, radiographs):
            if any(radiograph.pixels[0, 0] == 1.0 for radiograph in radiographs):
                raise RuntimeError("Nachtigall")
            return self.predictor.judge_with_films(radiographs)

    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("L", (64, 64), 255).save(buffer, "PNG")
    with on_a_port(Failing(predictor)) as api:
        parts = [("files", ("f.png", data)) for data in (film(0), buffer.getvalue(), film(1))]
        rows = api.post("/v1/predictions", files=parts).json()["predictions"]
        assert [row["status"] == "error" for row in rows] == [False, True, False]
        alone = api.post("/v1/predictions", content=buffer.getvalue())
        assert (alone.status_code, alone.json()["type"]) == (500, "urn:cxrlens:problem:internal")
        assert "Nachtigall" not in alone.text
        assert "cxrlens_faults_total 2.0" in api.get("/metrics").text
        assert api.get("/ready").status_code == 200


def test_a_decoder_that_fails_in_an_unforeseen_way_is_an_unreadable_file(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
):
    def failing(*_given: object) -> None:
        raise RecursionError

    monkeypatch.setattr("cxrlens.serving.web.engine.decode_radiograph", failing)
    with on_a_port(predictor) as api:
        answer = api.post("/v1/predictions", content=film(0))
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:cxrlens:problem:no-image")
        assert "cannot be decoded (RecursionError); convert it" in answer.json()["detail"]
        assert "cxrlens_faults_total 1.0" in api.get("/metrics").text


def test_the_time_to_come_back_follows_the_rate(predictor: Predictor):
    engine = Engine(predictor, ServerOptions(queue=100), Metrics())
    engine.waiting = 100
    slow, fast = [time.monotonic() - 10 + i for i in range(10)], [time.monotonic() - 1 + i / 100 for i in range(100)]
    engine._done.extend(slow)
    later = engine.retry_after()
    engine._done.clear()
    engine._done.extend(fast)
    assert 40 <= later <= 60
    assert engine.retry_after() == 1
    engine.close()


def test_a_queue_that_is_full_takes_none_of_several(predictor: Predictor):
    async def crowd() -> None:
        engine = Engine(predictor, ServerOptions(queue=2), Metrics())
        engine.start()
        engine.admit([Upload("a", film(0))])
        with pytest.raises(Problem) as refused:
            engine.admit([Upload("b", film(0))] * 2)
        assert refused.value.status == 503
        assert engine.waiting == 1
        await asyncio.to_thread(engine.close)
        await asyncio.sleep(0.01)
        assert engine.waiting == 0

    asyncio.run(crowd())


def result(predictor: Predictor, size: int = 0) -> Result:
    prediction = predictor(film(0))
    return Result(prediction, source=b"x" * size)


def test_results_are_bounded_by_number_bytes_and_time(predictor: Predictor):
    now = [0.0]
    kept = Results(Keep(minutes=1, count=3, max_bytes=300_000), clock=lambda: now[0])
    some = [result(predictor) for _ in range(5)]
    for each in some:
        kept.add(each)
    assert len(kept) == 3
    for each in some[:2]:
        with pytest.raises(Problem) as gone:
            kept.get(each.id)
        assert gone.value.status == 410
    kept.add(result(predictor, 270_000))
    assert kept.bytes <= 300_000
    assert len(kept) < 3
    now[0] = 61.0
    kept.sweep()
    assert (len(kept), kept.bytes) == (0, 0)
    kept.add(result(predictor, 400_000))
    assert kept.bytes == 0, "one that never fits is not kept"


def test_old_results_go_without_anybody_asking(predictor: Predictor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cxrlens.serving.web.app._SWEEP_S", 0.05)
    with on_a_port(predictor, keep=Keep(minutes=0.2 / 60)) as api:
        api.post("/v1/predictions", content=film(0))
        assert eventually(lambda: len(api.service.results._kept) == 0)


def test_a_server_that_is_told_to_stop_answers_what_it_let_in(exported: Path):
    with as_process(exported, "--batch", "1") as (process, address, said):
        with ThreadPoolExecutor(24) as pool:
            data = film(0, 512)
            asked = [
                pool.submit(httpx.post, f"{address}/v1/predictions", content=data, timeout=60, trust_env=False)
                for _ in range(24)
            ]
            assert eventually(lambda: said.read_text().count("POST") >= 2, 30)
            process.send_signal(signal.SIGTERM)
            answers = []
            for job in asked:
                try:
                    answers.append(job.result().status_code)
                except httpx.ConnectError:
                    answers.append(0)  # came after the door was shut
        assert process.wait(30) == 0
        assert set(answers) <= {200, 0}
        assert answers.count(200) >= 3
        assert "Traceback" not in said.read_text()


def test_a_bare_connection_is_answered_and_closed_when_it_speaks_no_http(predictor: Predictor):
    with on_a_port(predictor) as api, plugged(api) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello over TLS\r\n\r\n")
        said = answer_on(raw)
        assert said.startswith(b"HTTP/1.1 400")
        assert b"application/problem+json" in said
