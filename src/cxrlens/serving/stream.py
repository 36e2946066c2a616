"""Many images through one predictor, in the order given, with never more than a few of them in memory."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrlens import RESEARCH_ONLY, SYNTHETIC_NOTE
from cxrlens.errors import CxrlensError, OptionError
from cxrlens.folders import write_atomically
from cxrlens.progress import Progress, quiet
from cxrlens.radiograph import Radiograph
from cxrlens.serving.prediction import Prediction
from cxrlens.serving.predictor import Predictor
from cxrlens.sources.many import read_many

AT_ONCE = 8
"""Images judged together."""


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """How images are judged.

    Args:
        cam: folder for overlays of where the network looked; none where ``None``.
        target: the class to explain; the likeliest one of each image where ``None``.
        workers: threads that decode; 0 takes one for each core this process may use.
    """

    cam: Path | None = None
    target: str | None = None
    workers: int = 0


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
        OptionError: overlays are asked for and cannot be made or written.
    """
    workers = options.workers if len(paths) > 1 else 1
    waiting: list[tuple[Path, Radiograph | CxrlensError]] = []
    for index, read in read_many(paths, workers, progress):
        waiting.append((paths[index], read))
        if len(waiting) == AT_ONCE:
            yield from _judged(predictor, waiting, options)
            waiting = []
    yield from _judged(predictor, waiting, options)


def find_images(given: Sequence[Path]) -> tuple[list[Path], list[CxrlensError]]:
    """Files as given, the images of folders at any depth, and the folders that could not be opened.

    Raises:
        OptionError: no image among all of them.
    """
    from cxrlens.sources.walk import walk

    paths: list[Path] = []
    problems: list[CxrlensError] = []
    for path in given:
        if not path.is_dir():
            paths.append(path)
            continue
        found = walk(path)
        paths += found.images
        problems += found.problems
    if not paths:
        subject = ", ".join(map(str, given))
        raise OptionError(subject, "holds no image", "give image or DICOM files, or folders of them")
    return paths, problems


def _judged(
    predictor: Predictor, waiting: Sequence[tuple[Path, Radiograph | CxrlensError]], options: StreamOptions
) -> Iterator[Prediction]:
    films = [read for _path, read in waiting if isinstance(read, Radiograph)]
    answers = iter(predictor.judge(films, cam=options.cam is not None, target=options.target))
    for path, read in waiting:
        if isinstance(read, CxrlensError):
            yield predictor.unreadable(str(path), read)
            continue
        answer = next(answers)
        if options.cam is not None and answer.heat_map is not None:
            answer = answer.with_cam(str(_write_overlay(options.cam, path, answer)))
        yield answer


def _write_overlay(folder: Path, source: Path, answer: Prediction) -> Path:
    """One PNG at the size of the original. Its name holds a hash of the source's path, so that two files of one name
    do not meet, without anybody having to remember all names."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from cxrlens.sources.synthetic import is_synthetic

    assert answer.heat_map is not None
    told = PngInfo()
    told.add_text("Title", f"Grad-CAM for {answer.heat_map.label}, model {answer.model['hash'][:12]}")
    told.add_text("Comment", f"{SYNTHETIC_NOTE}. {RESEARCH_ONLY}" if is_synthetic(source) else RESEARCH_ONLY)
    buffer = io.BytesIO()
    Image.fromarray(answer.heat_map.overlay()).save(buffer, format="PNG", pnginfo=told, compress_level=3)
    key = hashlib.sha256(str(source.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    target = folder / f"{source.stem}_{key}_cam.png"
    try:
        write_atomically(target, buffer.getvalue())
    except OSError as error:
        fault = f"cannot be written ({error.strerror or error})"
        raise OptionError(target, fault, "choose another --cam, or free some space") from error
    return target
