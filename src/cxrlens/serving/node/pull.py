"""Images fetched from a DICOMweb archive, judged, and their results stored there: by QIDO, WADO and STOW-RS."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from cxrlens.serving.node.door import OWN_RESULT, refuse
from cxrlens.serving.node.errors import ArchiveDownError, NodeError
from cxrlens.serving.node.finding import Instance, Search, WebArchive, report_uids
from cxrlens.serving.node.judging import Judge, kinds_of
from cxrlens.serving.node.making import Apart
from cxrlens.serving.node.node import NodeOptions, archive_of, quiet_libraries, stop_on_signals
from cxrlens.serving.node.outbox import Outbox
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.states import Accepted
from cxrlens.serving.node.tally import Tally
from cxrlens.serving.predictor import load_predictor

_GIVE_UP = 4
"""Failures in a row, to retrieve or to deliver, after which the archive is taken for down."""

_AHEAD = 64
"""Images retrieved ahead of what is delivered."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What is asked.

    Args:
        url: DICOMweb service to read from, and to store to unless ``options`` name another archive.
        model: an exported model.
        search: which images.
        options: queue folder, and where results go.
        max_bytes: of one image.
    """

    url: str
    model: Path
    search: Search
    options: NodeOptions
    max_bytes: int = 256 << 20


@dataclass(slots=True)
class Pulled:
    """What came of it: ``found`` images, of which ``answered before``, ``taken in`` now and ``passed over``;
    ``delivered`` and ``failed`` count images whose results went out, from an earlier run also.

    Args:
        counts: by those words.
        reasons: why images were passed over.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def pass_over(self, reason: str) -> None:
        """One image that is not taken in."""
        self.counts["passed over"] += 1
        self.reasons[reason] += 1


def pull(request: PullRequest) -> Pulled:
    """Judge the images of an archive that were not answered yet; an interrupted run goes on.

    Raises:
        ArchiveDownError: the archive does not answer, or stopped to.
        CxrlensError: a queue, model, URL or search that cannot be used.
    """
    options = request.options
    if options.send is None and options.stow is None:
        options = replace(options, stow=request.url)
    archive, kinds, tally = archive_of(options, "CXRLENS"), kinds_of(options.results), Tally()
    source = WebArchive(request.url, request.max_bytes)
    predictor = load_predictor(request.model, threads=1)
    told = Pulled()
    with quiet_libraries(), _stoppable() as stopping:
        queue = Queue(options.queue, predictor.identity, options.room)
        judge = Judge(queue, predictor, tally, kinds, Apart())
        outbox = Outbox(queue, archive, tally, options.patience)
        judge.start()
        outbox.start()
        line = _Line(queue, outbox, stopping)
        try:
            model = (predictor.identity, predictor.network.calibration is not None)
            for image in _unanswered(source, request.search, queue, model, told):
                line.wait_for_room()
                _take_in(source, image, queue, told)
            line.wait_until_empty()
        finally:
            judge.stop()
            outbox.stop()
            told.counts.update({"delivered": tally["answered"], "failed": tally["failed"]})
            queue.close()
    return told


def _unanswered(
    source: WebArchive, search: Search, queue: Queue, model: tuple[str, bool], told: Pulled
) -> Iterator[Instance]:
    """Images that neither the ledger nor the archive knows an answer of this model to."""
    study, held = "", set[str]()
    for image in source.images(search):
        told.counts["found"] += 1
        if image.study != study:
            study, held = image.study, source.answers(image.study)
        if queue.answered(image.uid) or held & report_uids(image.uid, *model):
            told.counts["answered before"] += 1
        else:
            yield image


def _take_in(source: WebArchive, image: Instance, queue: Queue, told: Pulled) -> None:
    """Retrieve one image; several failures in a row are the archive's, a single one is the image's."""
    try:
        data = source.retrieve(image)
        told.counts["failures in a row"] = 0
    except ArchiveDownError as error:
        told.counts["failures in a row"] += 1
        if told.counts["failures in a row"] >= _GIVE_UP:
            raise
        told.pass_over(f"cannot be retrieved: the archive {error.fault}")
        return
    refusal = refuse(data, image.sop_class, image.uid)
    if refusal is OWN_RESULT:  # pictures of answers share their SOP class and modality with films
        told.counts["found"] -= 1
        return
    if refusal is not None:
        told.pass_over(refusal.reason)
        return
    accepted = queue.accept(image.uid, data)
    if accepted is Accepted.FULL:
        raise NodeError(queue.folder, "or its disk is full", "make room, and run it again")
    if accepted is Accepted.OTHER:
        told.pass_over("another object of this SOP Instance UID was accepted before")
    else:
        told.counts["taken in" if accepted is Accepted.NEW else "answered before"] += 1


@dataclass(frozen=True, slots=True)
class _Line:
    """Waits for those who work on the queue."""

    queue: Queue
    outbox: Outbox
    stopping: Event

    def wait_for_room(self) -> None:
        self._wait_until(_AHEAD)

    def wait_until_empty(self) -> None:
        self._wait_until(0)

    def _wait_until(self, most: int) -> None:
        while (waiting := self.queue.waiting()) > most or self.stopping.is_set():
            if self.stopping.is_set():
                raise KeyboardInterrupt
            if self.outbox.error is not None and self.outbox.failures >= _GIVE_UP:
                fault = f"{self.outbox.error.fault}; {waiting} images wait in {self.queue.folder}"
                raise ArchiveDownError(self.outbox.error.subject, fault, "run it again when the archive is up")
            time.sleep(0.05)


@contextmanager
def _stoppable() -> Iterator[Event]:
    stopping = Event()
    with stop_on_signals(stopping):
        yield stopping
