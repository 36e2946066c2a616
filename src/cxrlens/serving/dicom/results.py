"""All DICOM objects of one answer: made, turned into bytes, written to a folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

import pydicom
from pydicom.dataset import Dataset

from cxrlens.errors import CxrlensError, OptionError
from cxrlens.folders import write_atomically
from cxrlens.radiograph import Radiograph
from cxrlens.serving.dicom.capture import make_capture
from cxrlens.serving.dicom.errors import DicomSourceError
from cxrlens.serving.dicom.maker import Maker
from cxrlens.serving.dicom.presentation import make_presentation
from cxrlens.serving.dicom.report import make_report
from cxrlens.serving.dicom.segmentation import make_segmentation
from cxrlens.serving.dicom.source import NAME, read_source
from cxrlens.serving.prediction import Prediction
from cxrlens.sources.limits import DEFAULT_LIMITS, ReadLimits

KINDS: Mapping[str, Callable[[Maker], Dataset | str]] = MappingProxyType(
    {
        "report": make_report,
        "picture": make_capture,
        "outline": make_presentation,
        "region": make_segmentation,
    }
)
"""What makes each kind of object, or says why it is left out."""


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """How objects are made.

    Args:
        kinds: which of :data:`KINDS`.
        film: the source as it was read, where that was done already; it is decoded otherwise.
        when: time of making; now where ``None``. Given, two makings are equal to the byte.
        limits: for decoding.
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    film: Radiograph | None = None
    when: datetime | None = None
    limits: ReadLimits = DEFAULT_LIMITS


@dataclass(frozen=True)
class Results:
    """Objects of one answer.

    Args:
        datasets: in the order of :data:`KINDS`.
        left_out: why a kind is not among them, by kind.
    """

    datasets: list[Dataset] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def make_results(source: bytes | Dataset, prediction: Prediction, options: ResultOptions = ResultOptions()) -> Results:
    """What is said of one DICOM image, as DICOM objects, and what could not be made.

    Args:
        source: bytes of the file that was judged, or its data set with pixels; not changed.
        prediction: of any status; with a heat-map (``cam=True``) there is more to show.
        options: how.

    Raises:
        DicomSourceError: no DICOM, or without the identifiers that results must refer to.
    """
    with pydicom.config.disable_value_validation():  # its warnings would print values, and a value may be a name
        image = read_source(source, options.film, options.limits)
        maker = Maker(image, prediction, options.when or datetime.now())  # local, as DICOM's times are
        results = Results()
        for kind in options.kinds:
            made = _made(kind, maker)
            if isinstance(made, str):
                results.left_out[kind] = made
            else:
                results.datasets.append(made)
    return results


def _made(kind: str, maker: Maker) -> Dataset | str:
    """One object. What a header breaks in ways that nobody foresaw costs that object, or is an error of one line."""
    try:
        return KINDS[kind](maker)
    except CxrlensError:
        raise
    except Exception as error:  # highdicom raises nearly anything for values that it did not expect
        fault = f"has a header of which no {kind} can be made ({type(error).__name__})"
        if kind == "report":  # without it there is no answer at all
            raise DicomSourceError(str(NAME), fault, "export it from the archive again") from error
        return f"no {kind}: the image {fault}"


def build_results(
    source: bytes | Dataset, prediction: Prediction, options: ResultOptions = ResultOptions()
) -> list[Dataset]:
    """The objects alone: see :func:`make_results`. The same answer of the same model has the same UIDs each time."""
    return make_results(source, prediction, options).datasets


def to_bytes(dataset: Dataset) -> bytes:
    """A file as PS3.10 has it: preamble, file meta, data set."""
    buffer = io.BytesIO()
    with pydicom.config.disable_value_validation():
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def write_results(folder: Path, datasets: list[Dataset]) -> list[Path]:
    """Write each object to ``<SOP Instance UID>.dcm``, whole or not at all.

    Args:
        folder: made where it is missing.
        datasets: of :func:`build_results`.

    Returns:
        The files, in order. Their names tell nothing of the patient; writing the same answer again replaces them.

    Raises:
        OptionError: the folder cannot be written to.
    """
    written = []
    for dataset in datasets:
        target = folder / f"{dataset.SOPInstanceUID}.dcm"
        try:
            write_atomically(target, to_bytes(dataset))
        except OSError as error:
            fault = f"cannot be written ({error.strerror or type(error).__name__})"
            raise OptionError(folder, fault, "choose another folder, or free some space") from error
        written.append(target)
    return written
