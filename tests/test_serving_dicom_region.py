"""The hot region lies where the heat is, on the source's own grid, however the film was repaired beforehand."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from cxrlens.gate.views import VIEWS, View
from cxrlens.serving.dicom.region import hot_region, laid, outlines
from cxrlens.serving.dicom.results import make_results
from cxrlens.serving.dicom.source import read_source
from cxrlens.serving.prediction import HeatMap
from dicom_films import as_bytes, by_modality, film, said
from serving_model import phantoms

PIXELS = phantoms(1)[0].pixels[:, :100]  # not square, so that rows and columns cannot be mistaken for each other
REPAIRS = [view for view in VIEWS if not view.mirrored]


def planted(shape: tuple[int, int]) -> np.ndarray:
    """A map on the source's grid, hot in a block that no turn carries to itself, warm elsewhere."""
    heat = np.full(shape, 0.2, np.float32)
    heat[10:30, 50:60] = 1.0
    return heat


def judged(view: View) -> tuple[bytes, HeatMap, np.ndarray]:
    """A film that lay as ``view`` says, the map of the righted film, and where the heat is in the source."""
    data = as_bytes(film(view.apply(PIXELS)))
    seen = read_source(data).film.pixels
    heat = planted(seen.shape)
    return data, HeatMap("Pneumonia", np.rot90(heat, -view.turns).copy(), view.righted(seen)), heat


@pytest.mark.parametrize("view", REPAIRS, ids=str)
def test_outline_and_segment_lie_on_the_heat_of_a_repaired_film(view: View):
    data, heat_map, heat = judged(view)
    made = by_modality(make_results(data, replace(said("answered", PIXELS), heat_map=heat_map)).datasets)
    np.testing.assert_array_equal(made["SEG"].pixel_array.astype(bool).squeeze(), heat >= 0.5)
    (line,) = made["PR"].GraphicAnnotationSequence[0].GraphicObjectSequence
    points = np.reshape(line.GraphicData, (-1, 2))
    assert (points[0] == points[-1]).all()
    # columns 50 to 59 and rows 10 to 29, through the middles of the pixels at the edge
    np.testing.assert_allclose(points.min(axis=0), (50.5, 10.5))
    np.testing.assert_allclose(points.max(axis=0), (59.5, 29.5))


def test_the_middle_of_the_planted_heat_is_not_where_a_turn_would_have_carried_it():
    """The test above could not pass with a map that was not turned back."""
    _, heat_map, heat = judged(REPAIRS[2])
    assert heat_map.heat.shape != heat.shape


@pytest.mark.parametrize("view", REPAIRS, ids=str)
def test_how_a_film_lay_is_found_from_the_pixels(view: View):
    lying = view.apply(PIXELS)
    assert laid(lying, view.righted(lying)) == view


def test_where_the_place_cannot_be_proven_there_is_no_outline():
    data, heat_map, _ = judged(REPAIRS[0])
    for other in (heat_map.pixels[:, ::-1], heat_map.pixels[:50], np.zeros_like(heat_map.pixels)):
        answer = replace(said("answered", PIXELS), heat_map=replace(heat_map, pixels=np.ascontiguousarray(other)))
        results = make_results(data, answer)
        assert [ds.Modality for ds in results.datasets] == ["SR", "OT"]
        assert "places cannot be told" in results.left_out["outline"]
        assert "places cannot be told" in results.left_out["region"]


def test_an_empty_map_has_no_region():
    data, heat_map, _ = judged(REPAIRS[0])
    answer = replace(said("answered", PIXELS), heat_map=replace(heat_map, heat=np.zeros_like(heat_map.heat)))
    results = make_results(data, answer)
    assert "the heat-map is empty" in results.left_out["outline"]
    assert [ds.Modality for ds in results.datasets] == ["SR", "OT"]


def test_a_colour_image_has_no_grey_scale_state_but_a_segmentation():
    rgb = np.repeat(np.rint(PIXELS * 255).astype(np.uint8)[..., None], 3, axis=2)
    tags = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0, "BitsAllocated": 8}
    tags |= {"BitsStored": 8, "HighBit": 7, "PixelData": rgb.tobytes(), "WindowCenter": None, "WindowWidth": None}
    ds: Dataset = film(PIXELS, **tags)
    ds["PixelData"].VR = "OB"
    seen = read_source(as_bytes(ds)).film.pixels
    heat_map = HeatMap("Pneumonia", planted(seen.shape), seen)
    results = make_results(as_bytes(ds), replace(said("answered", PIXELS), heat_map=heat_map))
    assert [made.Modality for made in results.datasets] == ["SR", "OT", "SEG"]
    assert "in colour" in results.left_out["outline"]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_outlines_enclose_the_region_they_are_drawn_from(seed: int, blobs: int):
    """Filled again by another routine they give the region, but for specks and lines that have no inside."""
    draw = np.random.default_rng(seed)
    mask = np.zeros((90, 120), np.uint8)
    for _ in range(blobs):
        centre, axes = draw.integers(0, 120, 2).tolist(), draw.integers(3, 20, 2).tolist()
        cv2.ellipse(mask, centre, axes, int(draw.integers(180)), 0, 360, int(draw.integers(2)), -1)
    lines = outlines(mask.astype(bool))
    filled = np.zeros_like(mask)
    for line in lines:
        assert (line[0] == line[-1]).all()
        assert line.min() >= 0
        assert line[:, 0].max() <= 120
        assert line[:, 1].max() <= 90
        cv2.fillPoly(filled, [np.rint(line - 0.5).astype(np.int32)], 1)
    outer = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    whole = np.zeros_like(mask)
    cv2.drawContours(whole, [c for c in outer if len(c) > 2], -1, 1, -1)
    assert (filled != whole).mean() < 0.002


def test_an_outline_of_very_many_points_is_thinned_until_it_fits(monkeypatch: pytest.MonkeyPatch):
    draw = np.random.default_rng(0)
    noise = cv2.GaussianBlur(draw.normal(size=(900, 900)), (0, 0), 1.2) > 0
    for line in outlines(noise):
        assert len(line) * 8 < 65536, "an attribute of explicit VR holds no more"


def test_a_region_needs_a_film():
    data, heat_map, _ = judged(REPAIRS[0])
    source = replace(read_source(data), film=None, fault="is torn")
    assert hot_region(source, heat_map) == "the image is torn"
    assert hot_region(source, None) == "there is no heat-map"
