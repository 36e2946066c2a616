"""The node's door: who is let in, what is taken, and what is said to the rest."""

import logging
import socket
import struct
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
pytest.importorskip("onnxruntime", reason="the extra 'serve' is not installed")
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE

from cxrlens.errors import OptionError
from cxrlens.serving.node.checkpoint import mend
from cxrlens.serving.node.errors import NodeError
from cxrlens.serving.node.node import Node, NodeOptions
from cxrlens.serving.node.outbox import Patience
from cxrlens.serving.node.receiver import SOP_CLASSES, Listening, Receiver
from cxrlens.serving.node.states import Room
from cxrlens.sources.reading import read_radiograph
from node_peers import (
    CountingArchive,
    dcmtk,
    needs_dcmtk,
    phantom_dataset,
    results_made_here,  # noqa: F401
    source_of,
    wait_for,
    write_phantoms,
)

QUICK = Patience(0.1, 0.4, 0.1)
CR = SOP_CLASSES[0]


@pytest.fixture(scope="module")
def archive():
    with CountingArchive().running() as started:
        yield started


@pytest.fixture(scope="module")
def node(exported: Path, archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("node") / "queue"
    options = NodeOptions(folder, send=archive.peer, patience=QUICK)
    with Node(exported, Listening(port=0, max_bytes=200_000), options) as running:
        yield running


@contextmanager
def association(port: int, sop_class=CR, syntaxes=(ExplicitVRLittleEndian,), title="TESTER"):
    entity = AE(title)
    entity.add_requested_context(sop_class, list(syntaxes))
    made = entity.associate("127.0.0.1", port)
    mend(made)
    try:
        yield made
    finally:
        if made.is_established:
            made.release()


def send(node, dataset, **how) -> int | None:
    """The status; ``None`` where the association ended instead."""
    with association(node.port, **how) as made:
        assert made.is_established
        return made.send_c_store(dataset).get("Status")


def answer_to(archive, uid: str) -> list:
    return wait_for(lambda: [r for r in archive.reports() if source_of(r) == uid])


@needs_dcmtk
def test_dcmtk_finds_the_node_and_its_images_are_answered_once(node, archive, tmp_path):
    assert dcmtk("echoscu", node.port).returncode == 0
    files = write_phantoms(tmp_path, 3)
    for _ in range(2):  # sent twice, answered once
        done = dcmtk("storescu", node.port, *files)
        assert done.stderr.count("Received Store Response (Success)") == 3, done.stderr
    uids = [pydicom.dcmread(file).SOPInstanceUID for file in files]
    for uid in uids:
        answer_to(archive, uid)
    wait_for(lambda: not node.queue.waiting())
    assert sorted(source_of(r) for r in archive.reports() if source_of(r) in uids) == sorted(uids)


@needs_dcmtk
@pytest.mark.real
@pytest.mark.parametrize(
    ("file", "option"),
    [
        ("CR-MONO1-10-chest.nopreamble.dcm", "-xi"),
        ("RG1_J2KI_CR_chestPA_mono1_j2k.dcm", "-xw"),
        ("txrv_CR_mono1_jpegbaseline_Fake_MONOHR1.dcm", "-xy"),
    ],
)
def test_real_films_come_in_every_syntax(exported, archive, real_data, tmp_path, file, option):
    with Node(exported, Listening(port=0), NodeOptions(tmp_path / "queue", send=archive.peer, patience=QUICK)) as node:
        path = real_data / "dicom" / file
        done = dcmtk("storescu", node.port, option, path)
        assert "Received Store Response (Success)" in done.stderr, done.stderr
        source = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        (report,) = answer_to(archive, source.SOPInstanceUID)
        assert report.StudyInstanceUID == source.StudyInstanceUID
        assert report.CompletionFlag == "COMPLETE"  # it was judged, not refused


class _Watched:
    """A predictor that keeps the films it judges."""

    def __init__(self, predictor) -> None:
        self.films, self._real = [], predictor
        self.network, self.unreadable = predictor.network, predictor.unreadable

    def judge(self, films, **how):
        self.films += films
        return self._real.judge(films, **how)


@pytest.mark.real
def test_the_twins_of_either_polarity_are_judged_as_the_pictures_that_they_are(exported, real_data, tmp_path):
    """Both claim one SOP Instance UID: the second is refused as another object, and taken under a UID of its own."""
    paths = [next((real_data / "dicom").glob(f"txrv_CR_mono{number}*")) for number in (1, 2)]
    twins = [pydicom.dcmread(path) for path in paths]
    how = {"sop_class": SecondaryCaptureImageStorage, "syntaxes": [twins[0].file_meta.TransferSyntaxUID]}
    archive = CountingArchive()  # one of its own: a film of this UID was sent to the other
    options = NodeOptions(tmp_path / "queue", send=archive.peer, patience=QUICK)
    with archive.running(), Node(exported, Listening(port=0), options) as node:
        watched = node._judge._predictor = _Watched(node._judge._predictor)
        assert send(node, twins[0], **how) == 0x0000
        assert send(node, twins[1], **how) == 0x0111
        answer_to(archive, twins[0].SOPInstanceUID)
        twins[1].SOPInstanceUID += ".2"
        assert send(node, twins[1], **how) == 0x0000
        answer_to(archive, twins[1].SOPInstanceUID)
    for path, film in zip(paths, watched.films, strict=True):
        assert np.array_equal(film.pixels, read_radiograph(path).pixels)  # what 'predict' sees
    first, second = (film.pixels for film in watched.films)
    assert np.allclose(first, 1 - second, atol=1e-6)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless])
