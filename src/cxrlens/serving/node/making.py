"""Results made in processes of their own: making DICOM objects is Python, of which a process does one core's worth
whatever its threads, and a node has other things to do meanwhile.

A helper is this module run as a program, started when first needed. Images and results go through pipes, never over the
disk, and a helper ends when its input does: also where the node was killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from typing import IO, Protocol

from cxrlens.allocator import keep_freed_memory
from cxrlens.errors import CxrlensError
from cxrlens.radiograph import Radiograph
from cxrlens.serving.dicom.results import ResultOptions, build_results, to_bytes
from cxrlens.serving.prediction import Prediction

PATIENCE_S = 300.0
"""After so long over one image a helper is taken to hang."""

_KEPT = 64 << 20


class HelperDiedError(RuntimeError):
    """A helper ended, or hung, over an image."""


class Making(Protocol):
    """Makes the results of one image; threads may share it."""

    def make(
        self, source: bytes, prediction: Prediction, film: Radiograph | None, kinds: tuple[str, ...]
    ) -> list[bytes] | str:
        """See :func:`objects_of`.

        Raises:
            HelperDiedError: the process that did it ended; the image may be why.
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


class Apart:
    """Makes results in helpers, as many as threads ask at once. One that dies takes no other image with it.

    Args:
        patience_s: for one image; a helper that takes longer is killed.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s, self._lock = patience_s, threading.Lock()
        self._idle: list[subprocess.Popen[bytes]] = []

    def make(
        self, source: bytes, prediction: Prediction, film: Radiograph | None, kinds: tuple[str, ...]
    ) -> list[bytes] | str:
        """See :class:`Making`."""
        helper = self._helper()
        timer = threading.Timer(self._patience_s, helper.kill)
        timer.daemon = True
        timer.start()
        try:
            answer = _asked(helper, (source, prediction, film, kinds))
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            _end(helper)
            raise HelperDiedError("the process that made its results ended") from error
        except BaseException:  # half of it may be under way
            _end(helper)
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
            _end(helper)

    def _helper(self) -> subprocess.Popen[bytes]:
        with self._lock:
            while self._idle:
                helper = self._idle.pop()
                if helper.poll() is None:
                    return helper
                _end(helper)  # somebody killed it between two images
        pipe = subprocess.PIPE
        command = [sys.executable, "-P", "-m", __name__]  # never from the folder that we happen to be in
        # A session of its own: an interrupt from the keyboard is for the node, which may want an answer still.
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, start_new_session=True)


def _asked(helper: subprocess.Popen[bytes], question: object) -> list[bytes] | str:
    assert helper.stdin is not None
    assert helper.stdout is not None
    pickle.dump(question, helper.stdin, protocol=5)
    helper.stdin.flush()
    answer: list[bytes] | str = pickle.load(helper.stdout)  # noqa: S301 # our own process
    return answer


def _end(helper: subprocess.Popen[bytes]) -> None:
    """Kill it: it holds nothing that anybody waits for."""
    helper.kill()
    for pipe in (helper.stdin, helper.stdout):
        with contextlib.suppress(OSError):  # what was still to be written
            if pipe is not None:
                pipe.close()
    helper.wait()


def _serve(source: IO[bytes], out: IO[bytes]) -> None:
    while True:
        try:
            question = pickle.load(source)  # noqa: S301 # the node's
        except (EOFError, pickle.UnpicklingError):
            return
        pickle.dump(objects_of(*question), out, protocol=5)
        out.flush()


def _main() -> None:
    import cv2

    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all of a service's processes: the node ends us in time
        signal.signal(number, signal.SIG_IGN)
    warnings.simplefilter("ignore")  # they quote values of headers
    keep_freed_memory(_KEPT)
    cv2.setNumThreads(1)  # there is a helper for each core
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    with contextlib.suppress(BrokenPipeError):
        _serve(sys.stdin.buffer, out)
    os._exit(0)  # the node is gone: nothing is left to flush, and nobody to tell


if __name__ == "__main__":
    _main()
