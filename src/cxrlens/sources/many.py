"""Many files in order, several at a time, and never more in memory than are being worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

from cxrlens.allocator import keep_freed_memory
from cxrlens.cores import usable_cores
from cxrlens.errors import CxrlensError
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Radiograph
from cxrlens.sources.limits import DEFAULT_LIMITS, ReadLimits
from cxrlens.sources.reading import read_or_error

_AHEAD = 4
"""Files in flight for each worker: enough that none waits for a slow neighbour."""


def read_many(
    paths: Sequence[Path],
    workers: int = 0,
    progress: Progress = quiet,
    limits: ReadLimits = DEFAULT_LIMITS,
) -> Iterator[tuple[int, Radiograph | CxrlensError]]:
    """Read files on threads (decoders release the interpreter's lock), and yield them in the order given.

    Args:
        paths: any number of files.
        workers: threads; 0 takes one for each core this process may use.
        progress: wraps the files that are done.
        limits: as for ``read_radiograph``.

    Yields:
        Index into ``paths``, and the radiograph, or the error that says why there is none. A bad file stops nothing.
    """
    return progress(_read_in_order(paths, workers or usable_cores(), limits), total=len(paths), what="reading images")


def _read_in_order(
    paths: Sequence[Path], workers: int, limits: ReadLimits
) -> Iterator[tuple[int, Radiograph | CxrlensError]]:
    if workers == 1:
        for index, path in enumerate(paths):
            yield index, _read(path, limits)
        return
    _settle_allocator()
    waiting: deque[tuple[int, Future[Radiograph | CxrlensError]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="read") as pool:
        try:
            for index, path in enumerate(paths):
                waiting.append((index, pool.submit(_read, path, limits)))
                if len(waiting) >= workers * _AHEAD:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:  # the caller may stop early
            for _, future in waiting:
                future.cancel()


def _read(path: Path, limits: ReadLimits) -> Radiograph | CxrlensError:
    return read_or_error(path, limits, "shrink it, or read with fewer workers")


@cache
def _settle_allocator() -> None:
    """Once a process."""
    keep_freed_memory()
