"""From an accepted image to its results: decoded, judged, written as DICOM objects; a few images at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread

from cxrlens.cores import usable_cores
from cxrlens.errors import CxrlensError, OptionError
from cxrlens.radiograph import Radiograph
from cxrlens.serving.apart import not_judged, or_apart
from cxrlens.serving.dicom.results import KINDS
from cxrlens.serving.folder import ModelError
from cxrlens.serving.node.making import HelperDiedError, Here, Making
from cxrlens.serving.node.queue import Queue
from cxrlens.serving.node.states import Waiting
from cxrlens.serving.node.tally import Tally, log
from cxrlens.serving.prediction import Prediction
from cxrlens.serving.predictor import Predictor
from cxrlens.sources.reading import decode_radiograph, or_error

AT_ONCE = 4
"""Images judged together, on each thread."""

MOST_ATTEMPTS = 4
"""An image that a process began so often without ending it is given up: it may be what ends the process."""

_UNNAMED = Path("image")
_PAUSE_S = 5.0


def kinds_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Kinds of DICOM objects by name, all of them where none is named; the report is always first among them.

    Raises:
        OptionError: an unknown name.
    """
    report = next(iter(KINDS))
    for name in names:
        if name not in KINDS:
            raise OptionError(f"--result {name}", "is not known", f"use any of {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in (report, *(names or KINDS)))


class Judge:
    """Threads that take images from the queue and put their results there.

    Args:
        queue: of images.
        predictor: of an exported model.
        tally: what happened is counted there.
        kinds: of DICOM objects that are made, the report first.
        making: what makes them; closed by :meth:`stop`.
    """

    def __init__(
        self,
        queue: Queue,
        predictor: Predictor,
        tally: Tally,
        kinds: tuple[str, ...] = tuple(KINDS),
        making: Making | None = None,
    ) -> None:
        self._queue, self._predictor, self._tally, self._kinds = queue, predictor, tally, kinds
        self._making = Here() if making is None else making
        self._stopping = Event()
        self._threads = [Thread(target=self._work, name=f"judge-{i}", daemon=True) for i in range(usable_cores())]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End what is begun, and return then."""
        self._stopping.set()
        self._queue.arrived.set()
        for thread in self._threads:
            thread.join()
        self._making.close()

    def step(self) -> int:
        """Judge a few images that wait; how many there were."""
        images = self._queue.take(AT_ONCE)
        if not images:
            return 0
        try:
            answers, again = {}, []
            for image, results in zip(images, self._answer(images), strict=True):
                if results is None:
                    log.warning("a process ended over an image, which is judged again")
                    again.append(image)
                elif isinstance(results, str):
                    log.warning("an image cannot be answered: %s", results)
                    self._tally.add("failed")
                    self._queue.failed(image, results)
                else:
                    answers[image] = results
            if answers:
                self._queue.judged(answers)
                self._tally.add("judged", len(answers))
            self._queue.judge_again(again)
        except BaseException:
            self._queue.give_back(images)
            raise
        return len(images)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self.step() and not self._stopping.is_set():
                    self._queue.arrived.wait(0.5)
            except (OSError, sqlite3.Error) as error:
                log.error("results cannot be written (%s); next try in %.0f s", type(error).__name__, _PAUSE_S)
                self._stopping.wait(_PAUSE_S)
            except Exception as error:  # noqa: BLE001 # a thread that ends would leave the queue standing
                log.error("judging failed (%s); next try in %.0f s", type(error).__name__, _PAUSE_S)
                self._stopping.wait(_PAUSE_S)

    def _answer(self, images: Sequence[Waiting]) -> list[list[bytes] | str | None]:
        """The results of each image, the report first; or why there are none; ``None`` where it must be tried again."""
        sources: list[bytes | str] = [self._source(image) for image in images]
        films = [_read(source) if isinstance(source, bytes) else None for source in sources]
        judged = iter(self._judge([film for film in films if isinstance(film, Radiograph)]))
        answers: list[list[bytes] | str | None] = []
        for source, film in zip(sources, films, strict=True):
            if isinstance(source, str):
                answers.append(source)
                continue
            if isinstance(film, Radiograph):
                answers.append(self._objects(source, next(judged), film))
            else:
                assert film is not None
                answers.append(self._objects(source, self._predictor.unreadable(str(_UNNAMED), film), None))
        return answers

    def _source(self, image: Waiting) -> bytes | str:
        if image.attempts >= MOST_ATTEMPTS:
            return f"a process ended {image.attempts} times while it was judged"
        try:
            return self._queue.source(image)
        except FileNotFoundError:  # somebody else was in the folder
            return "its file is gone from the queue folder"

    def _judge(self, films: Sequence[Radiograph]) -> list[Prediction]:
        def judged(some: Sequence[Radiograph]) -> list[Prediction]:
            return self._predictor.judge(some, cam=not self._predictor.network.no_maps)

        def failed(_: Radiograph, error: Exception) -> Prediction:
            if isinstance(error, ModelError | OSError):
                raise error  # the model's folder, not the film: everything waits until it is mended
            return self._predictor.unreadable(str(_UNNAMED), not_judged(_UNNAMED, error))

        return or_apart(judged, films, failed)

    def _objects(self, source: bytes, prediction: Prediction, film: Radiograph | None) -> list[bytes] | str | None:
        try:
            return self._making.make(source, prediction, film, self._kinds)
        except HelperDiedError:
            return None


def _read(source: bytes) -> Radiograph | CxrlensError:
    def unforeseen(error: Exception) -> None:
        log.error("fault in decoding: %s", type(error).__name__)

    return or_error(lambda: decode_radiograph(source, _UNNAMED), _UNNAMED, unforeseen=unforeseen)
