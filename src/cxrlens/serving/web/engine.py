"""The engine: a bounded queue, decoding on threads, and one thread that judges what has gathered."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cxrlens.cores import usable_cores
from cxrlens.errors import CxrlensError
from cxrlens.radiograph import Radiograph
from cxrlens.serving.apart import not_judged, or_apart
from cxrlens.serving.prediction import Prediction
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.films import kept_film
from cxrlens.serving.web.metrics import Metrics
from cxrlens.serving.web.options import ServerOptions
from cxrlens.serving.web.problems import Problem, unforeseen
from cxrlens.serving.web.uploads import Upload
from cxrlens.sources.reading import decode_radiograph, or_error


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one upload.

    Args:
        prediction: as the predictor says it; status ``error`` where there is no image.
        film: as it was judged, see ``films.kept_film``; ``None`` where there is no image.
        dicom: whether the file was a DICOM file with an image.
    """

    prediction: Prediction
    film: NDArray[np.uint16] | None = field(default=None, repr=False)
    dicom: bool = False


@dataclass(slots=True, eq=False)
class Job:
    """One upload on its way. Once :attr:`dropped`, nobody waits for it and no work is done on it any more."""

    upload: Upload | None
    name: str
    answer: asyncio.Future[Judged | Problem]
    dropped: bool = False
    radiograph: Radiograph | None = None
    film: NDArray[np.uint16] | None = None


