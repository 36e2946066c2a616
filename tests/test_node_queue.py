"""The node's queue: what was accepted is there after a kill at any step, and is answered once."""

import os
import shutil
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
from cxrlens.serving.node import queue as queue_module
from cxrlens.serving.node.errors import NodeError
from cxrlens.serving.node.files import Store
from cxrlens.serving.node.ledger import STATES, count_states
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.states import Accepted, Outcome, Room

MODEL, OTHER_MODEL = "ab" * 32, "cd" * 32


@pytest.fixture
def queue(tmp_path: Path):
    made = Queue(tmp_path / "queue", MODEL)
    yield made
    made.close()


def kill(queue: Queue) -> Path:
    """What a kill -9 leaves: the folder as it lies there, opened by nobody. The copy is what the next start finds."""
    after = queue.folder.with_name(f"{queue.folder.name}-{time.monotonic_ns()}")
    shutil.copytree(queue.folder, after)
    return after


def held(folder: Path) -> list[str]:
    return [f"{name}/{file}" for name in ("incoming", "results") for file in os.listdir(folder / name)]


def judge(queue: Queue) -> None:
    """A result is made of the image, which must be there for it."""
    queue.judged({image: [b"report on " + queue.source(image), b"picture"] for image in queue.take(10)})


def deliver(queue: Queue, outcome: Outcome = Outcome.TAKEN) -> list[str]:
    return [queue.settle(p, dict.fromkeys(p.parts, outcome), later_s=0) for p in queue.outgoing(10)]


def test_an_image_goes_through_its_states_and_leaves_nothing_on_the_disk(queue):
    assert queue.accept("1.2.3", b"image") is Accepted.NEW
    assert count_states(queue.folder) == {"received": 1, "judged": 0, "delivered": 0, "failed": 0}
    (image,) = queue.take(4)
    assert queue.source(image) == b"image"
    assert queue.take(4) == []  # it is handed out once
    queue.judged({image: [b"report", b"picture"]})
    (parcel,) = queue.outgoing(4)
    assert [path.read_bytes() for path in parcel.parts.values()] == [b"report", b"picture"]
    assert queue.settle(parcel, dict.fromkeys(parcel.parts, Outcome.TAKEN)) == "delivered"
    assert held(queue.folder) == []
    assert queue.outgoing(4) == []
    assert queue.waiting() == 0


def test_the_same_image_again_is_one_answer_at_every_state(queue):
    queue.accept("1.2.3", b"image")
    for step in (lambda: None, lambda: judge(queue), lambda: deliver(queue)):
        step()
        assert queue.accept("1.2.3", b"image") is Accepted.AGAIN
        assert queue.accept("1.2.3", b"another image") is Accepted.OTHER
    assert queue.waiting() == 0


def test_another_model_answers_an_answered_image_anew(queue, tmp_path):
    queue.accept("1.2.3", b"image")
    judge(queue)
    deliver(queue)
    folder = kill(queue)
    upgraded = Queue(folder, OTHER_MODEL)
    assert not upgraded.answered("1.2.3")
    assert upgraded.accept("1.2.3", b"image") is Accepted.NEW
    upgraded.close()


def test_a_failed_image_may_be_sent_again(queue):
    queue.accept("1.2.3", b"image")
    queue.failed(queue.take(1)[0], "no report can be made")
    assert held(queue.folder) == []
    assert queue.accept("1.2.3", b"image") is Accepted.NEW


def test_an_image_without_its_report_is_not_answered_and_one_without_a_picture_is(queue):
    for uid in ("1", "2"):
        queue.accept(uid, b"image")
    judge(queue)
    first, second = queue.outgoing(2)
    assert queue.settle(first, {0: Outcome.REFUSED, 1: Outcome.TAKEN}, "part 0 refused") == "failed"
    assert queue.settle(second, {0: Outcome.TAKEN, 1: Outcome.REFUSED}, "part 1 refused") == "delivered"
    assert held(queue.folder) == []


def test_what_the_archive_puts_off_waits_and_what_it_took_is_not_sent_again(queue):
    queue.accept("1", b"image")
    judge(queue)
    (parcel,) = queue.outgoing(1)
    assert queue.settle(parcel, {0: Outcome.TAKEN, 1: Outcome.LATER}, later_s=60) == "judged"
    assert queue.outgoing(1) == []
    (rest,) = queue.outgoing(1, now=1e12)
    assert list(rest.parts) == [1]
    assert len(held(queue.folder)) == 1
    assert queue.settle(rest, {1: Outcome.TAKEN}) == "delivered"


