"""Secondary capture of an answer: the film with its heat and, around it, what is said, burned into an RGB picture.

PS3.3 A.8.1. For stations that show nothing else: whoever sees the picture sees the notice with it.
"""

from __future__ import annotations

import numpy as np
from highdicom import UID
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from cxrlens.serving.dicom.drawing import draw_answer
from cxrlens.serving.dicom.maker import Maker
from cxrlens.serving.dicom.wording import map_in_words


def make_capture(maker: Maker) -> Dataset | str:
    """The picture, or why there is none.

    Its pixels are the film as it was judged (righted where the gate righted it), so it carries no spacing and is for
    looking at, not for measuring. Burned In Annotation is YES: there is text in the pixels, and while none of it is
    about the patient, what the film itself has burned in is still there.
    """
    source, prediction = maker.source, maker.prediction
    if source.film is None and prediction.heat_map is None:
        return f"no picture: the image {source.fault or 'has no film'}"
    film = prediction.heat_map.pixels if prediction.heat_map is not None else source.film.pixels  # type: ignore[union-attr]
    pixels = draw_answer(prediction, film)
    header = maker.evidence()
    capture = SCImage(
        pixel_array=np.ascontiguousarray(pixels),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        study_instance_uid=header.StudyInstanceUID,
        **{k: header.get(v) for k, v in _IDENTITY.items()},
        **maker.common("picture", 2, *maker.map_key),
    )
    capture.copy_patient_and_study_information(header)
    _derive(capture, maker)
    return maker.stamped(capture)


_IDENTITY = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "accession_number": "AccessionNumber",
    "study_id": "StudyID",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "referring_physician_name": "ReferringPhysicianName",
}


def _derive(capture: Dataset, maker: Maker) -> None:
    """What it was made of and how (General Image and SC modules)."""
    header, prediction = maker.source.header, maker.prediction
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.ConversionType = "WSD"
    repaired = prediction.gate is not None and prediction.gate.get("status") == "repaired"
    capture.PatientOrientation = None if repaired else header.get("PatientOrientation")
    capture.BurnedInAnnotation = "YES"
    heat_map = prediction.heat_map
    what = f"with heat: {map_in_words(heat_map)}" if heat_map is not None else "without heat-map"
    model = f"{maker.model_name}, {maker.model_hash[:12]}"
    capture.DerivationDescription = f"The film {what}; text burned in; research only. Model {model}"
    capture.SourceImageSequence = [source_reference(header)]
    for name in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if name in header:
            setattr(capture, name, header[name].value)


def source_reference(header: Dataset) -> Dataset:
    """An item that refers to the source (PS3.3 table 10-3), with its purpose."""
    purpose = codes.DCM.SourceImageForImageProcessingOperation
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = purpose.value, "DCM", purpose.meaning
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = UID(header.SOPClassUID), UID(header.SOPInstanceUID)
    item.PurposeOfReferenceCodeSequence = [code]
    return item
