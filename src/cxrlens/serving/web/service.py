"""What all routes share: the model, the engine, the results, and threads for pictures on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from cxrlens.errors import OptionError, UnreadableImageError
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.engine import Engine, Job, Judged
from cxrlens.serving.web.metrics import Metrics
from cxrlens.serving.web.options import ServerOptions
from cxrlens.serving.web.problems import Problem
from cxrlens.serving.web.results import Result, Results
from cxrlens.serving.web.uploads import Budget, Reader, Upload
from cxrlens.sources.filetype import HEAD_BYTES, sniff

T = TypeVar("T")

_DRAWN_AT_ONCE, _MAY_WAIT = 2, 64


@dataclass(slots=True)
class Artist:
    """Draws pictures and documents on a few threads of its own, so that judging goes on. The event loop's alone."""

    pool: ThreadPoolExecutor
    waiting: int = 0

    async def draw(self, work: Callable[[], T]) -> T:
        """:class:`Problem` 503 where too many wait already."""
        if self.waiting >= _MAY_WAIT:
            detail = f"{_MAY_WAIT} pictures are waiting to be drawn; ask again in 2 s"
            raise Problem(503, "busy", detail, {"Retry-After": "2"})
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, work)
        finally:
            self.waiting -= 1


class Service:
    """One model, served.

    Args:
        predictor: of an exported model.
        options: see :class:`ServerOptions`.
    """

    def __init__(self, predictor: Predictor, options: ServerOptions) -> None:
        self.predictor = predictor
        self.options = options
        self.metrics = Metrics()
        self.engine = Engine(predictor, options, self.metrics)
        self.results = Results(options.keep)
        self.budget = Budget(options.limits.in_flight)
        self.artist = Artist(ThreadPoolExecutor(_DRAWN_AT_ONCE, thread_name_prefix="draw"))

    @property
    def layers(self) -> tuple[str, ...]:
        """That heat-maps can be asked of."""
        return self.predictor.network.layers

    async def predict(self, request: Request, target: str | None) -> list[Result]:
        """Read a request's files, judge them, remember what was said.

        Raises:
            Problem: 413, 415, 422, 503, 504; see docs/server.md.
            ClientDisconnect: nobody waits any more; what was not judged yet is dropped.
        """
        self.check_target(target)
        reader = Reader(self.options.limits, self.budget)
        try:
            uploads = await reader.read(request)
            jobs = self.engine.admit(uploads)
            answers = await self._wait(request, jobs)
            return [self._keep(u, answer, target, len(uploads)) for u, answer in zip(uploads, answers, strict=True)]
        finally:
            self.budget.give(reader.taken)

    def check_target(self, target: str | None) -> None:
        """:class:`Problem` 422 for a class that the model does not know."""
        classes = self.predictor.network.classes
        if target is not None and target not in classes:
            raise Problem(422, "unknown-class", f"the model does not know that class; use one of {', '.join(classes)}")

    def check_layer(self, layer: str | None) -> None:
        """:class:`Problem` 422 for a layer that the model has no maps of."""
        network = self.predictor.network
        if network.maps:
            try:
                network.layer_maps(layer)
            except OptionError as error:
                raise Problem(422, "unknown-layer", f"the model has no maps of that layer; {error.remedy}") from error

    def told_gauges(self) -> None:
        """Bring the gauges of what is kept up to date."""
        self.results.sweep()
        self.metrics.kept.set(len(self.results))
        self.metrics.kept_bytes.set(self.results.bytes)

    async def _wait(self, request: Request, jobs: list[Job]) -> list[Judged | Problem]:
        """All answers, unless the client leaves or the deadline passes first."""
        together = asyncio.gather(*(job.answer for job in jobs))
        leaving = asyncio.ensure_future(_left(request))
        try:
            either: set[asyncio.Future[Any]] = {together, leaving}
            await asyncio.wait(either, timeout=self.options.deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if together.done():
                return list(together.result())
            if leaving.done():
                raise ClientDisconnect
            seconds = f"{self.options.deadline_s:g}"
            raise Problem(504, "deadline", f"no answer within {seconds} s; send it again later")
        finally:
            leaving.cancel()
            if not together.done():
                self.engine.drop(jobs)
                together.cancel()

    def _keep(self, upload: Upload, answer: Judged | Problem, target: str | None, files: int) -> Result:
        """One answer remembered; :class:`Problem` where it is the only one of its request, and none."""
        if isinstance(answer, Problem):
            if files == 1:
                raise answer
            failed = UnreadableImageError(upload.name, "could not be judged", answer.detail)
            answer = Judged(self.predictor.unreadable(upload.name, failed))
        if files == 1 and answer.film is None:
            raise no_image(upload, answer.prediction.reason)
        result = Result(answer.prediction, answer.film, upload.data if answer.dicom else None, target)
        self.metrics.radiographs.labels(answer.prediction.status).inc()
        self.results.add(result)
        return result


async def _left(request: Request) -> None:
    """Ends when the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def no_image(upload: Upload, reason: str) -> Problem:
    """415 for what is no picture at all, 422 for a picture that cannot be read."""
    known = bool(sniff(upload.data[:HEAD_BYTES]))
    return Problem(422 if known or not upload.data else 415, "no-image", f"the file {reason}")
