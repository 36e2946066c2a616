"""Many images through one predictor, in the order given, with never more than a few of them in memory."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxrlens import RESEARCH_ONLY, SYNTHETIC_NOTE
from cxrlens.allocator import keep_freed_memory
from cxrlens.cores import usable_cores
from cxrlens.errors import CxrlensError, OptionError, printable
from cxrlens.folders import write_atomically
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Radiograph
from cxrlens.serving.apart import not_judged, or_apart
from cxrlens.serving.prediction import Prediction
from cxrlens.serving.predictor import Predictor
from cxrlens.sources.reading import read_or_error

AT_ONCE = 4
"""Images judged together, on each thread."""

_LONGEST_STEM = 200
"""Bytes: file systems take names of 255."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How images are judged.

    Args:
        cam: folder for overlays of where the network looked; none where ``None``.
        target: the class to explain; the likeliest one of each image where ``None``.
        workers: threads, each of which decodes and judges; 0 takes one for each core this process may use. The
            network itself then needs no more than one thread (``threads=1`` where it is loaded).
        dicom: folder for DICOM objects of the answers to DICOM images; none where ``None``.
        layer: of the network, whose heat-map is shown; the deepest where ``None``.
    """

    cam: Path | None = None
    target: str | None = None
    workers: int = 0
    dicom: Path | None = None
    layer: str | None = None


def predict_files(
    predictor: Predictor,
    paths: Sequence[Path],
    options: StreamOptions = StreamOptions(),
    progress: Progress = quiet,
) -> Iterator[Prediction]:
    """Judge files; one that cannot be read is a row with its error and stops nothing.

    Args:
        predictor: of an exported model.
        paths: any number of files.
        options: how.
        progress: shown over files.

    Yields:
        A prediction for each path, in order.

    Raises:
        OptionError: overlays or DICOM objects are asked for and cannot be made or written.
    """
    groups = [paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE)]
    workers = min(options.workers or usable_cores(), len(groups))
    rows = _in_turn(predictor, groups, options) if workers < 2 else _together(predictor, groups, options, workers)
    yield from progress(rows, len(paths), "judging images")


def _in_turn(predictor: Predictor, groups: Sequence[Sequence[Path]], options: StreamOptions) -> Iterator[Prediction]:
    for group in groups:
        yield from _judged(predictor, group, options)


def _together(
    predictor: Predictor, groups: Sequence[Sequence[Path]], options: StreamOptions, workers: int
) -> Iterator[Prediction]:
    """Groups on threads (decoders, OpenCV and the network release the interpreter's lock), in the order given."""
    from concurrent.futures import Future, ThreadPoolExecutor

    keep_freed_memory()
    waiting: deque[Future[list[Prediction]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="judge") as pool:
        try:
            for group in groups:
                waiting.append(pool.submit(_judged, predictor, group, options))
                if len(waiting) > workers:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:  # the caller may stop early
            for future in waiting:
                future.cancel()


def _judged(predictor: Predictor, paths: Sequence[Path], options: StreamOptions) -> list[Prediction]:
    """A few files from the disk to their rows; nothing of the pixels is left afterwards."""
    reads = [read_or_error(path, unforeseen=lambda _: None) for path in paths]  # its row says what it was
    films = [read for read in reads if isinstance(read, Radiograph)]
    mapped = options.cam is not None or (options.dicom is not None and bool(predictor.network.layers))

    def judged(some: Sequence[Radiograph]) -> list[Prediction]:
        return predictor.judge(some, cam=mapped, target=options.target, layer=options.layer)

    def failed(film: Radiograph, error: Exception) -> Prediction:
        if isinstance(error, CxrlensError):
            raise error
        return predictor.unreadable(film.path, not_judged(film.path, error))

    answers = iter(or_apart(judged, films, failed))
    rows = []
    for path, read in zip(paths, reads, strict=True):
        film = None if isinstance(read, CxrlensError) else read
        answer = predictor.unreadable(str(path), read) if isinstance(read, CxrlensError) else next(answers)
        if options.dicom is not None:
            from cxrlens.serving.dicom.files import write_objects  # here, since it takes long to import

            answer = write_objects(options.dicom, path, answer, film)
        if options.cam is not None and answer.heat_map is not None:
            answer = answer.with_cam(str(_write_overlay(options.cam, path, answer)))
        rows.append(replace(answer, heat_map=None))
    return rows


def _title(answer: Prediction) -> str:
    heat = answer.heat_map
    assert heat is not None
    return f"{heat.method} for {heat.label}, layer {heat.layer}, model {answer.model['hash'][:12]}"


def _write_overlay(folder: Path, source: Path, answer: Prediction) -> Path:
    """One PNG at the size of the original, with a strip below it where the map is flagged. Its name holds a hash of the
    source's path, so that two files of one name do not meet, without anybody having to remember all names."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from cxrlens.serving.marking import about, marked
    from cxrlens.sources.synthetic import is_synthetic

    heat = answer.heat_map
    assert heat is not None
    told = PngInfo()
    told.add_text("Title", _title(answer))
    told.add_text("Comment", f"{SYNTHETIC_NOTE}. {RESEARCH_ONLY}" if is_synthetic(source) else RESEARCH_ONLY)
    for keyword, words in about(heat.doubts).items():
        told.add_text(keyword, words)
    buffer = io.BytesIO()
    Image.fromarray(marked(heat.overlay(), heat.doubts)).save(buffer, format="PNG", pnginfo=told, compress_level=3)
    key = hashlib.sha256(str(source.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    target = folder / f"{_plain(source.stem)}_{key}_cam.png"
    try:
        write_atomically(target, buffer.getvalue())
    except OSError as error:
        fault = f"cannot be written ({error.strerror or error})"
        raise OptionError(target, fault, "choose another --cam, or free some space") from error
    return target


def _plain(stem: str) -> str:
    """A name that leaves room for what is added to it, and that no terminal obeys."""
    return printable(stem).encode()[:_LONGEST_STEM].decode(errors="ignore")
