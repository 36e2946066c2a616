"""Results made in processes of their own: the same results, and no process outlives or outwits the node."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
pytest.importorskip("onnxruntime", reason="the extra 'serve' is not installed")
import cxrlens
from cxrlens.serving.dicom.results import KINDS
from cxrlens.serving.node import making
from cxrlens.serving.node.judging import MOST_ATTEMPTS, Judge
from cxrlens.serving.node.ledger import count_states
from cxrlens.serving.node.making import Apart, HelperDiedError, HelperStartError, Here
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.tally import Tally
from cxrlens.sources.reading import decode_radiograph
from dicom_films import said
from node_peers import file_bytes, phantom_dataset, wait_for

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


class Deadly:
    """Unpickled it calls a function: planted where a film belongs, it ends or holds up the helper that takes it in."""

    def __init__(self, function, *given) -> None:
        self._call = (function, given)

    def __reduce__(self):
        return self._call


@pytest.fixture(scope="module")
def apart():
    made = Apart()
    yield made
    made.close()


def asked(number: int = 0):
    source = file_bytes(phantom_dataset(number))
    film = decode_radiograph(source, Path("image"))
    return source, said("answered", film.pixels), film, tuple(KINDS)


def without_times(results: list[bytes]) -> list[str]:
    datasets = [pydicom.dcmread(pydicom.filebase.DicomBytesIO(result)) for result in results]
    for dataset in datasets:
        for element in [each for each in dataset.iterall() if each.VR in ("DA", "TM", "DT")]:
            element.value = None
    return [dataset.to_json() for dataset in datasets]


def test_a_helper_makes_what_this_process_makes_and_heeds_no_signal_of_the_service(apart):
    here = Here().make(*asked())
    assert len(here) == len(KINDS)
    assert without_times(apart.make(*asked())) == without_times(here)
    (helper,) = apart._idle
    for number in (signal.SIGTERM, signal.SIGINT):
        helper.process.send_signal(number)
    assert without_times(apart.make(*asked())) == without_times(here)
    assert apart._idle == [helper]
    # What cannot be made is told in the same words.
    broken = (b"no DICOM", *asked()[1:])
    assert apart.make(*broken) == Here().make(*broken)
    assert isinstance(apart.make(*broken), str)


def test_a_helper_that_dies_costs_its_own_image_one_attempt_and_nothing_else(apart, tmp_path, exported):
    class Poisoned:
        """Puts poison beside the second image."""

        def make(self, source, prediction, film, kinds):
            deadly = str(phantom_dataset(1).SOPInstanceUID).encode() in source
            return apart.make(source, prediction, Deadly(os._exit, 9) if deadly else film, kinds)

        def close(self):
            pass

    predictor = cxrlens.load(exported, threads=1)
    queue = Queue(tmp_path / "queue", predictor.identity)
    try:
        for number in range(3):
            queue.accept(str(phantom_dataset(number).SOPInstanceUID), file_bytes(phantom_dataset(number)))
        Judge(queue, predictor, Tally(), ("report",), Poisoned()).step()
        assert count_states(queue.folder) == {"received": 1, "judged": 2, "delivered": 0, "failed": 0}
        assert queue.arrived.is_set()
        (again,) = queue.take(4)
        assert again.attempts == 1
    finally:
        queue.close()


def test_an_image_over_which_helpers_die_again_and_again_is_given_up(tmp_path, exported):
    class Dying:
        def make(self, *_):
            raise HelperDiedError

        def close(self):
            pass

    predictor = cxrlens.load(exported, threads=1)
    queue = Queue(tmp_path / "queue", predictor.identity)
    try:
        queue.accept("1.2.3", file_bytes(phantom_dataset(0)))
        judge = Judge(queue, predictor, Tally(), ("report",), Dying())
        for _ in range(MOST_ATTEMPTS):
            assert count_states(queue.folder)["received"] == 1
            judge.step()
        judge.step()
        assert count_states(queue.folder)["failed"] == 1
    finally:
        queue.close()


def test_a_helper_that_hangs_is_killed():
    apart = Apart(patience_s=0.5)
    source, answer, _, kinds = asked()
    with pytest.raises(HelperDiedError):
        apart.make(source, answer, Deadly(time.sleep, 600), kinds)
    assert not apart._idle


@needs_proc
def test_helpers_end_when_the_node_is_killed():
    program = textwrap.dedent("""
        import sys, time
        from cxrlens.serving.node.making import Apart
        apart = Apart()
        helper = apart._helper()
        print(helper.process.pid, flush=True)
        time.sleep(600)
    """)
    node = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    helper = int(node.stdout.readline())
    assert runs(helper)
    node.kill()
    node.wait()
    node.stdout.close()
    wait_for(lambda: not runs(helper), 60)


@needs_proc
def test_closing_ends_the_helpers():
    apart = Apart()
    helper = apart._helper()
    apart._idle.append(helper)
    apart.close()
    assert helper.process.returncode is not None


def runs(process: int) -> bool:
    """Whether it does; one that ended and that nobody waits for does not."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@pytest.mark.parametrize("broken", ["/bin/false", "/bin/cat"])
def test_helpers_that_do_not_start_are_blamed_on_no_image(tmp_path, exported, monkeypatch, broken):
    monkeypatch.setattr(making.sys, "executable", broken)
    predictor = cxrlens.load(exported, threads=1)
    queue = Queue(tmp_path / "queue", predictor.identity)
    try:
        queue.accept("1.2.3", file_bytes(phantom_dataset(0)))
        judge = Judge(queue, predictor, Tally(), ("report",), Apart())
        for _ in range(MOST_ATTEMPTS + 1):
            with pytest.raises(HelperStartError):
                judge.step()
        (waiting,) = queue.take(4)
        assert waiting.attempts == 0
    finally:
        queue.close()


def test_a_helper_of_another_version_makes_nothing(monkeypatch):
    monkeypatch.setattr(making, "__version__", "0.0.1")
    source, answer, film, kinds = asked()
    with pytest.raises(HelperStartError, match="another version"):
        Apart().make(source, answer, film, kinds)
