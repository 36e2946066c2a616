"""Results on their way to the archive: sent, sent again where it is down, and never twice under two names."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from threading import Event, Thread
from typing import Protocol

from cxrlens.serving.node.errors import ArchiveDownError
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.states import Outcome, Parcel
from cxrlens.serving.node.tally import Tally, log

_LEAVE_S = 10.0

AT_ONCE = 32
"""Images whose results go out together."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What an archive said to the results of one image.

    Args:
        parcel: the results.
        outcomes: by part; a part without one waits.
        note: why parts were refused or wait, blank where none was; nothing of the image.
    """

    parcel: Parcel
    outcomes: Mapping[int, Outcome]
    note: str = ""


class Archive(Protocol):
    """Where results go."""

    def deliver(self, parcels: Sequence[Parcel]) -> Generator[Delivery, None, None]:
        """Send; what was said is told as soon as it is known.

        Raises:
            ArchiveDownError: it cannot be reached, or the connection ended; what was not told of waits.
        """


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before sending again.

    Args:
        first_s: after the archive was found down; doubled each time.
        longest_s: and no longer than that.
        image_s: for an image whose results the archive would not take now, while others go on.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    image_s: float = 15.0


PATIENCE = Patience()


class Outbox:
    """A thread that takes results from the queue to the archive.

    Args:
        queue: of results.
        archive: where they go.
        tally: what happened is counted there.
        patience: how long it waits.
    """

    def __init__(self, queue: Queue, archive: Archive, tally: Tally, patience: Patience = PATIENCE) -> None:
        self._queue, self._archive, self._tally, self._patience = queue, archive, tally, patience
        self._stopping, self._fault = Event(), ""
        self._thread = Thread(target=self._work, name="outbox", daemon=True)
        self.failures = 0
        """Times in a row that the archive was down."""
        self.error: ArchiveDownError | None = None
        """What it was the last time; ``None`` once it is up."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the image that is being sent, and return then, or after a while: an archive that hangs holds up nothing,
        and what it did not answer is sent again at the next start."""
        self._stopping.set()
        self._queue.ready.set()
        self._thread.join(_LEAVE_S)

    def step(self) -> int:
        """Send what waits and whose time has come; how many images there were.

        Raises:
            ArchiveDownError: it is down.
        """
        parcels = self._queue.outgoing(AT_ONCE)
        whole = [parcel for parcel in parcels if self._is_whole(parcel)]
        with closing(self._archive.deliver(whole)) as deliveries:
            for delivery in deliveries:
                self._settle(delivery)
                if self._stopping.is_set():
                    break
        return len(parcels)

    def _is_whole(self, parcel: Parcel) -> bool:
        """Files that somebody else took out of the folder shall not stop the rest."""
        gone = [part for part, path in parcel.parts.items() if not path.is_file()]
        if gone:
            lost = dict.fromkeys(gone, Outcome.REFUSED)
            self._settle(Delivery(parcel, lost, "a file is gone from the queue folder"))
        return not gone

    def _settle(self, delivery: Delivery) -> None:
        state = self._queue.settle(delivery.parcel, delivery.outcomes, delivery.note, self._patience.image_s)
        self._tally.add({"delivered": "answered", "failed": "failed", "judged": "put off"}[state])
        if delivery.note:
            log.warning("results of an image: %s", delivery.note)
        if any(outcome is Outcome.TAKEN for outcome in delivery.outcomes.values()):
            self._is_up()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self.step() and not self._stopping.is_set():
                    self._queue.ready.wait(0.5)
            except ArchiveDownError as error:
                self._is_down(error)
            except (OSError, sqlite3.Error) as error:
                log.error("the queue cannot be used (%s)", type(error).__name__)
                self._stopping.wait(self._patience.first_s)
            except Exception as error:  # noqa: BLE001 # a thread that ends would leave results standing
                log.error("sending failed (%s)", type(error).__name__)
                self._stopping.wait(self._patience.first_s)

    def _is_up(self) -> None:
        if self.error is not None:
            log.info("the archive is up again")
        self.failures, self.error, self._fault = 0, None, ""

    def _is_down(self, error: ArchiveDownError) -> None:
        wait = min(self._patience.longest_s, self._patience.first_s * 2.0 ** min(self.failures, 30))
        self.failures, self.error = self.failures + 1, error
        if error.fault != self._fault:
            self._fault = error.fault
            log.warning("%s %s; results wait in the queue, next try in %.0f s", error.subject, error.fault, wait)
        self._tally.add("archive down")
        # Several nodes that wait for one archive shall not all come back in the same moment.
        until = time.monotonic() + wait * random.uniform(0.75, 1.0)  # noqa: S311
        self._stopping.wait(max(0.0, until - time.monotonic()))
