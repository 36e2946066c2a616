"""DICOM over TLS: who is let in, whom the node calls, and one line for what does not fit."""

import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

pytest.importorskip("pynetdicom", reason="the extra 'dicom' is not installed")
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, AllStoragePresentationContexts, evt

from cxrlens.errors import OptionError
from cxrlens.serving.node import storing
from cxrlens.serving.node.checkpoint import mend
from cxrlens.serving.node.errors import ArchiveDownError
from cxrlens.serving.node.node import Node, NodeOptions, archive_of
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.receiver import SOP_CLASSES, Listening, Receiver
from cxrlens.serving.node.states import Accepted, Outcome
from cxrlens.serving.node.storing import Peer, StoreArchive
from cxrlens.serving.node.tally import Tally
from cxrlens.serving.node.tls import Tls
from node_peers import dcmtk, file_bytes, free_port, needs_dcmtk, phantom_dataset, wait_for, write_phantoms
from tls_files import Pair, authority, needs_openssl, signed

pytestmark = needs_openssl


@pytest.fixture(scope="module")
def ca(tmp_path_factory) -> Pair:
    return authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def ours(ca) -> Pair:
    return signed(ca, "node")


@pytest.fixture(scope="module")
def theirs(ca) -> Pair:
    return signed(ca, "peer")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Pair:
    return authority(tmp_path_factory.mktemp("other"), "stranger")


@contextmanager
def door(tls: Tls):
    """A node's door, with the images that came in through it."""
    taken: dict[str, bytes] = {}

    def accept(uid: str, data: bytes) -> Accepted:
        taken[uid] = data
        return Accepted.NEW

    receiver = Receiver(Listening(port=0, tls=tls), accept, Tally())
    port = receiver.start()
    try:
        yield port, taken, receiver._tally
    finally:
        receiver.stop()


def send(port: int, context: ssl.SSLContext | None) -> int | None:
    """The status of one image; ``None`` where no association came about."""
    entity = AE("TESTER")
    entity.add_requested_context(SOP_CLASSES[0], [ExplicitVRLittleEndian])
    entity.connection_timeout = entity.acse_timeout = 20
    made = entity.associate("127.0.0.1", port, tls_args=None if context is None else (context, "127.0.0.1"))
    mend(made)
    if not made.is_established:
        return None
    try:
        return made.send_c_store(phantom_dataset(0)).get("Status")
    finally:
        made.release()


def test_an_image_comes_in_over_tls_and_from_nobody_who_speaks_without(ours, ca):
    with door(Tls(ours.cert, ours.key)) as (port, taken, _):
        assert send(port, None) is None
        assert not taken
        assert send(port, Tls(ca=ca.cert).for_calling()) == 0x0000
        assert len(taken) == 1


def test_with_an_authority_who_calls_must_show_a_certificate_of_it(ours, theirs, stranger, ca, caplog):
    with door(Tls(ours.cert, ours.key, ca.cert)) as (port, taken, tally):
        assert send(port, Tls(ca=ca.cert).for_calling()) is None
        unknown = Tls(ca=ca.cert).for_calling()
        unknown.load_cert_chain(stranger.cert, stranger.key)
        assert send(port, unknown) is None
        wait_for(lambda: tally["rejected associations"] == 2)
        assert not taken
        assert send(port, Tls(theirs.cert, theirs.key, ca.cert).for_calling()) == 0x0000
        assert len(taken) == 1
    assert "127.0.0.1: it showed no certificate" in caplog.text
    assert "127.0.0.1: its certificate is not believed" in caplog.text


def test_nothing_older_than_tls_1_2_is_spoken(ours, ca):
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(ca.cert)
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    weak.load_verify_locations(ca.cert)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256")  # CBC
    with door(Tls(ours.cert, ours.key)) as (port, _, _tally):
        assert send(port, old) is None
        assert send(port, weak) is None
        weak.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        assert send(port, weak) == 0x0000


def test_a_peer_that_says_nothing_keeps_nobody_out(ours, ca):
    """The library takes connections one by one: were hands shaken there, one silent peer would hold up all others."""
    with door(Tls(ours.cert, ours.key)) as (port, taken, _):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        try:
            assert send(port, Tls(ca=ca.cert).for_calling()) == 0x0000
        finally:
            for each in silent:
                each.close()
        assert len(taken) == 1


