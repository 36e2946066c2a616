"""Senders of synthetic radiographs for ``node_kill.py``: they go on through kills, and send again what was cut off."""

from __future__ import annotations

import threading
import time

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association

from cxrlens.labels import CLASSES
from cxrlens.serving.node.checkpoint import mend
from cxrlens.sources.phantom import make_phantom

FILMS = 32  # different pictures; UIDs and patients differ in all


def make_images(count: int, size: int) -> list[Dataset]:
    """Synthetic CR images of as many patients."""
    films = [np.rint(make_phantom(CLASSES[i % 4], seed=i, size=size).pixels * 4095).astype("<u2") for i in range(FILMS)]
    return [_image(number, films[number % FILMS]) for number in range(count)]


def _image(number: int, film: np.ndarray) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = ComputedRadiographyImageStorage
    root = f"1.2.826.0.1.3680043.10.2.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (f"{root}.{i}" for i in (1, 2, 3))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.Modality = f"Phantom^{number}", f"P{number}", "CR"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.StudyDate, dataset.StudyTime, dataset.Manufacturer, dataset.ReferringPhysicianName = "20240115", "", "", ""
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.PatientOrientation = 1, 1, ["L", "F"]
    dataset.Rows, dataset.Columns = film.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth, dataset.PixelData = 2048, 4096, film.tobytes()
    return dataset


class Sending:
    """Senders of one collection of images, and what became of them.

    Args:
        images: all of them.
        senders: threads, each with an association and a share of the images.
        port: the node's.
        ahead: images that may be acknowledged and not delivered yet; more wait with their sender.
    """

    def __init__(self, images: list[Dataset], senders: int, port: int, ahead: int) -> None:
        self.acknowledged: set[str] = set()
        self.delivered, self.attempts, self.cut = 0, 0, 0
        self.stop, self._lock = threading.Event(), threading.Lock()
        self._port, self._ahead = port, ahead
        shares = [images[i::senders] for i in range(senders)]
        self.threads = [threading.Thread(target=self._send_all, args=(share,)) for share in shares]

    def _send_all(self, images: list[Dataset]) -> None:
        """Send what was not acknowledged, over associations that are made anew when they end, until all of it is."""
        entity = AE("SENDER")
        entity.add_requested_context(ComputedRadiographyImageStorage, ExplicitVRLittleEndian)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 30
        while not self.stop.is_set() and (left := [i for i in images if i.SOPInstanceUID not in self.acknowledged]):
            association = entity.associate("127.0.0.1", self._port)
            if not association.is_established:
                time.sleep(0.2)
                continue
            mend(association)
            for image in left:
                if not self._wait_for_room() or not self._sent(association, image):
                    break
            if association.is_established:
                association.release()

    def _wait_for_room(self) -> bool:
        while len(self.acknowledged) - self.delivered >= self._ahead:
            if self.stop.wait(0.02):
                return False
        return True

    def _sent(self, association: Association, image: Dataset) -> bool:
        """Whether the association may go on."""
        with self._lock:
            self.attempts += 1
        try:
            status = association.send_c_store(image).get("Status")
        except (RuntimeError, ValueError):
            status = None
        if status is None:
            with self._lock:
                self.cut += 1
        elif status == 0x0000:
            self.acknowledged.add(str(image.SOPInstanceUID))
        else:
            time.sleep(0.2)  # out of resources
        return status is not None
