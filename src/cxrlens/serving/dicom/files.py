"""DICOM objects of files that ``predict`` goes through: one file after the other, nothing kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cxrlens.radiograph import Radiograph
from cxrlens.serving.dicom.errors import DicomSourceError
from cxrlens.serving.dicom.results import ResultOptions, make_results, write_results
from cxrlens.serving.prediction import Prediction
from cxrlens.sources.filetype import HEAD_BYTES, sniff

NO_DICOM = "no DICOM objects were written: the file is not DICOM"


def write_objects(folder: Path, path: Path, answer: Prediction, film: Radiograph | None) -> Prediction:
    """Write what is said of a DICOM file to ``folder``.

    Args:
        folder: where files named after their UIDs go.
        path: the file that was judged.
        answer: of any status, with its heat-map where there is one.
        film: as it was read; ``None`` where that failed.

    Returns:
        The answer, with a warning where a file is no DICOM or some object could not be made.

    Raises:
        OptionError: the folder cannot be written to.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if sniff(head) != "DICOM":
                return _warned(answer, NO_DICOM)
            data = head + file.read()
    except OSError:
        return answer  # the row says already that it cannot be read
    try:
        results = make_results(data, answer, ResultOptions(film=film))
    except DicomSourceError as error:
        return _warned(answer, f"no DICOM objects were written: {error.subject} {error.fault}")
    write_results(folder, results.datasets)
    expected = answer.heat_map is not None  # without one there is nothing to outline, and the row says why
    return _warned(answer, *(results.left_out.values() if expected else ()))


def _warned(answer: Prediction, *warnings: str) -> Prediction:
    return replace(answer, warnings=(*answer.warnings, *warnings)) if warnings else answer
