"""DICOM objects of one result, packed for a download."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from cxrlens.errors import CxrlensError
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.problems import Problem
from cxrlens.serving.web.results import Result
from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.reading import decode_radiograph


def dicom_zip(predictor: Predictor, result: Result, limits: ReadLimits) -> bytes:
    """A ZIP of the objects of ``serving.dicom``, uncompressed names such as ``SR-1.dcm``.

    The source is judged again, with its heat-map at full size: the answer is the same, and a result need not keep a
    film twice.

    Raises:
        Problem: 501 where the library is not installed, 409 where the source lacks what objects must refer to.
    """
    from cxrlens.serving import dicom

    if not dicom.installed():
        detail = "the server lacks highdicom, which DICOM objects are made with: pip install 'cxrlens[dicom]'"
        raise Problem(501, "dicom-not-installed", detail)
    from cxrlens.serving.dicom.results import ResultOptions, build_results, to_bytes

    assert result.source is not None
    radiograph = decode_radiograph(result.source, Path("image"), limits)
    maps = not predictor.network.no_maps and result.prediction.probabilities is not None
    prediction = predictor.judge([radiograph], cam=maps, target=result.target)[0]
    try:
        datasets = build_results(result.source, prediction, ResultOptions(film=radiograph, limits=limits))
    except CxrlensError as error:
        raise Problem(409, "dicom-source", f"the file {error.fault}; {error.remedy}") from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for number, dataset in enumerate(datasets, 1):
            # Neither a name nor an identifier of the patient or of the study: file names travel far.
            name = zipfile.ZipInfo(f"{number}-{dataset.Modality}.dcm")
            packed.writestr(name, to_bytes(dataset), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
