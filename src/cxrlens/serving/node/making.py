"""Results made in processes of their own: making DICOM objects is Python, of which a process does one core's worth
whatever its threads, and a node has other things to do meanwhile.

A helper is this module run as a program, started when first needed. Images and results go through a socket that is
theirs alone, never over the disk, and a helper ends when the other end is closed: also where the node was killed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Protocol

from cxrlens import __version__
from cxrlens.allocator import keep_freed_memory
from cxrlens.errors import CxrlensError
from cxrlens.radiograph import Radiograph
from cxrlens.serving.dicom.results import ResultOptions, build_results, to_bytes
from cxrlens.serving.prediction import Prediction

PATIENCE_S = 300.0
"""After so long over one image a helper is taken to hang."""

_KEPT = 64 << 20
_START_S, _LOOK_S = 120.0, 2.0


class HelperDiedError(RuntimeError):
    """A helper ended, or hung, over an image."""


class HelperStartError(RuntimeError):
    """A helper does not come up, or is of another version: no image is to blame, and all of them wait."""


class Making(Protocol):
    """Makes the results of one image; threads may share it."""

    def make(
        self, source: bytes, prediction: Prediction, film: Radiograph | None, kinds: tuple[str, ...]
    ) -> list[bytes] | str:
        """See :func:`objects_of`.

        Raises:
            HelperDiedError: the process that did it ended; the image may be why.
            HelperStartError: there is no process to do it; the image is not why.
        """

    def close(self) -> None:
        """Nothing more is asked of it."""


def objects_of(
    source: bytes, prediction: Prediction, film: Radiograph | None, kinds: tuple[str, ...]
) -> list[bytes] | str:
    """The files of an image's results, or why there are none.

    Args:
        source: the image's file.
        prediction: what is said of it.
        film: as it was read; ``None`` where it cannot be.
        kinds: of objects, the report first; where the others cannot be made it is made alone.
    """
    fault = ""
    for wanted in (kinds, kinds[:1]):
        try:
            return [to_bytes(dataset) for dataset in build_results(source, prediction, ResultOptions(wanted, film))]
        except Exception as error:  # noqa: BLE001 # headers hold whatever their makers put there
            fault = error.fault if isinstance(error, CxrlensError) else type(error).__name__
    return f"no report can be made ({fault})"


class Here:
    """Makes results in this process."""

    def make(
        self, source: bytes, prediction: Prediction, film: Radiograph | None, kinds: tuple[str, ...]
    ) -> list[bytes] | str:
        """See :class:`Making`."""
        return objects_of(source, prediction, film, kinds)

    def close(self) -> None:
        """There is nothing to end."""


@dataclass(frozen=True, slots=True)
class _Helper:
    """A process, and our end of the socket."""

    process: subprocess.Popen[bytes]
    line: Connection

    @classmethod
    def start(cls) -> _Helper:
        ours, theirs = Pipe()
        with theirs:
            # Never from the folder that we happen to be in. A session of its own: an interrupt from the keyboard is for
            # the node, which may want an answer still.
            command = [sys.executable, "-P", "-m", __name__, str(theirs.fileno()), str(os.getpid())]
            quiet = subprocess.DEVNULL
            process = subprocess.Popen(
                command,
                stdin=quiet,
                stdout=quiet,
                stderr=quiet,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        helper = cls(process, ours)
        try:
            said = ours.recv() if ours.poll(_START_S) else None
        except (OSError, EOFError):
            said = None
        if said != __version__:
            helper.end()
            raise HelperStartError("did not start" if said is None else "is of another version; start the node again")
        return helper

    def end(self) -> None:
        """Kill it: it holds nothing that anybody waits for."""
        self.process.kill()
        self.line.close()
        self.process.wait()


class Apart:
    """Makes results in helpers, as many as threads ask at once. One that dies takes no other image with it.

    Args:
        patience_s: for one image; a helper that takes longer is killed.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s, self._lock = patience_s, threading.Lock()
        self._idle: list[_Helper] = []

    def make(
        self, source: bytes, prediction: Prediction, film: Radiograph | None, kinds: tuple[str, ...]
    ) -> list[bytes] | str:
        """See :class:`Making`."""
        helper = self._helper()
        timer = threading.Timer(self._patience_s, helper.process.kill)
        timer.daemon = True
        timer.start()
        try:
            helper.line.send((source, prediction, film, kinds))
            answer: list[bytes] | str = helper.line.recv()
        except (OSError, EOFError) as error:
            helper.end()
            raise HelperDiedError("the process that made its results ended") from error
        except BaseException:  # half of it may be under way
            helper.end()
            raise
        finally:
            timer.cancel()
        with self._lock:
            self._idle.append(helper)
        return answer

    def close(self) -> None:
        """End the helpers; the last one asked for must have answered."""
        with self._lock:
            idle, self._idle = self._idle, []
        for helper in idle:
            helper.end()

    def _helper(self) -> _Helper:
        with self._lock:
            while self._idle:
                helper = self._idle.pop()
                if helper.process.poll() is None:
                    return helper
                helper.end()  # somebody killed it between two images
        return _Helper.start()


def _leave_with(parent: int) -> None:
    """Nobody's children end nothing by themselves: one that hangs in a decoder would burn a core for ever."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def _serve(line: Connection) -> None:
    try:
        line.send(__version__)
        while True:
            line.send(objects_of(*line.recv()))
    except (OSError, EOFError):  # the node is gone
        return


def _main() -> None:
    import cv2

    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all of a service's processes: the node ends us in time
        signal.signal(number, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # they quote values of headers
    keep_freed_memory(_KEPT)
    cv2.setNumThreads(1)  # there is a helper for each core
    threading.Thread(target=_leave_with, args=(int(sys.argv[2]),), daemon=True).start()
    _serve(Connection(int(sys.argv[1])))
    os._exit(0)  # nothing is left to flush, and nobody to tell


if __name__ == "__main__":
    _main()