def test_transfer_syntaxes(node, archive, syntax):
    dataset = phantom_dataset(200 + int(syntax.replace(".", "")) % 97)
    if syntax == RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    assert send(node, dataset, syntaxes=[syntax]) == 0x0000
    (report,) = answer_to(archive, dataset.SOPInstanceUID)
    assert report.CompletionFlag == "COMPLETE"


def test_an_unknown_sop_class_is_not_let_in(node):
    with association(node.port, CTImageStorage) as made:
        assert not made.accepted_contexts


def _no_pixels(dataset):
    del dataset.PixelData


def _no_study(dataset):
    del dataset.StudyInstanceUID


def _a_ct(dataset):
    dataset.SOPClassUID = CTImageStorage


def _ours(dataset):
    dataset.Manufacturer = "cxrlens"


@pytest.mark.parametrize(
    ("spoil", "status"), [(_no_pixels, 0xC000), (_no_study, 0xA900), (_a_ct, 0x0122), (_ours, 0xC000)]
)
def test_what_cannot_be_answered_gets_its_status(node, spoil, status):
    dataset = phantom_dataset(60 + [_no_pixels, _no_study, _a_ct, _ours].index(spoil))
    spoil(dataset)
    with association(node.port) as made:
        made._get_valid_context = lambda *_, **__: made.accepted_contexts[0]  # a sender that does not check itself
        assert made.send_c_store(dataset).Status == status
        assert made.send_c_store(phantom_dataset(31)).Status == 0x0000  # and the next one is taken
    assert not node.queue.answered(dataset.SOPInstanceUID)


def test_bytes_that_are_no_data_set_get_their_status(node, monkeypatch):
    monkeypatch.setattr("pynetdicom.association.encode", lambda *_: b"\x10\x00garbage that is no data set at all" * 9)
    assert send(node, phantom_dataset(32)) in (0xA900, 0xC000)


def test_broken_pixels_are_answered_with_a_report_that_says_so(node, archive):
    dataset = phantom_dataset(33)
    dataset.PixelData = dataset.PixelData[:100]
    assert send(node, dataset) == 0x0000
    (report,) = answer_to(archive, dataset.SOPInstanceUID)
    assert report.CompletionFlag == "PARTIAL"
    assert "The image could not be read" in str(report)
    reasons = [str(each.value) for each in report.iterall() if each.keyword == "TextValue"]
    assert any("cannot be decoded" in reason for reason in reasons), reasons


def test_an_object_beyond_the_limit_ends_its_association_alone(node):
    dataset = phantom_dataset(34)
    dataset.Rows = dataset.Columns = 1024  # 2 MiB, and the limit of this node with its slack is 1.2
    dataset.PixelData = bytes(1024 * 1024 * 2)
    assert send(node, dataset) is None
    assert not node.queue.answered(dataset.SOPInstanceUID)
    assert send(node, phantom_dataset(35)) == 0x0000


def test_an_association_that_aborts_in_mid_transfer_leaves_nothing(node):
    held = sorted(node.queue.folder.joinpath("incoming").iterdir())
    with association(node.port) as made:
        made.dimse.dul.socket.send = _cut_after(made.dul.socket, 3000)
        made.dimse_timeout = 1
        made.network_timeout = 1
        assert "Status" not in made.send_c_store(phantom_dataset(36))
    assert not node.queue.answered(phantom_dataset(36).SOPInstanceUID)
    assert sorted(node.queue.folder.joinpath("incoming").iterdir()) == held
    assert send(node, phantom_dataset(37)) == 0x0000


