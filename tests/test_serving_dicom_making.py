"""What is made faster is made the same, to the byte."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pydicom
import pytest

pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
from highdicom.sr import ComprehensiveSR

from cxrlens.serving.dicom import drawing, report
from cxrlens.serving.dicom.drawing import draw_answer
from cxrlens.serving.dicom.maker import Maker
from cxrlens.serving.dicom.results import ResultOptions, build_results, to_bytes
from cxrlens.serving.dicom.source import read_source
from cxrlens.serving.heat import colour_table, overlay
from dicom_films import as_bytes, as_read, film, said
from serving_model import phantoms

WHEN = datetime(2024, 3, 4, 5, 6, 7)
PIXELS = as_read(phantoms(1)[0].pixels)


@pytest.mark.parametrize("status", ["answered", "not sure"])
def test_the_report_is_what_highdicom_makes_of_the_whole_tree(status: str, monkeypatch: pytest.MonkeyPatch):
    """Ours is made of the root alone, and gets the tree afterwards."""
    given: dict = {}

    def spy(**how):
        assert not how["content"].ContentSequence
        given.update(how)
        return ComprehensiveSR(**how)

    monkeypatch.setattr(report, "ComprehensiveSR", spy)
    data = as_bytes(film(PIXELS))
    (made,) = build_results(data, said(status, PIXELS), ResultOptions(("report",), when=WHEN))
    given["content"].ContentSequence = made.ContentSequence
    with pydicom.config.disable_value_validation():
        whole = Maker(read_source(data), said(status, PIXELS), WHEN).stamped(ComprehensiveSR(**given))
    assert to_bytes(made) == to_bytes(whole)


def test_the_evidence_of_a_report_is_the_source():
    """highdicom no longer looks through the tree for images that no evidence is given of."""
    source = film(PIXELS)
    (made,) = build_results(as_bytes(source), said("answered", PIXELS), ResultOptions(("report",)))
    named = [str(each.value) for each in made.iterall() if each.keyword == "ReferencedSOPInstanceUID"]
    assert set(named) == {str(source.SOPInstanceUID)}
    assert "PertinentOtherEvidenceSequence" not in made


def test_making_leaves_the_header_as_it_was():
    source = read_source(as_bytes(film(PIXELS)))
    before = source.header.to_json()
    maker = Maker(source, said("answered", PIXELS), WHEN)
    copy = maker.evidence()
    assert copy.to_json() == replace_names(source.header).to_json()
    copy.PatientID, copy.PatientOrientation = "another", ["R", "H"]
    assert source.header.to_json() == before


def replace_names(header):
    other = pydicom.dcmread(pydicom.filebase.DicomBytesIO(to_raw(header)), force=True)
    other.PatientName = other.ReferringPhysicianName = None
    return other


def to_raw(header) -> bytes:
    buffer = pydicom.filebase.DicomBytesIO()
    pydicom.dcmwrite(buffer, header, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def test_the_region_is_looked_for_once_for_the_objects_that_show_it(monkeypatch):
    from cxrlens.serving.dicom import maker

    asked = []
    real = maker.hot_region
    monkeypatch.setattr(maker, "hot_region", lambda *given: asked.append(1) or real(*given))
    made = build_results(as_bytes(film(PIXELS)), said("answered", PIXELS))
    assert [each.Modality for each in made] == ["SR", "OT", "PR", "SEG"]
    assert asked == [1]


def test_a_picture_is_the_same_whatever_was_drawn_before_it():
    """Strips of text are kept: none may be drawn on by the next picture."""
    one = said("answered", PIXELS)
    other = replace(
        said("not sure", PIXELS),
        probabilities={"Normal": 0.7, "COVID-19": 0.1, "Pneumonia": 0.1, "Tuberculosis": 0.1},
        warnings=("another warning " * 30,),
    )
    first = draw_answer(one, PIXELS)
    draw_answer(other, PIXELS)
    again = draw_answer(one, PIXELS)
    for kept in (drawing._banner, drawing._line, drawing._name, drawing._paragraph):
        kept.cache_clear()
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, draw_answer(one, PIXELS))


def test_heat_is_laid_over_the_film_as_the_formula_says():
    chance = np.random.default_rng(3)
    film, heat = chance.random((40, 70), dtype=np.float32), chance.random((40, 70), dtype=np.float32)
    heat[:5], heat[5:7] = 0, 1
    for strongest in (0.7, 0.25):
        colours = colour_table()[np.clip(heat * 255, 0, 255).astype(np.uint8)]
        opacity = (strongest * heat**0.8)[..., None].astype(np.float32)
        mixed = film[..., None] * (1 - opacity) + colours * opacity
        expected = np.clip(mixed * 255 + 0.5, 0, 255).astype(np.uint8)
        np.testing.assert_array_equal(overlay(film, heat, strongest), expected)
