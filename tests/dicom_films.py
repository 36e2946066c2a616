"""Synthetic radiographs as DICOM files, with the header of an ordinary CR image, for tests of what is said of them."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from cxrlens.doubts import Doubts
from cxrlens.serving.dicom.results import to_bytes
from cxrlens.serving.prediction import HeatMap, Prediction
from cxrlens.serving.risk import Risk

NAME = "Doe^Synthetic"
TOP = 4095


def film(pixels: np.ndarray, inverse: bool = False, **tags: Any) -> Dataset:
    """A CR image of (H, W) floats in [0, 1], 12 bits, windowed to its whole range; a tag of ``None`` is left out."""
    stored = np.rint(np.clip(pixels, 0, 1) * TOP).astype(np.uint16)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ComputedRadiographyImageStorage
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID = (generate_uid(entropy_srcs=[t]) for t in "abc")
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = NAME, "P-17", "19500101", "O"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20240102", "101112", "S1", "A1"
    ds.ReferringPhysicianName, ds.StudyDescription, ds.Modality = "Ref^Dr", "Chest", "CR"
    ds.BodyPartExamined, ds.ViewPosition, ds.PatientOrientation = "CHEST", "PA", ["L", "F"]
    ds.InstanceNumber, ds.SeriesNumber = 3, 1
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if inverse else "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    ds.PixelData = (TOP - stored if inverse else stored).tobytes()
    ds["PixelData"].VR = "OW"
    for name, value in tags.items():
        if value is None:
            delattr(ds, name)
        else:
            setattr(ds, name, value)
    ds.file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", "1.2")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2")
    return ds


def as_read(pixels: np.ndarray) -> np.ndarray:
    """What the reader gives back for the twelve bits that are stored."""
    return (np.rint(np.clip(pixels, 0, 1) * TOP) / TOP).astype(np.float32)


RISK = Risk(0.04, 0.02, 0.08, 200, 0.8, "the test set of dataset 'toy' (made up)")
UNCHECKED = ("the lungs: nobody looked",)
DOUBTS = (Doubts({}, {}, UNCHECKED), Doubts({"unsure": "the network gives this class 48%", "centre": "it is a blob"}))
"""Of a map that may be read, and of one that should not."""


def said(status: str, pixels: np.ndarray, heat: np.ndarray | None = None) -> Prediction:
    """An answer to a film read as ``pixels``; its map is hot at a third of the height and a quarter of the width."""
    shares = {"Normal": 0.101234, "COVID-19": 0.05, "Pneumonia": 0.8, "Tuberculosis": 0.048766}
    judged = status in ("answered", "not sure")
    if heat is None:
        rows, columns = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
        away = (rows / pixels.shape[0] - 1 / 3) ** 2 + (columns / pixels.shape[1] - 1 / 4) ** 2
        heat = np.exp(-away / 0.02).astype(np.float32)
        heat /= heat.max()
    return Prediction(
        image="film.dcm",
        status=status,  # type: ignore[arg-type]
        label="Pneumonia" if status == "answered" else None,
        probabilities=shares if judged else None,
        prediction_set={"answered": ("Pneumonia",), "not sure": ("Normal", "Pneumonia")}.get(status),
        reason="" if status == "answered" else f"this film is {status}, so it is said",
        warnings=("the image may be mirrored",),
        gate={"status": "pass" if judged else "refused", "reasons": [], "warnings": [], "scores": {}},
        model={"name": "plain", "hash": "ab" * 32},
        measured_on="probability measured on nothing: a toy for tests, 81.9–88.0",
        calibrated=True,
        risk=RISK if status == "answered" else None,
        heat_map=HeatMap("Pneumonia", heat, pixels, doubts=DOUBTS[status == "not sure"]) if judged else None,
    )


def as_bytes(ds: Dataset) -> bytes:
    """The file, however odd its values are."""
    buffer = io.BytesIO()
    with pydicom.config.disable_value_validation():
        pydicom.dcmwrite(buffer, ds, enforce_file_format=False)
    return buffer.getvalue()


def by_modality(datasets: list[Dataset]) -> dict[str, Dataset]:
    """SR, OT (the picture), PR, SEG."""
    return {str(ds.Modality): ds for ds in datasets}


def program(name: str) -> str:
    """Path of a Debian program; the test skips where it is absent."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name} (make debian)")
    return found


def faults(ds: Dataset, folder: Path) -> list[str]:
    """What dicom3tools' dciodvfy calls an error in an object."""
    file = folder / "checked.dcm"
    file.write_bytes(to_bytes(ds))
    done = subprocess.run([program("dciodvfy"), str(file)], capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    assert any(line and not line.startswith(("Error", "Warning")) for line in said), "it names the IOD that it found"
    return [line for line in said if line.startswith("Error")]