def _cut_after(transport, count: int):
    sent = 0

    def write(data: bytes) -> None:
        nonlocal sent
        transport.socket.sendall(data[: max(0, count - sent)])
        sent += len(data)
        if sent >= count:
            transport.socket.shutdown(socket.SHUT_RDWR)

    return write


def test_a_pdu_of_four_gigabytes_is_not_waited_for(node):
    with socket.create_connection(("127.0.0.1", node.port), timeout=5) as raw:
        raw.sendall(struct.pack(">BBL", 1, 0, 0xFFFFFFF0) + bytes(100))
        assert raw.recv(100) == b""  # closed at once
    assert send(node, phantom_dataset(38)) == 0x0000


def test_peers_that_connect_and_leave_do_not_keep_others_out(node):
    """As a port check does; the library would hold a place for each of them until its time is over."""
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", node.port), timeout=5):
            pass
    with association(node.port) as made:
        assert made.is_established


def test_a_full_queue_says_out_of_resources_and_takes_it_later(exported, tmp_path):
    archive = CountingArchive()  # not started: nothing leaves the queue
    options = NodeOptions(tmp_path / "queue", send=archive.peer, room=Room(images=2), patience=QUICK)
    with Node(exported, Listening(port=0), options) as node:
        assert [send(node, phantom_dataset(n)) for n in range(3)] == [0, 0, 0xA700]
        with archive.running():
            wait_for(lambda: not node.queue.waiting())
            assert send(node, phantom_dataset(2)) == 0
            wait_for(lambda: len(archive.reports()) == 3)


def test_titles_that_are_not_allowed_are_rejected(exported, archive, tmp_path):
    listening = Listening(port=0, allow=("MODALITY1",))
    with Node(exported, listening, NodeOptions(tmp_path / "queue", send=archive.peer)) as node:
        with association(node.port, title="STRANGER") as made:
            assert made.is_rejected
        with association(node.port, title="MODALITY1") as made:
            assert made.is_established


def test_an_open_door_is_demanded_a_list(tmp_path):
    with pytest.raises(OptionError, match="DICOM has no passwords"):
        Listening(host="0.0.0.0")
    assert Listening(host="0.0.0.0", allow=("MODALITY1",)).allow
    for title in ("", "SEVENTEEN LETTERS", "BACK\\SLASH", "ÄRZTE", "NEW\nLINE"):
        with pytest.raises(OptionError, match="AE title"):
            Listening(aet=title)


def test_two_nodes_on_one_port_or_one_queue_are_one_line_each(node, exported, tmp_path, archive):
    with pytest.raises(NodeError, match="is taken") as caught:
        Node(exported, Listening(port=node.port), NodeOptions(tmp_path / "queue", send=archive.peer))
    assert "\n" not in str(caught.value)
    with pytest.raises(NodeError, match="used by another node"):
        Node(exported, Listening(port=0), NodeOptions(node.queue.folder, send=archive.peer))
    with pytest.raises(NodeError, match="cannot be listened on"):
        Receiver(Listening(host="192.0.2.1", port=1, allow=("A",)), node.queue.accept, node.tally).start()


def test_the_log_holds_nothing_of_a_patient_or_an_image(node, archive, caplog):
    caplog.set_level(logging.DEBUG)
    dataset = phantom_dataset(40)
    dataset.PatientName, dataset.PatientID = "Verdandi^Skuld", "SECRET-4711"
    assert send(node, dataset) == 0
    broken = phantom_dataset(41)
    broken.PatientID, broken.PatientAge = "SECRET-4712", "SECRET-4713"
    broken.add_new("WindowCenter", "LO", "SECRET-4714")
    broken.BitsStored = 99
    send(node, broken)
    answer_to(archive, dataset.SOPInstanceUID)
    wait_for(lambda: not node.queue.waiting())
    node.tally.tell(node.queue.waiting())
    text = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("cxrlens"))
    assert "accepted" in text
    for secret in ("Verdandi", "SECRET", "Phantom^", dataset.SOPInstanceUID, dataset.StudyInstanceUID, "20240115"):
        assert secret not in text


def test_stopping_ends_what_is_begun(exported, tmp_path):
    with CountingArchive().running() as archive:
        options = NodeOptions(tmp_path / "queue", send=archive.peer, patience=QUICK)
        started = time.monotonic()
        with Node(exported, Listening(port=0), options) as node:
            assert send(node, phantom_dataset(50)) == 0
        assert time.monotonic() - started < 15
        with Node(exported, Listening(port=0), options) as node:  # goes on where that one stood
            wait_for(lambda: not node.queue.waiting())
        assert len(archive.reports()) == 1
        assert not [path for path in (tmp_path / "queue").glob("*/*") if path.is_file()]
