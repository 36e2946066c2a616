"""Maker: the program and model that results name as their author, and the time they were made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from cxrlens import __version__
from cxrlens.serving.dicom.header import UTF8
from cxrlens.serving.dicom.region import hot_region
from cxrlens.serving.dicom.source import EXPLICIT, Source
from cxrlens.serving.dicom.uids import uid_of
from cxrlens.serving.prediction import Prediction

NAME = "cxrlens"

_TIMES = (("InstanceCreation", ""), ("Content", ""), ("PresentationCreation", ""), ("", "OfSecondaryCapture"))
_UNPAIRED = ("CHEST", "THORAX")  # parts of which there are no two, so that none is the left one


@dataclass(frozen=True)
class Maker:
    """Names, UIDs and numbers of the objects made of one prediction.

    Args:
        source: the image.
        prediction: what was said of it.
        when: time of making; given, two makings are equal to the byte.
    """

    source: Source
    prediction: Prediction
    when: datetime = field(default_factory=datetime.now)

    def evidence(self) -> Dataset:
        """The source's header without names of people: highdicom prints a warning that quotes a name of an old form.
        :meth:`stamped` puts them in. A copy for each object, since highdicom hands elements on and not their values."""
        nameless = Dataset()  # values are never altered in place: a deep copy of them would be for nothing
        for element in self.source.header:
            value = None if element.keyword in ("PatientName", "ReferringPhysicianName") else element.value
            nameless[element.tag] = DataElement(element.tag, element.VR, value, already_converted=value is not None)
        return nameless

    @cached_property
    def region(self) -> NDArray[np.bool_] | str:
        """Where the network looked most (:func:`hot_region`), found once for the objects that show it."""
        return hot_region(self.source, self.prediction.heat_map)

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return self.prediction.model["name"][:64]

    @property
    def model_hash(self) -> str:
        """SHA-256 of the trained weights."""
        return self.prediction.model["hash"][:64]

    @property
    def identity(self) -> str:
        """Hash of all of the model that decides an answer: weights, calibration, gate."""
        return self.prediction.identity[:64] or self.model_hash

    @property
    def device_uid(self) -> str:
        """UID of the model as an observer: the same model anywhere is the same device."""
        return uid_of("device", self.identity)

    def uid(self, *what: str) -> str:
        """UID of something in the answer of this model, calibrated or not, on this image."""
        calibrated = "calibrated" if self.prediction.calibrated else "not calibrated"
        return uid_of("object", *self.source.key, self.identity, calibrated, *what)

    @property
    def map_key(self) -> tuple[str, ...]:
        """What tells the maps of one image apart."""
        shown = self.prediction.heat_map
        return () if shown is None else (shown.label, shown.layer, shown.method)

    def common(self, kind: str, number: int, *what: str) -> dict[str, Any]:
        """Keyword arguments that highdicom's objects share.

        Args:
            kind: of object; a series holds one kind from one series of images.
            number: added to 9000 it is the series' number, behind those of a scanner.
            what: besides the kind, what tells objects of one answer apart.
        """
        header = self.source.header
        return {
            "series_instance_uid": uid_of("series", str(header.SeriesInstanceUID), self.identity, kind),
            "series_number": 9000 + number,
            "sop_instance_uid": self.uid(kind, *what),
            "instance_number": int(header.InstanceNumber),
            "manufacturer": NAME,
            "manufacturer_model_name": self.model_name,
            "software_versions": __version__,
            "device_serial_number": self.identity,
            "series_description": f"RESEARCH ONLY: {NAME} {kind}",
            "specific_character_set": UTF8,
            "transfer_syntax_uid": EXPLICIT,
        }

    def stamped(self, dataset: Dataset) -> Dataset:
        """The same object, with the names of people, the body part, and the time of making wherever it tells one."""
        if dataset.Modality in ("OT", "PR"):  # the series of reports and segmentations has neither attribute
            part = self.source.header.get("BodyPartExamined")
            if part is not None:
                dataset.BodyPartExamined = part
            if part not in _UNPAIRED:
                dataset.Laterality = self.source.header.get("Laterality")  # type 2C: blank where not known
        for name in ("PatientName", "ReferringPhysicianName"):
            setattr(dataset, name, self.source.header[name].value)
        day, clock = self.when.strftime("%Y%m%d"), self.when.strftime("%H%M%S")
        for begins, ends in _TIMES:
            if f"{begins}Date{ends}" in dataset:
                setattr(dataset, f"{begins}Date{ends}", day)
                setattr(dataset, f"{begins}Time{ends}", clock)
        for item in dataset.get("ContributingEquipmentSequence", ()):
            item.ContributionDateTime = day + clock
        return dataset
