"""The node put together: a door, a queue, judges and an outbox, from start to SIGTERM."""

from __future__ import annotations

import logging
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import FrameType

from cxrlens import RESEARCH_ONLY
from cxrlens.errors import OptionError
from cxrlens.serving.node.judging import Judge, kinds_of
from cxrlens.serving.node.making import Apart
from cxrlens.serving.node.outbox import PATIENCE, Archive, Outbox, Patience
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.receiver import Listening, Receiver, is_loopback
from cxrlens.serving.node.spread import Spread
from cxrlens.serving.node.states import DEFAULT_ROOM, Room
from cxrlens.serving.node.storing import Peer, StoreArchive
from cxrlens.serving.node.tally import Tally, log
from cxrlens.serving.node.tls import Tls
from cxrlens.serving.predictor import load_predictor

_TELL_S, _FORGET_S = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class NodeOptions:
    """What is asked of a node.

    Args:
        queue: its folder.
        send: archive for results by C-STORE, as ``AET@HOST:PORT``.
        stow: or by STOW-RS: the URL of its DICOMweb service. One of the two must be given.
        results: kinds of DICOM objects besides the report (:func:`kinds_of`); all where empty.
        room: how much may wait.
        patience: how long to wait for an archive.
        send_tls: with whose certificate results go out by C-STORE, and which archive's is believed; not encrypted
            where ``None``.
    """

    queue: Path
    send: str | None = None
    stow: str | None = None
    results: tuple[str, ...] = ()
    room: Room = DEFAULT_ROOM
    patience: Patience = PATIENCE
    send_tls: Tls | None = None


class Node:
    """A DICOM node. Used as a context it runs inside it.

    Args:
        model: an exported model.
        listening: where and to whom it listens.
        options: what else is asked.

    Raises:
        NodeError: the port or the queue is used already, or cannot be used.
        ModelError: no model.
        OptionError: no archive, or no address of one.
    """

    def __init__(self, model: Path, listening: Listening, options: NodeOptions) -> None:
        self.listening, self.options, self.tally = listening, options, Tally()
        archive, kinds = archive_of(options, listening.aet), kinds_of(options.results)
        predictor = load_predictor(model, threads=1)  # each judging thread is one core's
        self.queue = Queue(options.queue, predictor.identity, options.room)
        self._receiver = Receiver(listening, self.queue.accept, self.tally)
        self._judge = Judge(self.queue, predictor, self.tally, kinds, Apart())
        self._outbox = Outbox(self.queue, archive, self.tally, options.patience)
        try:
            self.port = self._receiver.start()
        except BaseException:
            self.queue.close()
            raise

    def __enter__(self) -> Node:
        self._judge.start()
        self._outbox.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._receiver.stop()
        self._judge.stop()
        self._outbox.stop()
        self.tally.tell(self.queue.waiting())
        self.queue.close()

    def line(self) -> str:
        """What it is, in one line."""
        where, options = self.listening, self.options
        anybody = "anybody on this machine" if is_loopback(where.host) else "anybody"
        allowed = f"AE titles {', '.join(where.allow)}" if where.allow else anybody
        door = f"{where.aet}@{where.host}:{self.port} for {allowed}"
        if where.tls is not None:
            door += f", over TLS{', with a certificate that --tls-ca vouches for' if where.tls.mutual else ''}"
        elif not is_loopback(where.host):
            door += " (DICOM has no passwords and is not encrypted here)"
        waits = f"queue {options.queue} with {self.queue.waiting()} waiting"
        return f"cxrlens node {door}; {waits}; results to {options.send or options.stow}. {RESEARCH_ONLY}"

    def serve(self, stopping: Event) -> None:
        """Run until ``stopping`` is set; says now and then what was done."""
        told = forgot = time.monotonic()
        while not stopping.wait(1.0):
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                self.tally.tell(self.queue.waiting())
            if time.monotonic() - forgot > _FORGET_S:
                forgot = time.monotonic()
                self.queue.forget()


def archive_of(options: NodeOptions, aet: str) -> Archive:
    """Where results go; :class:`OptionError` unless exactly one archive is named."""
    if (options.send is None) == (options.stow is None):
        fault = "were both given" if options.send else "are both missing: results must go somewhere"
        raise OptionError("--send and --stow", fault, "give one: --send AET@HOST:PORT or --stow URL")
    if options.send_tls is not None and options.send is None:
        raise OptionError("--send-tls", "is for --send", "with --stow, write the URL as https://")
    if options.send is not None:
        tls = None if options.send_tls is None else options.send_tls.for_calling()
        return Spread(StoreArchive(Peer.parse(options.send), aet, tls))
    from cxrlens.serving.node.stow import StowArchive

    assert options.stow is not None
    return Spread(StowArchive(options.stow))


def run_node(model: Path, listening: Listening, options: NodeOptions) -> None:
    """Run a node until SIGTERM or Ctrl-C; what was begun is ended, what waits goes on at the next start.

    Raises:
        CxrlensError: as :class:`Node`.
    """
    stopping = Event()
    with quiet_libraries(), stop_on_signals(stopping), Node(model, listening, options) as node:
        sys.stdout.write(node.line() + "\n")
        sys.stdout.flush()
        node.serve(stopping)
        log.info("stopping; what waits goes on at the next start")


@contextmanager
def stop_on_signals(stopping: Event) -> Iterator[None]:
    """SIGTERM and SIGINT set the event inside this context."""

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """The node's own log goes to standard error; warnings of libraries, which quote values of headers, go nowhere."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    for library in ("pydicom", "pynetdicom", "highdicom", "dicomweb_client", "urllib3"):
        logging.getLogger(library).propagate = False
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.removeHandler(handler)
        log.propagate = True
