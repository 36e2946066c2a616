"""The node against a real archive: Orthanc, over C-STORE and over DICOMweb; the node killed; the command line."""

import os
import re
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pydicom
import pytest

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
pytest.importorskip("onnxruntime", reason="the extra 'serve' is not installed")
from pynetdicom import AE

from cxrlens.errors import OptionError
from cxrlens.serving.node.checkpoint import mend
from cxrlens.serving.node.finding import Search
from cxrlens.serving.node.ledger import count_states
from cxrlens.serving.node.node import Node, NodeOptions
from cxrlens.serving.node.outbox import Patience
from cxrlens.serving.node.pull import PullRequest, pull
from cxrlens.serving.node.receiver import Listening
from node_peers import (
    CountingArchive,
    NodeProcess,
    Orthanc,
    dcmtk,
    file_bytes,
    free_port,
    needs_dcmtk,
    needs_orthanc,
    phantom_dataset,
    results_made_here,  # noqa: F401
    source_of,
    wait_for,
    write_phantoms,
)

QUICK = Patience(0.1, 0.5, 0.2)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    archive = Orthanc(tmp_path_factory.mktemp("orthanc")).start()
    yield archive
    archive.stop()


def run(*words: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
    command = [sys.executable, "-m", "cxrlens", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment, check=False)


@needs_orthanc
@needs_dcmtk
def test_results_reach_orthanc_in_the_right_study_also_when_it_was_down(exported, orthanc, tmp_path):
    files = write_phantoms(tmp_path / "films", 3)
    options = NodeOptions(tmp_path / "queue", send=orthanc.peer, patience=QUICK)
    with Node(exported, Listening(port=0), options) as node:
        assert "Success" in dcmtk("storescu", node.port, files[0]).stderr
        wait_for(lambda: not node.queue.waiting())
        orthanc.stop()
        assert dcmtk("storescu", node.port, *files[1:]).stderr.count("(Success)") == 2  # taken in all the same
        wait_for(lambda: count_states(node.queue.folder)["judged"] == 2)
        wait_for(lambda: node.tally["archive down"] > 1)
        orthanc.start()
        wait_for(lambda: not node.queue.waiting())
    sources = {str(d.SOPInstanceUID): d for d in map(pydicom.dcmread, files)}
    studies = {d.StudyInstanceUID for d in sources.values()}
    held = [each for each in orthanc.instances() if each.StudyInstanceUID in studies]
    reports = Counter(source_of(each) for each in held if each.Modality == "SR")
    assert reports == Counter(list(sources))
    for report in (each for each in held if each.Modality == "SR"):
        source = sources[source_of(report)]
        assert (report.StudyInstanceUID, report.PatientID) == (source.StudyInstanceUID, source.PatientID)
        assert report.PatientName == source.PatientName
    assert len(held) > len(reports)  # pictures and the rest
    assert not list((tmp_path / "queue" / "results").iterdir())


@needs_orthanc
def test_orthanc_hands_on_what_comes_in_as_the_documentation_says(exported, tmp_path):
    """Its own results come back to it and are not sent on again, and were refused if they were."""
    page = (Path(__file__).parents[1] / "docs" / "node.md").read_text(encoding="utf-8")
    archive = Orthanc(tmp_path / "orthanc")
    archive.route = re.search(r"```lua\n(.*?)```", page, re.DOTALL).group(1)
    films = [phantom_dataset(number) for number in (40, 41)]
    options = NodeOptions(tmp_path / "queue", send=archive.peer, patience=QUICK)
    try:
        archive.start()
        with Node(exported, Listening(port=archive.node), options) as node:
            for film in films:
                archive.put(file_bytes(film))
            wait_for(lambda: len(archive.reports()) == 2)
            wait_for(lambda: not node.queue.waiting())
            assert node.tally["accepted"] == 2
            assert node.tally["refused"] == 0
    finally:
        archive.stop()


def pulled(url: str, model: Path, queue: Path, search: Search, *results: str) -> Counter:
    """``cxrlens pull`` without a process of its own; counts of what came of it."""
    return pull(PullRequest(url, model, search, NodeOptions(queue, results=results, patience=QUICK))).counts


@needs_orthanc
def test_pull_finds_judges_and_stores_and_does_it_once(exported, orthanc, tmp_path):
    for number in range(10, 13):
        orthanc.put(file_bytes(phantom_dataset(number)))
    other = phantom_dataset(13)
    other.StudyDate = "20190101"
    orthanc.put(file_bytes(other))
    wanted = [phantom_dataset(n).SOPInstanceUID for n in range(10, 13)]
    words = ("pull", orthanc.web, "--model", exported, "--date", "20240101-20241231", "--queue", tmp_path / "one")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    answered = Counter(source_of(report) for report in orthanc.reports())
    assert all(answered[uid] == 1 for uid in wanted)
    assert answered[other.SOPInstanceUID] == 0  # another date
    before = orthanc.get("/statistics")["CountInstances"]
    for queue in ("one", "two"):  # by the ledger, and by what the archive holds
        counts = pulled(orthanc.web, exported, tmp_path / queue, Search(date="20240101-20241231"))
        assert counts["found"] == counts["answered before"] > 2
        assert counts["taken in"] == counts["passed over"] == 0
    assert orthanc.get("/statistics")["CountInstances"] == before
    search = Search(studies=(str(other.StudyInstanceUID),))
    assert pulled(orthanc.web, exported, tmp_path / "one", search, "report")["delivered"] == 1
    held = [each.Modality for each in orthanc.instances() if each.StudyInstanceUID == other.StudyInstanceUID]
    assert sorted(held) == ["CR", "SR"]


@needs_orthanc
def test_pull_passes_over_what_is_no_film_and_its_own_results(exported, orthanc, tmp_path):
    film, text = phantom_dataset(20), phantom_dataset(21)
    text.StudyInstanceUID = film.StudyInstanceUID
    del text.PixelData
    orthanc.put(file_bytes(film))
    orthanc.put(file_bytes(text))
    study = (str(film.StudyInstanceUID),)
    counts = pulled(orthanc.web, exported, tmp_path / "queue", Search(study))
    assert (counts["found"], counts["delivered"], counts["passed over"]) == (2, 1, 1)
    counts = pulled(orthanc.web, exported, tmp_path / "queue", Search(study, modalities=("OT", "CR", "SR")))
    assert (counts["found"], counts["answered before"], counts["passed over"]) == (2, 1, 1)
    assert len([r for r in orthanc.reports() if r.StudyInstanceUID == film.StudyInstanceUID]) == 1


def test_a_search_that_is_none_is_one_line():
    for wrong in ({"date": "yesterday"}, {"date": "-"}, {"studies": ("1.2*",)}):
        with pytest.raises(OptionError):
            Search(**wrong)


def test_pull_from_nobody_is_one_line(exported, tmp_path):
    url = f"http://127.0.0.1:{free_port()}/dicom-web"
    done = run("pull", url, "--model", exported, "--queue", tmp_path / "queue")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {url}: does not answer")
    assert done.stderr.count("\n") == 1


@needs_orthanc
def test_stow_and_a_wrong_path_of_a_real_archive(exported, orthanc, tmp_path):
    film = phantom_dataset(30)
    with Node(exported, Listening(port=0), NodeOptions(tmp_path / "a", stow=orthanc.web, patience=QUICK)) as node:
        _send(node.port, film)
        wait_for(lambda: not node.queue.waiting())
    assert len([r for r in orthanc.reports() if source_of(r) == film.SOPInstanceUID]) == 1
    done = run("pull", orthanc.web.replace("dicom-web", "nothing"), "--model", exported, "--queue", tmp_path / "b")
    assert done.returncode == 2
    assert "HTTP status 404" in done.stderr
    assert done.stderr.count("\n") == 1


def _send(port: int, dataset) -> int | None:
    entity = AE("SENDER")
    entity.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 5
    association = entity.associate("127.0.0.1", port)
    mend(association)
    if not association.is_established:
        return None
    try:
        return association.send_c_store(dataset).get("Status")
    except (RuntimeError, ValueError):
        return None
    finally:
        association.release()


def test_a_node_that_is_killed_answers_every_image_once(exported, tmp_path):
    """Two senders send what was not acknowledged again and again; the node is killed twice with SIGKILL meanwhile."""
    films = [phantom_dataset(100 + number) for number in range(24)]
    acknowledged: set[str] = set()
    stop = threading.Event()

    def sender(share) -> None:
        while not stop.is_set() and not all(film.SOPInstanceUID in acknowledged for film in share):
            for film in share:
                if film.SOPInstanceUID not in acknowledged and _send(node.port, film) == 0:
                    acknowledged.add(film.SOPInstanceUID)
                    stop.wait(0.02)

    with CountingArchive().running() as archive:
        node = NodeProcess(exported, tmp_path / "queue", "--send", archive.peer)
        with node.running():
            assert node.line.startswith("cxrlens node CXRLENS@127.0.0.1:")
            assert "not a medical device" in node.line
            threads = [threading.Thread(target=sender, args=(films[i::2],)) for i in range(2)]
            for thread in threads:
                thread.start()
            try:
                for count in (4, 14):
                    wait_for(lambda count=count: len(acknowledged) >= count, 40)
                    node.kill()
                    node.start()
                for thread in threads:
                    thread.join(60)
                uids = {str(film.SOPInstanceUID) for film in films}
                assert acknowledged == uids
                wait_for(lambda: count_states(tmp_path / "queue")["delivered"] == len(films), 60)
            finally:
                stop.set()
            assert node.stop() == 0
        log = node.log.read_text()
        reports = {str(report.SOPInstanceUID): source_of(report) for report in archive.reports()}
    # What was sent and not yet written down when the node died is sent again, as the same object.
    assert Counter(reports.values()) == Counter(uids)
    assert "Traceback" not in log
    assert "Phantom^" not in log
    done = run("node", "--status", tmp_path / "queue")
    assert done.stdout.split() == ["received", "0", "judged", "0", "delivered", "24", "failed", "0"]


def test_a_taken_port_is_one_line_at_the_command(exported, tmp_path):
    options = NodeOptions(tmp_path / "a", send="A@127.0.0.1:9")
    with Node(exported, Listening(port=0), options) as node:
        words = ("--model", exported, "--send", "A@127.0.0.1:9", "--queue", tmp_path / "b")
        done = run("node", "--port", node.port, *words)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith(f"error: 127.0.0.1:{node.port}: is taken")
    assert done.stderr.count("\n") == 1, done.stderr
