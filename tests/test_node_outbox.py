"""Results on their way to the archive: whatever it says or does, each result arrives once or is written down."""

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
from pydicom.uid import ComputedRadiographyImageStorage, ImplicitVRLittleEndian
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import CTImageStorage

from cxrlens.errors import OptionError
from cxrlens.serving.node.checkpoint import Checkpoint
from cxrlens.serving.node.errors import ArchiveDownError
from cxrlens.serving.node.ledger import count_states
from cxrlens.serving.node.node import NodeOptions, archive_of
from cxrlens.serving.node.outbox import Outbox, Patience
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.spread import Spread
from cxrlens.serving.node.states import Outcome
from cxrlens.serving.node.storing import Peer, StoreArchive, outcome_of
from cxrlens.serving.node.stow import StowArchive
from cxrlens.serving.node.tally import Tally
from cxrlens.serving.node.web_client import TOKEN_VARIABLE, connect
from node_peers import CountingArchive, file_bytes, free_port, phantom_dataset, wait_for

QUICK = Patience(0.05, 0.2, 0.2)


@pytest.fixture
def queue(tmp_path):
    made = Queue(tmp_path / "queue", "ab" * 32)
    yield made
    made.close()


def fill(queue: Queue, images: int, parts: int = 2) -> list[list[str]]:
    """Judged images; the UIDs of their results."""
    uids = []
    for number in range(images):
        queue.accept(str(number), b"image")
        (image,) = queue.take(1)
        results = [phantom_dataset(1000 + 10 * number + part) for part in range(parts)]
        queue.judged({image: [file_bytes(result) for result in results]})
        uids.append([str(result.SOPInstanceUID) for result in results])
    return uids


@contextmanager
def sending(queue: Queue, archive):
    outbox = Outbox(queue, archive, Tally(), QUICK)
    outbox.start()
    try:
        yield outbox
    finally:
        outbox.stop()


def got(archive: CountingArchive) -> Counter:
    return Counter(str(each.SOPInstanceUID) for each in archive.got)


def test_an_archive_that_is_down_gets_everything_once_when_it_is_up(queue):
    uids = fill(queue, 3)
    archive = CountingArchive()
    with sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")) as outbox:
        wait_for(lambda: outbox.failures > 1)
        assert count_states(queue.folder)["judged"] == 3
        with archive.running():
            wait_for(lambda: not queue.waiting())
            assert outbox.error is None
    assert got(archive) == Counter(uid for each in uids for uid in each)
    assert count_states(queue.folder)["delivered"] == 3


def test_an_archive_that_aborts_on_one_image_gets_the_others(queue):
    uids = fill(queue, 4, parts=1)
    poison = uids[1][0]
    archive = CountingArchive(lambda event: None if event.request.AffectedSOPInstanceUID == poison else 0)
    with archive.running(), sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")):
        wait_for(lambda: queue.waiting() == 1)
    assert got(archive) == Counter(uid for (uid,) in uids if uid != poison)


def test_an_archive_that_aborts_between_the_parts_is_not_sent_the_first_again(queue):
    ((first, second),) = fill(queue, 1)
    calls = Counter()

    def say(event):
        calls[event.request.AffectedSOPInstanceUID] += 1
        return None if event.request.AffectedSOPInstanceUID == second and calls[second] == 1 else 0

    with CountingArchive(say).running() as archive:
        with sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")):
            wait_for(lambda: not queue.waiting())
        assert calls == {first: 1, second: 2}
        assert got(archive) == Counter([first, second])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.TAKEN),
        (0xB000, Outcome.TAKEN),
        (0xB007, Outcome.TAKEN),
        (0x0107, Outcome.TAKEN),
        (0x0111, Outcome.TAKEN),
        (0xA700, Outcome.LATER),
        (0xA7FF, Outcome.LATER),
        (0x0110, Outcome.LATER),
        (0x0124, Outcome.LATER),
        (0x0122, Outcome.REFUSED),
        (0xA900, Outcome.REFUSED),
        (0xC123, Outcome.REFUSED),
        (0x0117, Outcome.REFUSED),
    ],
)
def test_what_each_status_means(status, outcome):
    assert outcome_of(status) is outcome