@needs_dcmtk
def test_dcmtk_as_the_peer(ours, theirs, stranger, ca, tmp_path):
    (film,) = write_phantoms(tmp_path, 1)

    def storescu(port: int, *words: object) -> subprocess.CompletedProcess:
        command = ["storescu", "-v", "-aec", "CXRLENS", *map(str, words), "127.0.0.1", str(port), str(film)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    with door(Tls(ours.cert, ours.key, ca.cert)) as (port, taken, _):
        assert storescu(port, "+tla", "+cf", ca.cert).returncode != 0  # without a certificate
        assert storescu(port, "+tls", stranger.key, stranger.cert, "+cf", ca.cert).returncode != 0
        assert dcmtk("storescu", port, film).returncode != 0  # without TLS
        assert not taken
        done = storescu(port, "+tls", theirs.key, theirs.cert, "+cf", ca.cert)
        assert "Received Store Response (Success)" in done.stderr, done.stderr
        assert len(taken) == 1
    with door(Tls(ours.cert, ours.key)) as (port, taken, _):
        done = storescu(port, "+tla", "+cf", ca.cert)
        assert "Received Store Response (Success)" in done.stderr, done.stderr
        done = storescu(port, "+tla", "+cf", stranger.cert)  # does not believe us
        assert "certificate verify failed" in done.stdout + done.stderr


def parcels(queue: Queue):
    queue.accept("1.2.3", b"image")
    queue.judged({image: [file_bytes(phantom_dataset(0))] for image in queue.take(1)})
    return queue.outgoing(1)


@pytest.fixture
def waiting(tmp_path):
    queue = Queue(tmp_path / "queue", "ab" * 32)
    yield parcels(queue)
    queue.close()


@contextmanager
def archive(context: ssl.SSLContext):
    """An archive over TLS, with what it got."""
    got, entity = [], AE("ARCHIVE")
    for each in AllStoragePresentationContexts:
        entity.add_supported_context(each.abstract_syntax, each.transfer_syntax)

    def store(event) -> int:
        got.append(event.dataset)
        return 0x0000

    handlers = [(evt.EVT_C_STORE, store)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=context)
    try:
        yield Peer("ARCHIVE", "127.0.0.1", server.server_address[1]), got
    finally:
        entity.shutdown()


def deliver(peer: Peer, tls: Tls, waiting) -> list[Outcome]:
    (delivery,) = StoreArchive(peer, "CXRLENS", tls.for_calling()).deliver(waiting)
    return list(delivery.outcomes.values())


def test_results_go_to_an_archive_that_demands_a_certificate(theirs, ours, ca, waiting):
    with archive(Tls(theirs.cert, theirs.key, ca.cert).for_callers()) as (peer, got):
        assert deliver(peer, Tls(ours.cert, ours.key, ca.cert), waiting) == [Outcome.TAKEN]
        assert len(got) == 1


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no certificate of ours", "required"),
        ("an authority that we do not know", "its certificate is not believed"),
        ("a certificate for another host", "its certificate is not believed: IP address mismatch"),
    ],
)
def test_an_archive_that_cannot_be_called_over_tls_is_down_for_a_reason(
    case, said, theirs, ours, ca, stranger, waiting
):
    serving, calling = Tls(theirs.cert, theirs.key, ca.cert), Tls(ours.cert, ours.key, ca.cert)
    if case == "no certificate of ours":
        calling = Tls(ca=ca.cert)
    elif case.startswith("an authority"):
        calling = Tls(ours.cert, ours.key, stranger.cert)
    else:
        other = signed(ca, "elsewhere", "127.0.0.9")
        serving = Tls(other.cert, other.key, ca.cert)
    with archive(serving.for_callers()) as (peer, got):
        with pytest.raises(ArchiveDownError, match="cannot be called over TLS") as caught:
            deliver(peer, calling, waiting)
        assert said in caught.value.fault
        assert not got


def test_an_archive_without_tls_or_that_is_not_there_is_told_so(ours, ca, waiting):
    tls = Tls(ours.cert, ours.key, ca.cert)
    entity = AE("ARCHIVE")
    entity.add_supported_context(SOP_CLASSES[0])
    server = entity.start_server(("127.0.0.1", 0), block=False)
    try:
        with pytest.raises(ArchiveDownError, match="over TLS"):
            deliver(Peer("ARCHIVE", "127.0.0.1", server.server_address[1]), tls, waiting)
    finally:
        entity.shutdown()
    with pytest.raises(ArchiveDownError, match="does not answer"):
        deliver(Peer("ARCHIVE", "127.0.0.1", free_port()), tls, waiting)


