"""Segmentation of the hot region, on the grid of the source image (PS3.3 A.51)."""

from __future__ import annotations

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset

from cxrlens import __version__
from cxrlens.serving.dicom.codes import NEURAL_NETWORK, REGION_CATEGORY, REGION_TYPE
from cxrlens.serving.dicom.maker import NAME, Maker
from cxrlens.serving.dicom.region import HOT


def make_segmentation(maker: Maker) -> Dataset | str:
    """One binary segment, or why there is none. It is a region that a machine looked at, and is coded as such."""
    heat_map = maker.prediction.heat_map
    region = maker.region
    if isinstance(region, str):
        return f"no segmentation: {region}"
    assert heat_map is not None
    algorithm = AlgorithmIdentificationSequence(
        name=f"{NAME} {maker.model_name}",
        family=NEURAL_NETWORK,
        version=__version__,
        source=NAME,
        parameters={"weights": maker.model_hash, "layer": heat_map.layer, "threshold": f"{HOT:g} of the top"},
    )
    segment = SegmentDescription(
        segment_number=1,
        segment_label=f"{heat_map.method} for {heat_map.label}"[:64],
        segmented_property_category=REGION_CATEGORY,
        segmented_property_type=REGION_TYPE,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_id=f"{NAME} hot region",
        tracking_uid=maker.uid("tracked region", *maker.map_key),
    )
    made = Segmentation(
        source_images=[maker.evidence()],
        pixel_array=region[None].astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[segment],
        content_label="CXRLENS_RESEARCH",
        content_description=f"Research only: where the network looked for {heat_map.label}"[:64],
        **maker.common("region", 4, *maker.map_key),
    )
    _name_dimensions(made, maker.uid("dimensions", *maker.map_key))
    made.PatientOrientation = maker.source.header.get("PatientOrientation")
    return maker.stamped(made)


def _name_dimensions(made: Dataset, uid: str) -> None:
    """highdicom draws a random UID, and the same answer would be another object each time."""
    for sequence in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in made.get(sequence, ()):
            item.DimensionOrganizationUID = uid
