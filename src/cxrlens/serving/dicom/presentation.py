"""Presentation state of an answer: the outline of the hot region over the source image itself (PS3.3 A.33.1).

Nothing is burned in and no pixel is copied: a station shows the archive's own image with its own grey scale, and the
outline can be taken away.
"""

from __future__ import annotations

from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from pydicom.dataset import Dataset

from cxrlens.serving.dicom.header import text
from cxrlens.serving.dicom.maker import Maker
from cxrlens.serving.dicom.region import outlines
from cxrlens.serving.dicom.tables import carry_tables
from cxrlens.serving.dicom.wording import BANNER, flag_in_words, map_in_words, verdict
from cxrlens.serving.prediction import HeatMap

_LABEL = "CXRLENS_RESEARCH"
_MOST_OUTLINES = 20
_BOX = (0.01, 0.01, 0.7, 0.2)  # left, top, right, bottom of the text, as parts of what is displayed


def make_presentation(maker: Maker) -> Dataset | str:
    """The presentation state, or why there is none."""
    header, heat_map = maker.evidence(), maker.prediction.heat_map
    if header.get("SamplesPerPixel", 1) != 1:
        return "no presentation state: the image is in colour"
    region = maker.region
    if isinstance(region, str):
        return f"no presentation state: {region}"
    lines = outlines(region)[:_MOST_OUTLINES]
    if not lines:
        return "no presentation state: the hot region is smaller than an outline"
    assert heat_map is not None
    layer = GraphicLayer(_LABEL, 1, "Where the network looked; research only, no lesion's outline")
    annotation = GraphicAnnotation(
        [header],
        layer,
        graphic_objects=[GraphicObject("POLYLINE", line, "PIXEL") for line in lines],
        text_objects=[TextObject(_words(maker, heat_map), "DISPLAY", _BOX, text_justification="LEFT")],
    )
    state = GrayscaleSoftcopyPresentationState(
        referenced_images=[header],
        content_label=_LABEL,
        content_description=f"Research only: where the network looked for {heat_map.label}"[:64],
        graphic_annotations=[annotation],
        graphic_layers=[layer],
        **maker.common("outline", 3, *maker.map_key),
    )
    carry_tables(state, maker.source.dataset)
    state.DisplayedAreaSelectionSequence[0].PresentationPixelAspectRatio = _aspect(maker.source.dataset)
    state.ContentCreatorName = None
    return maker.stamped(state)


def _aspect(source: Dataset) -> list[int]:
    """Height to width of a pixel: as the image says, else from its spacing, else square."""
    for name, parts in (("PixelAspectRatio", 1), ("PixelSpacing", 10000), ("ImagerPixelSpacing", 10000)):
        try:
            height, width = (round(float(part) * parts) for part in text(source, name).split("\\"))
        except (ValueError, OverflowError):
            continue
        if height > 0 and width > 0:
            return [1, 1] if height == width else [height, width]
    return [1, 1]


def _words(maker: Maker, heat_map: HeatMap) -> str:
    """Without a number: a probability never stands without what it was measured on, and there is no room for that."""
    where = f"Outline: {map_in_words(heat_map)}, half of its top and more; not the outline of a lesion"
    model = f"cxrlens model {maker.model_name}, {maker.model_hash[:12]}: {verdict(maker.prediction)}"
    flag = flag_in_words(heat_map)
    return "\r\n".join((BANNER, model, where, *([flag] if flag else ())))[:1024]
