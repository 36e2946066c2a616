"""Several ways to one archive at once: an archive that flushes each object to its disk keeps one sender waiting."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from queue import SimpleQueue
from threading import Event, Thread

from cxrlens.serving.node.outbox import Archive, Delivery
from cxrlens.serving.node.states import Parcel

WAYS = 4
"""Associations or connections at once: an Orthanc 1.10 then takes about three times as many objects."""


class Spread:
    """Splits parcels among several deliveries to the same archive; parts of one image stay together and in order.

    Args:
        archive: whose ``deliver`` may be called from several threads.
        ways: at most so many at once.
    """

    def __init__(self, archive: Archive, ways: int = WAYS) -> None:
        self._archive, self._ways = archive, ways

    def deliver(self, parcels: Sequence[Parcel]) -> Generator[Delivery, None, None]:
        """See :class:`cxrlens.serving.node.outbox.Archive`; what each way had to tell comes before its error."""
        shares = [share for i in range(self._ways) if (share := parcels[i :: self._ways])]
        told: SimpleQueue[Delivery | Exception | None] = SimpleQueue()
        stopping = Event()
        threads = [Thread(target=self._work, args=(share, told, stopping), daemon=True) for share in shares]
        for thread in threads:
            thread.start()
        fault: Exception | None = None
        going = len(threads)
        try:
            while going:
                each = told.get()
                if each is None:
                    going -= 1
                elif isinstance(each, Exception):
                    fault = fault or each
                else:
                    yield each
        finally:  # the caller may stop early
            stopping.set()
            for thread in threads:
                thread.join()
        if fault is not None:
            raise fault

    def _work(self, share: Sequence[Parcel], told: SimpleQueue[Delivery | Exception | None], stopping: Event) -> None:
        try:
            with closing(self._archive.deliver(share)) as deliveries:
                for delivery in deliveries:
                    told.put(delivery)
                    if stopping.is_set():
                        break
        except Exception as error:  # noqa: BLE001 # raised in the caller's thread
            told.put(error)
        finally:
            told.put(None)