def test_the_folder_is_its_owners_alone_and_tells_nothing(queue):
    uid, name = "1.2.840.99999.7.1", b"Doe^Jane"
    queue.accept(uid, name)
    for path in [queue.folder, *queue.folder.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
        assert uid not in path.name
    for database in queue.folder.glob("queue.sqlite3*"):
        assert uid.encode() not in database.read_bytes()
        assert name not in database.read_bytes()


def test_a_second_queue_on_one_folder_is_refused_in_one_line(queue):
    with pytest.raises(NodeError, match="is used by another node") as caught:
        Queue(queue.folder, MODEL)
    assert "\n" not in str(caught.value)
    assert queue.accept("1", b"image") is Accepted.NEW  # the first one is not disturbed


@pytest.mark.parametrize("what", ["a folder of somebody's", "a torn database", "another version", "a file"])
def test_what_is_no_queue_is_refused_and_left_alone(tmp_path, what):
    folder = tmp_path / "queue"
    if what == "a file":
        folder.write_text("hello")
    else:
        folder.mkdir()
        (folder / ("thesis.txt" if what == "a folder of somebody's" else "queue.sqlite3")).write_text("hello" * 100)
    if what == "another version":
        (folder / "queue.sqlite3").unlink()
        Queue(folder, MODEL).close()
        with sqlite3.connect(folder / "queue.sqlite3") as connection:
            connection.execute("UPDATE about SET value = 99 WHERE name = 'format'")
        connection.close()
    with pytest.raises(NodeError):
        Queue(folder, MODEL)
    with pytest.raises(NodeError):  # and the lock was let go of, or this were another line
        Queue(folder, MODEL)


def test_a_full_queue_or_disk_takes_nothing(tmp_path, monkeypatch):
    small = Queue(tmp_path / "small", MODEL, Room(images=1))
    assert small.accept("1", b"image") is Accepted.NEW
    assert small.accept("2", b"image") is Accepted.FULL
    assert small.accept("1", b"image") is Accepted.AGAIN  # what is here needs no room
    small.close()
    full = Queue(tmp_path / "full", MODEL, Room(keep_free=1 << 60))
    assert full.accept("1", b"image") is Accepted.FULL
    full.close()
    torn = Queue(tmp_path / "torn", MODEL)

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(queue_module.os, "fsync", no_space)
    assert torn.accept("1", b"image") is Accepted.FULL
    monkeypatch.undo()
    assert held(torn.folder) == []
    assert torn.accept("1", b"image") is Accepted.NEW
    torn.close()


def test_what_is_acknowledged_was_flushed_file_name_and_row(queue, monkeypatch):
    """A kill spares what the system holds in memory, a loss of power does not: that each is flushed must be seen."""
    flushed, real = [], os.fsync

    def fsync(handle: int) -> None:
        flushed.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else os.fstat(handle).st_size)
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    queue.accept("1.2.3", b"image")
    assert flushed == [len(b"image"), "folder"]
    flushed.clear()
    judge(queue)
    assert flushed == [len(b"report on image"), len(b"picture"), "folder"]
    assert queue._ledger.read("PRAGMA synchronous") == [(2,)]  # FULL
    assert queue._ledger.read("PRAGMA journal_mode") == [("wal",)]


def test_an_image_that_was_begun_twice_is_judged_alone(queue):
    for uid in "12345":
        queue.accept(uid, b"image")
    folder = queue.folder
    for _ in range(2):  # killed while the first two were judged
        assert len(queue.take(2)) == 2
        queue.close()
        queue.__init__(folder, MODEL)
    sizes = []
    while images := queue.take(4):
        sizes.append([image.attempts for image in images])
    assert sizes == [[2], [2], [0, 0, 0]]


def test_images_given_back_are_not_held_against(queue):
    queue.accept("1", b"image")
    for _ in range(9):
        (image,) = queue.take(1)
        assert image.attempts == 0
        queue.give_back([image])


def test_large_images_are_taken_few_at_once(queue):
    for uid in "123":
        queue.accept(uid, bytes(1000))
    assert [len(queue.take(3, most_bytes=1500)) for _ in range(4)] == [1, 1, 1, 0]


def test_two_senders_of_one_image_at_once_are_one_answer(queue):
    said, barrier = [], threading.Barrier(8)

    def send() -> None:
        barrier.wait()
        said.append(queue.accept("1.2.3", b"image"))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.value for each in said) == ["again"] * 7 + ["new"]
    assert len(held(queue.folder)) == 1


def test_answered_images_are_forgotten_in_time(tmp_path):
    queue = Queue(tmp_path / "queue", MODEL, Room(remember_days=1e-9))
    queue.accept("1", b"image")
    assert queue.forget() == 0  # it waits, and is never forgotten
    judge(queue)
    deliver(queue)
    assert queue.forget() == 1
    assert queue.accept("1", b"image") is Accepted.NEW
    queue.close()


STEPS = {
    "accept": ("write", "flush", "commit"),
    "judged": ("write", "flush", "commit", "remove"),
    "settle": ("commit", "remove"),
}