@pytest.mark.parametrize(("statuses", "state"), [((0xA900, 0), "failed"), ((0, 0xA900), "delivered")])
def test_a_refusal_is_written_down_and_stops_nothing(queue, statuses, state):
    (parts,) = fill(queue, 1)
    said = dict(zip(parts, statuses, strict=True))
    archive = CountingArchive(lambda event: said[event.request.AffectedSOPInstanceUID])
    with archive.running(), sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")):
        wait_for(lambda: not queue.waiting())
    assert count_states(queue.folder)[state] == 1
    ((note,),) = queue._ledger.read("SELECT note FROM images")
    assert f"part {statuses.index(0xA900)} refused with status 0xA900" in note
    assert not list(queue.folder.glob("results/*"))


def test_out_of_resources_is_asked_again(queue):
    ((uid,),) = fill(queue, 1, parts=1)
    answers = iter([0xA700, 0xA700])
    with CountingArchive(lambda _: next(answers, 0)).running() as archive:
        with sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")):
            wait_for(lambda: not queue.waiting())
        assert got(archive) == Counter([uid])


def test_an_archive_that_knows_implicit_vr_alone_is_written_to_so(queue):
    ((uid,),) = fill(queue, 1, parts=1)
    with CountingArchive(
        contexts=[build_context(ComputedRadiographyImageStorage, ImplicitVRLittleEndian)]
    ).running() as archive:
        with sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")):
            wait_for(lambda: not queue.waiting())
        (taken,) = archive.got
        assert taken.SOPInstanceUID == uid
        assert taken.PixelData == phantom_dataset(1000).PixelData


def test_no_answer_is_lost_where_other_threads_keep_the_cpu_busy():
    """Against the library's race: its own thread, one round late, took the answer and dropped it. A checkpoint that is
    asked to hold returns when the thread stands there, whatever the two do in between."""
    gate = Checkpoint(lambda: True)
    passing, rounds = threading.Event(), []
    stop = False

    def reactor() -> None:
        while not stop:
            gate.wait()
            passing.set()
            rounds.append(1)
            passing.clear()

    thread = threading.Thread(target=reactor, daemon=True)
    thread.start()
    for _ in range(300):
        gate.clear()
        before = len(rounds)
        assert not passing.is_set()
        time.sleep(0.0002)
        assert len(rounds) == before  # not one round more
        gate.set()
    stop = True
    thread.join(5)
    assert not thread.is_alive()
    Checkpoint(lambda: False).clear()  # a thread that has ended is not waited for


def test_files_that_somebody_took_away_stop_nothing(queue):
    uids = fill(queue, 3)
    (parcel, *_) = queue.outgoing(1)
    parcel.parts[0].unlink()
    with CountingArchive().running() as archive:
        with sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")):
            wait_for(lambda: not queue.waiting())
        assert set(got(archive)) >= {uid for each in uids[1:] for uid in each}
    assert count_states(queue.folder) == {"received": 0, "judged": 0, "delivered": 2, "failed": 1}


def test_several_ways_to_one_archive_deliver_each_result_once_and_their_errors_are_told(queue):
    uids = fill(queue, 9)
    poison = uids[4][1]
    archive = CountingArchive(lambda event: None if event.request.AffectedSOPInstanceUID == poison else 0)
    with archive.running():
        outbox = Outbox(queue, Spread(StoreArchive(Peer.parse(archive.peer), "CXRLENS"), 4), Tally(), QUICK)
        with pytest.raises(ArchiveDownError, match="ended the association"):
            outbox.step()
        expected = Counter(uid for each in uids for uid in each if uid != poison)

        def delivered() -> bool:
            with suppress(ArchiveDownError):  # the poison's time may come again, and it ends an association again
                outbox.step()
            return got(archive) == expected and len(queue.outgoing(9, now=1e12)) == 1

        wait_for(delivered)
    assert got(archive) == expected


def test_an_archive_that_takes_no_such_thing_keeps_results_waiting(queue):
    fill(queue, 1)
    archive = CountingArchive(contexts=[build_context(CTImageStorage)])
    with archive.running(), sending(queue, StoreArchive(Peer.parse(archive.peer), "CXRLENS")) as outbox:
        wait_for(lambda: outbox.failures)
        assert "takes none" in str(outbox.error)
    assert queue.waiting() == 1


@pytest.mark.parametrize(
    "text", ["", "ORTHANC", "ORTHANC@host", "@host:1", "A@host:x", "A@:1", "A@host:70000", "A" * 17 + "@h:1"]
)
def test_what_is_no_peer_is_one_line(text):
    with pytest.raises(OptionError):
        Peer.parse(text)


