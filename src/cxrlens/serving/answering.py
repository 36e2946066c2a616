"""What ``cxrlens predict`` does: find the images, load the model, write a row each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxrlens.errors import OptionError, WriteError
from cxrlens.folders import check_writable
from cxrlens.progress import Progress, quiet, rich_progress
from cxrlens.serving.dicom import check_folder
from cxrlens.serving.formats import FORMATS
from cxrlens.serving.predictor import load_predictor
from cxrlens.serving.run_model import find_model
from cxrlens.serving.stream import StreamOptions, predict_files
from cxrlens.sources.walk import find_images

PASSED_OVER = 3
"""Exit code: done, but a file or a folder could not be read; the rows and standard error say which."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked.

    Args:
        images: files, or folders of them.
        model: an exported model, or a run folder.
        format: ``table``, ``jsonl`` or ``csv``.
        cam: folder for overlays; none where ``None``.
        target: the class to explain; the likeliest one where ``None``.
        engine: what runs the network.
        dicom: folder for DICOM objects of the answers to DICOM images; none where ``None``.
        layer: of the network, whose heat-map is shown; the deepest where ``None``.
    """

    images: tuple[Path, ...]
    model: Path
    format: str = "table"
    cam: Path | None = None
    target: str | None = None
    engine: str = "onnxruntime"
    dicom: Path | None = None
    layer: str | None = None

    @classmethod
    def of(cls, images: Sequence[str], options: Mapping[str, str]) -> Request:
        """From words of the command line."""
        files = {name: Path(options[name]) for name in ("model", "cam", "dicom") if name in options}
        words = {name: value for name, value in options.items() if name not in files}
        return cls(tuple(Path(image) for image in images), **files, **words)  # type: ignore[arg-type]


def answer(request: Request, export: Callable[[Path, Path], None]) -> int:
    """Write a row for each image to standard output, in order, as they are judged.

    Args:
        request: what is asked.
        export: makes the model of a run that was not exported, or not since it changed: (run, folder to write).

    Returns:
        0, or :data:`PASSED_OVER`.

    Raises:
        ModelError: no model, or one that cannot be used.
        OptionError: an unknown format, class, layer or engine, no image, or no library for DICOM objects.
    """
    if request.format not in FORMATS:
        raise OptionError(f"--format {request.format}", "is not known", f"use one of {', '.join(FORMATS)}")
    if request.dicom is not None:
        check_folder(request.dicom)
    for option, folder in (("--cam", request.cam), ("--dicom", request.dicom)):
        if folder is not None:
            _check_option(option, folder)
    paths, problems = find_images(request.images)
    folder, ready = find_model(request.model)
    if not ready:
        export(request.model, folder)
    predictor = load_predictor(folder, engine=request.engine, threads=1 if len(paths) > 1 else 0)
    if request.layer is not None:
        predictor.network.layer_maps(request.layer)  # an unknown one is told before the first row
    writer = FORMATS[request.format](predictor.network.classes, predictor.network.measured_on)
    for problem in problems:
        sys.stderr.write(f"passed over: {problem}\n")
    failed = len(problems)
    out = sys.stdout  # as it is now: a progress bar puts something else in its place
    if hasattr(out, "reconfigure"):
        # A name that is no text of this locale stops nothing; JSON is UTF-8 in every locale (RFC 8259, section 8.1).
        told = {"encoding": "utf-8"} if request.format == "jsonl" else {}
        out.reconfigure(errors="backslashreplace", **told)
    try:
        out.write(writer.head())
        options = StreamOptions(request.cam, request.target, dicom=request.dicom, layer=request.layer)
        for row in predict_files(predictor, paths, options, _progress(len(paths))):
            out.write(writer.row(row))
            failed += row.status == "error"
        out.write(writer.foot())
        out.flush()
    except BrokenPipeError:  # 'cxrlens predict … | head' has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # or the interpreter's own last flush would complain
        return 1
    return PASSED_OVER if failed else 0


def _check_option(option: str, folder: Path) -> None:
    try:
        check_writable(folder)
    except WriteError as error:
        raise OptionError(f"{option} {folder}", error.fault, error.remedy) from error


def _progress(images: int) -> Progress:
    """A bar, where rows do not run over the same terminal."""
    shown = images > 1 and sys.stderr.isatty() and not sys.stdout.isatty()
    return rich_progress if shown else quiet