@pytest.mark.parametrize(("work", "step"), [(work, step) for work, steps in STEPS.items() for step in steps])
def test_a_kill_at_any_step_neither_loses_an_image_nor_answers_it_twice(tmp_path, monkeypatch, work, step):
    """The folder is copied at the step, as a kill would leave it, and opened again."""
    queue = Queue(tmp_path / "queue", MODEL)
    queue.accept("0", b"another image")
    if work == "accept":
        act = lambda: queue.accept("1", b"image")  # noqa: E731
    else:
        queue.accept("1", b"image")
        images = queue.take(2)
        act = lambda: queue.judged({i: [b"report", b"picture"] for i in images})  # noqa: E731
    if work == "settle":
        act()
        act = lambda: deliver(queue)  # noqa: E731
    seen = []

    def watched(before):
        def call(self, *words):
            seen.append(kill(queue))
            return before(self, *words)

        return call

    if step == "commit":
        real = queue._ledger.transaction

        class Watched:
            def __init__(self):
                self.real = real()

            def __enter__(self):
                return self.real.__enter__()

            def __exit__(self, *error):
                seen.append(kill(queue))  # everything is done but the commit
                return self.real.__exit__(*error)

        monkeypatch.setattr(queue._ledger, "transaction", Watched)
    else:
        monkeypatch.setattr(Store, step, watched(getattr(Store, step)))
    act()
    monkeypatch.undo()
    queue.close()
    assert seen
    for folder in seen:
        goes_on(Queue(folder, MODEL))


def goes_on(after: Queue) -> None:
    """The node is started on what a kill left, and its senders send again what they think was not taken."""
    counts = count_states(after.folder)
    assert after.accept("1", b"image") in (Accepted.AGAIN, Accepted.NEW)  # its sender was told nothing, and sends again
    assert after.accept("0", b"another image") is Accepted.AGAIN
    judge(after)
    deliver(after)
    assert sum(counts.values()) in (1, 2)
    assert count_states(after.folder) == {"received": 0, "judged": 0, "delivered": 2, "failed": 0}
    assert held(after.folder) == []
    after.close()


class AnyOrder(RuleBasedStateMachine):
    """Whatever is done to a queue in whatever order, with kills in between: each accepted image is answered once."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(self._folder()) / "queue"
        self.queue = Queue(self.root, MODEL)
        self.told: set[str] = set()  # accepted, as their sender was told
        self.delivered: list[str] = []
        self.failed: set[str] = set()
        self.taken: list = []

    @staticmethod
    def _folder() -> str:
        import tempfile

        return tempfile.mkdtemp(prefix="node-queue-")

    @rule(uid=st.sampled_from("abcdef"))
    def send(self, uid):
        said = self.queue.accept(uid, uid.encode())
        again = uid in self.told and uid not in self.failed
        assert said is (Accepted.AGAIN if again else Accepted.NEW)
        self.told.add(uid)
        self.failed.discard(uid)

    @rule(count=st.integers(1, 3))
    def take(self, count):
        self.taken += self.queue.take(count)

    @precondition(lambda self: self.taken)
    @rule()
    def judge(self):
        answers = {image: [self.queue.source(image), b"picture"] for image in self.taken}
        self.queue.judged(answers)
        self.taken = []

    @precondition(lambda self: self.taken)
    @rule()
    def fail(self):
        image = self.taken.pop()
        uid = self.queue.source(image).decode()
        self.queue.failed(image, "a reason")
        self.failed.add(uid)

    @rule(outcome=st.sampled_from([Outcome.TAKEN, Outcome.TAKEN, Outcome.LATER]))
    def deliver(self, outcome):
        for parcel in self.queue.outgoing(2):
            uid = parcel.parts[0].read_bytes().decode() if 0 in parcel.parts else None
            state = self.queue.settle(parcel, dict.fromkeys(parcel.parts, outcome), later_s=0)
            if state == "delivered":
                self.delivered.append(uid)

    @rule()
    def kill(self):
        after = kill(self.queue)
        self.queue.close()
        shutil.rmtree(self.root)
        after.rename(self.root)
        self.queue = Queue(self.root, MODEL)
        self.taken = []

    @invariant()
    def nothing_is_lost_or_doubled(self):
        counts = count_states(self.root)
        assert sum(counts.values()) == len(self.told)
        assert counts["failed"] == len(self.failed)
        assert counts["delivered"] == len(self.delivered) == len(set(self.delivered))
        assert len(os.listdir(self.root / "incoming")) == counts["received"]
        assert len(os.listdir(self.root / "results")) == 2 * counts["judged"]

    def teardown(self):
        for image in self.taken:
            self.queue.give_back([image])
        while self.queue.waiting():
            self.taken = self.queue.take(10)
            if self.taken:
                self.judge()
            self.deliver(Outcome.TAKEN)
        assert set(self.delivered) | self.failed == self.told
        assert len(self.delivered) == len(set(self.delivered))
        self.queue.close()
        shutil.rmtree(self.root.parent)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=8, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_counting_a_folder_that_is_no_queue_says_so(tmp_path):
    with pytest.raises(NodeError, match="is no queue"):
        count_states(tmp_path)
    assert len(STATES) == 4
