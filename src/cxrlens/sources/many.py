"""Many files in order, several at a time, and never more in memory than are being worked on."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path

from cxrlens.errors import CxrlensError, UnreadableImageError
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Radiograph
from cxrlens.sources.limits import DEFAULT_LIMITS, ReadLimits
from cxrlens.sources.reading import read_radiograph

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
    return progress(_read_in_order(paths, workers or _cores(), limits), total=len(paths), what="reading images")


def _read_in_order(
    paths: Sequence[Path], workers: int, limits: ReadLimits
) -> Iterator[tuple[int, Radiograph | CxrlensError]]:
    if workers == 1:
        for index, path in enumerate(paths):
            yield index, _read(path, limits)
        return
    _keep_freed_memory()
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
    try:
        return read_radiograph(path, limits)
    except CxrlensError as error:
        return error
    except MemoryError:
        return UnreadableImageError(path, "does not fit into memory", "shrink it, or read with fewer workers")


@cache
def _keep_freed_memory() -> None:
    """Let glibc keep up to 256 MiB of freed pixels for the next files, once a process.

    Its threads hand freed memory back to the system at once and take it again page by page: a third to a half of the
    time of reading small JPEGs. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(trim_threshold, 256 << 20)
    mallopt(mmap_threshold, 32 << 20)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