def test_exactly_one_archive_must_be_named(tmp_path):
    for options in (NodeOptions(tmp_path), NodeOptions(tmp_path, send="A@b:1", stow="http://b/")):
        with pytest.raises(OptionError, match="--send and --stow"):
            archive_of(options, "CXRLENS")
    assert str(Peer.parse("ORTHANC@[::1]:4242")) == "ORTHANC@::1:4242"


class WebArchive:
    """Answers STOW-RS as told."""

    def __init__(self, *answers) -> None:
        self.answers, self.bodies, self.headers = list(answers), [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = b""
                if "Content-Length" in self.headers:
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append(body)
                outer.headers.append(dict(self.headers))
                code, value = outer.answers.pop(0) if outer.answers else (200, {})
                data = value if isinstance(value, bytes) else json.dumps(value).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/dicom+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/dicom-web"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def stow_answer(stored=(), failed=()):
    """A Store Instances Response as DICOM JSON (PS3.18 annex F and section I.2)."""

    def item(uid, reason=None):
        value = {
            "00081155": {"vr": "UI", "Value": [uid]},
            "00081150": {"vr": "UI", "Value": [ComputedRadiographyImageStorage]},
        }
        return value if reason is None else {**value, "00081197": {"vr": "US", "Value": [reason]}}

    answer = {}
    if stored:
        answer["00081199"] = {"vr": "SQ", "Value": [item(uid) for uid in stored]}
    if failed:
        answer["00081198"] = {"vr": "SQ", "Value": [item(*each) for each in failed]}
    return answer


def run_stow(queue: Queue, *answers) -> WebArchive:
    with WebArchive(*answers) as archive, sending(queue, StowArchive(archive.url)):
        wait_for(lambda: not queue.waiting())
    return archive


def test_stow_sends_the_results_of_an_image_together(queue, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "secret")
    ((first, second),) = fill(queue, 1)
    archive = run_stow(queue, (200, stow_answer([first, second])))
    (body,), (headers,) = archive.bodies, archive.headers
    assert body.count(b"DICM") == 2
    assert first.encode() in body
    assert headers["Authorization"] == "Bearer secret"
    assert 'type="application/dicom"' in headers["Content-Type"]
    assert count_states(queue.folder)["delivered"] == 1


@pytest.mark.parametrize("code", [202, 409])
def test_stow_tells_failures_of_each_instance(queue, code):
    ((first, second),) = fill(queue, 1)
    answer = (
        stow_answer([first], [(second, 0xA900)])
        if code == 202
        else stow_answer(failed=[(first, 0xC000), (second, 0xA900)])
    )
    archive = run_stow(queue, (code, answer))
    assert len(archive.bodies) == 1
    assert count_states(queue.folder)["delivered" if code == 202 else "failed"] == 1


def test_stow_asks_again_for_what_may_pass(queue):
    ((first, second),) = fill(queue, 1)
    archive = run_stow(
        queue, (503, {}), (500, b"oops"), (200, stow_answer([first], [(second, 0xA700)])), (200, stow_answer([second]))
    )
    assert [body.count(b"DICM") for body in archive.bodies] == [2, 2, 2, 1]
    assert count_states(queue.folder)["delivered"] == 1


@pytest.mark.parametrize("code", [400, 413, 415])
def test_stow_writes_down_what_will_never_be_taken(queue, code):
    fill(queue, 1)
    run_stow(queue, (code, {}))
    assert count_states(queue.folder)["failed"] == 1


@pytest.mark.parametrize("answer", [(401, {}), (404, {}), (200, b"<html>no archive</html>"), (200, b"x" * (17 << 20))])
def test_stow_waits_where_something_must_be_mended(queue, answer):
    fill(queue, 1)
    with WebArchive(*[answer] * 1000) as archive, sending(queue, StowArchive(archive.url)) as outbox:
        wait_for(lambda: outbox.failures > 1)
        assert "\n" not in str(outbox.error)
    assert count_states(queue.folder)["judged"] == 1


def test_nothing_listens(queue):
    fill(queue, 1)
    outbox = Outbox(queue, StowArchive(f"http://127.0.0.1:{free_port()}/dicom-web"), Tally(), QUICK)
    with pytest.raises(ArchiveDownError, match="does not answer"):
        outbox.step()


@pytest.mark.parametrize(
    "url", ["", "ftp://host", "host:80", "http://", "http://user:secret@host/x", "http://host/x?y=1"]
)
def test_what_is_no_url_is_one_line_and_tells_no_secret(url):
    with pytest.raises(OptionError) as caught:
        connect(url, 1)
    assert "secret" not in str(caught.value)