@needs_dcmtk
def test_results_go_to_dcmtks_archive_over_tls(theirs, ours, ca, waiting, tmp_path):
    folder, port = tmp_path / "got", free_port()
    folder.mkdir()
    words = ["+tls", str(theirs.key), str(theirs.cert), "+cf", str(ca.cert), "-od", str(folder), str(port)]
    process = subprocess.Popen(["storescp", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port))
        assert deliver(Peer("STORESCP", "127.0.0.1", port), Tls(ours.cert, ours.key, ca.cert), waiting) == [
            Outcome.TAKEN
        ]
        assert len(list(folder.iterdir())) == 1
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        time.sleep(0.1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_files_that_do_not_fit_are_one_line(ours, theirs, ca, tmp_path):
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    locked = tmp_path / "locked.key"
    words = ["openssl", "ec", "-in", str(ours.key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(words, check=True, capture_output=True)
    missing = Path("no-such-file.pem")
    cases = {
        "--tls-key is missing": lambda: Tls(ours.cert),
        "--tls-cert is missing: certificate and key": lambda: Tls(key=ours.key),
        "--tls-cert is missing: without a certificate": lambda: Tls(ca=ca.cert).for_callers(),
        "--tls-cert no-such-file.pem cannot be read": lambda: Tls(missing, ours.key).for_callers(),
        "--tls-key no-such-file.pem cannot be read": lambda: Tls(ours.cert, missing).for_callers(),
        "--tls-ca no-such-file.pem cannot be read": lambda: Tls(ca=missing).for_calling(),
        f"--tls-cert {text} holds no certificate": lambda: Tls(text, ours.key).for_callers(),
        f"--tls-key {text} holds no private key": lambda: Tls(ours.cert, text).for_callers(),
        f"--tls-ca {text} holds no certificate": lambda: Tls(ours.cert, ours.key, text).for_callers(),
        f"--tls-key {theirs.key} does not fit": lambda: Tls(ours.cert, theirs.key).for_callers(),
        f"--tls-key {locked} cannot be used": lambda: Tls(ours.cert, locked).for_callers(),
    }
    for said, make in cases.items():
        with pytest.raises(OptionError) as caught:
            make()
        line = f"{caught.value.subject} {caught.value.fault}"
        assert line.startswith(said), line
        assert "\n" not in str(caught.value)


def test_off_loopback_certificates_stand_in_for_a_list_of_titles(ours, ca):
    with pytest.raises(OptionError, match="lets any machine in"):
        Listening(host="0.0.0.0", tls=Tls(ours.cert, ours.key))
    assert Listening(host="0.0.0.0", tls=Tls(ours.cert, ours.key, ca.cert)).tls.mutual


def test_tls_to_an_archive_is_for_c_store(ours, tmp_path):
    options = NodeOptions(tmp_path, stow="http://127.0.0.1:1/dicom-web", send_tls=Tls(ours.cert, ours.key))
    with pytest.raises(OptionError, match="--send-tls"):
        archive_of(options, "CXRLENS")


def test_a_node_that_cannot_listen_lets_go_of_its_queue(exported, ours, theirs, tmp_path):
    pytest.importorskip("onnxruntime", reason="the extra 'serve' is not installed")
    options = NodeOptions(tmp_path / "queue", send="A@127.0.0.1:9")
    with pytest.raises(OptionError, match="does not fit"):
        Node(exported, Listening(port=0, tls=Tls(ours.cert, theirs.key)), options)
    Queue(tmp_path / "queue", "ab" * 32).close()


def test_an_archive_that_shakes_hands_and_then_says_nothing_is_given_up(theirs, ours, ca, waiting, monkeypatch):
    monkeypatch.setattr(storing, "_ANSWER_S", 2)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # its session tickets are something to read
    context.load_cert_chain(theirs.cert, theirs.key)
    done, held = Event(), []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def silent() -> None:
            peer, _ = door.accept()
            with context.wrap_socket(peer, server_side=True) as held_open:
                held.append(held_open)
                done.wait(60)

        Thread(target=silent, daemon=True).start()
        began = time.monotonic()
        peer = Peer("ARCHIVE", "127.0.0.1", door.getsockname()[1])
        try:
            with pytest.raises(ArchiveDownError):
                deliver(peer, Tls(ours.cert, ours.key, ca.cert), waiting)
        finally:
            done.set()
    assert held
    assert time.monotonic() - began < 30