class Engine:
    """Judges uploads.

    The loop's thread admits and answers, ``decoders`` threads decode, one thread judges. Decoded films that wait are
    limited as well, for a compressed file of a kilobyte may hold a hundred megabytes of pixels.

    Args:
        predictor: of an exported model.
        options: queue, batch, waits.
        metrics: to count with.
    """

    def __init__(self, predictor: Predictor, options: ServerOptions, metrics: Metrics) -> None:
        self.predictor = predictor
        self.options = options
        self.metrics = metrics
        self.waiting = 0  # radiographs admitted and not answered; the loop's thread alone
        decoders = options.decoders or usable_cores()
        self._pool = ThreadPoolExecutor(decoders, thread_name_prefix="decode")
        self._room = threading.Semaphore(options.batch + decoders)
        self._ready: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._decoding = 0
        self._lock = threading.Lock()
        self._done: deque[float] = deque(maxlen=256)
        self._judge = threading.Thread(target=self._judge_all, name="judge", daemon=True)

    def start(self) -> None:
        """Start judging; to be called in the loop's thread."""
        self._loop = asyncio.get_running_loop()
        self._judge.start()

    @property
    def alive(self) -> bool:
        """Whether it judges."""
        return self._judge.is_alive()

    def close(self) -> None:
        """Finish what was admitted, then stop. Blocks."""
        self._pool.shutdown(wait=True)
        self._ready.put(None)
        if self._judge.is_alive():
            self._judge.join()

    def admit(self, uploads: Sequence[Upload]) -> list[Job]:
        """Take uploads in, all or none.

        Raises:
            Problem: 413 more than the queue ever holds, 503 with ``Retry-After`` where it is full.
        """
        most = self.options.queue
        if len(uploads) > most:
            raise Problem(413, "too-many-files", f"the server takes {most} files at one time; send the rest in others")
        if self.waiting + len(uploads) > most:
            wait = str(self.retry_after())
            detail = f"the queue of {most} radiographs is full; send it again in {wait} s"
            raise Problem(503, "queue-full", detail, {"Retry-After": wait})
        jobs = [Job(upload, upload.name, self._loop.create_future()) for upload in uploads]
        self._count(len(jobs))
        with self._lock:
            self._decoding += len(jobs)
        for job in jobs:
            self._pool.submit(self._decode, job)
        return jobs

    def retry_after(self) -> int:
        """Seconds until half of what waits will be answered, at the rate of late; 1 to 60."""
        now = time.monotonic()
        lately = [t for t in self._done if now - t < 30]
        rate = len(lately) / max(now - lately[0], 0.1) if len(lately) > 1 else 1.0
        return max(1, min(60, round(self.waiting / 2 / rate)))

    def drop(self, jobs: Sequence[Job]) -> None:
        """Nobody waits for these any more."""
        for job in jobs:
            job.dropped = True

    def _count(self, change: int) -> None:
        self.waiting += change
        self.metrics.queue.set(self.waiting)

    # --- decoding threads

    def _decode(self, job: Job) -> None:
        self._room.acquire()
        answer: Judged | Problem | None = None
        try:
            if not job.dropped:
                answer = self._read(job)
        finally:
            job.upload = None
            with self._lock:
                self._decoding -= 1
        if job.radiograph is not None:
            self._ready.put(job)
            return
        self._room.release()
        self._answer([(job, answer)])

    def _read(self, job: Job) -> Judged | Problem | None:
        """Decode it; the answer where that is the end of it."""
        data, name = job.upload.data if job.upload else b"", Path(job.name)

        def read() -> tuple[Radiograph, NDArray[np.uint16]]:
            radiograph = decode_radiograph(data, name, self.options.limits.reading)
            return radiograph, kept_film(radiograph.pixels)

        found = or_error(read, name, unforeseen=self._unforeseen)
        if isinstance(found, CxrlensError):
            return Judged(self.predictor.unreadable(job.name, found))
        job.radiograph, job.film = found
        return None

    def _unforeseen(self, error: Exception) -> None:
        """A fault of a decoder, which must not stop the others."""
        self.metrics.faults.inc()
        unforeseen(error, "decoding")

    # --- the judging thread

    def _judge_all(self) -> None:
        while (batch := self._gather()) is not None:
            wanted = [job for job in batch if not job.dropped]
            answers: list[tuple[Job, Judged | Problem | None]] = [(job, None) for job in batch if job.dropped]
            if wanted:
                self.metrics.batch.observe(len(wanted))
                with self.metrics.judging.time():
                    answers += zip(wanted, self._judged(wanted), strict=True)
            for job in batch:
                job.radiograph = job.film = None
                self._room.release()
            self._answer(answers)

    def _gather(self) -> list[Job] | None:
        """The next few; waits for company only while others are being decoded. ``None`` at the end."""
        job = self._ready.get()
        if job is None:
            return None
        batch, until = [job], time.monotonic() + self.options.wait_ms / 1000
        while len(batch) < self.options.batch:
            patience = until - time.monotonic() if self._decoding else 0.0
            try:
                job = self._ready.get(timeout=patience) if patience > 0 else self._ready.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._ready.put(None)
                break
            batch.append(job)
        return batch

    def _judged(self, jobs: Sequence[Job]) -> list[Judged | Problem]:
        """Together, or one by one where that fails."""
        return or_apart(self._judged_together, jobs, self._failed)

    def _judged_together(self, jobs: Sequence[Job]) -> list[Judged | Problem]:
        pairs = self.predictor.judge_with_films([job.radiograph for job in jobs if job.radiograph is not None])
        answers: list[Judged | Problem] = []
        for job, (prediction, judged) in zip(jobs, pairs, strict=True):
            film = job.film if judged is job.radiograph else kept_film(judged.pixels)
            answers.append(Judged(prediction, film, judged.file_format == "DICOM"))
        return answers

    def _failed(self, job: Job, error: Exception) -> Judged | Problem:
        if isinstance(error, MemoryError):
            return Judged(self.predictor.unreadable(job.name, not_judged(job.name, error)))
        self.metrics.faults.inc()
        return unforeseen(error, "judging")

    def _answer(self, answers: Sequence[tuple[Job, Judged | Problem | None]]) -> None:
        self._loop.call_soon_threadsafe(self._tell, answers)

    def _tell(self, answers: Sequence[tuple[Job, Judged | Problem | None]]) -> None:
        now = time.monotonic()
        for job, answer in answers:
            self._count(-1)
            if answer is not None:
                self._done.append(now)
            if answer is not None and not job.answer.done():
                job.answer.set_result(answer)
