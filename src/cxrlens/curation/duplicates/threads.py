"""Threads for the search: one for each core, and none inside the libraries.

BLAS and faiss bring threads of their own, which wait for each other by spinning: two of them beside a busy core took
three times the processor's time of one. Here the work is cut into pieces and each piece runs on one thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

import faiss
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cxrlens.cores import usable_cores


@contextmanager
def one_thread_each(workers: int = 0) -> Iterator[Executor]:
    """A pool of ``workers`` threads (0: one for each core this process may use) in which the libraries use no further
    ones."""
    # OpenMP keeps its number of threads for each thread that calls it: it is set in every thread of the pool, and here.
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        with (
            threadpool_limits(1, user_api="blas"),
            ThreadPoolExecutor(workers or usable_cores(), "duplicates", faiss.omp_set_num_threads, (1,)) as pool,
        ):
            yield pool
    finally:
        faiss.omp_set_num_threads(before)
