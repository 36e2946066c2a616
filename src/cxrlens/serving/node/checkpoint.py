"""A mend for one race of pynetdicom 3.0: who sends loses an answer now and then where other threads keep the CPU busy.

The library's thread of an association looks for messages all the time. ``send_c_store`` asks it to pause, and goes on
as soon as the thread says that it does; but the thread says so just before it looks whether it should, and may run one
more round. In that round it takes the answer to the request out of the queue and drops it, and the sender waits until
its time is over (pynetdicom issue 842 shows the same symptom).
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition
from typing import Any


class Checkpoint:
    """In place of the ``threading.Event`` that the thread passes each round: asking it to pause returns when it does.

    Args:
        alive: whether the thread runs; one that has ended is not waited for.
    """

    def __init__(self, alive: Callable[[], bool]) -> None:
        self._alive, self._gate, self._open, self._held = alive, Condition(), True, 0

    def is_set(self) -> bool:
        """Whether the thread may pass."""
        return self._open

    def set(self) -> None:
        """Let it pass."""
        with self._gate:
            self._open = True
            self._gate.notify_all()

    def clear(self) -> None:
        """Let it pass no more; returns when it stands here."""
        with self._gate:
            self._open = False
            while not self._held and self._alive() and not self._open:
                self._gate.wait(0.05)

    def wait(self, timeout: float | None = None) -> bool:
        """The thread's own call: it stands here while it may not pass."""
        with self._gate:
            if self._open:
                return True
            self._held += 1
            self._gate.notify_all()
            try:
                return self._gate.wait_for(lambda: self._open, timeout)
            finally:
                self._held -= 1


def mend(association: Any) -> None:
    """Put a :class:`Checkpoint` into an association that was just made."""
    association._reactor_checkpoint = Checkpoint(association.is_alive)
