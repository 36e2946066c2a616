"""DICOM objects before independent judges: dciodvfy finds no error, dcmtk reads, renders and applies them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrlens.serving.dicom.drawing import draw_answer
from cxrlens.serving.dicom.results import build_results, to_bytes
from cxrlens.serving.dicom.source import read_source
from cxrlens.sources import read_radiograph
from dicom_films import as_bytes, as_read, by_modality, faults, film, program, said
from serving_model import phantoms

PIXELS = as_read(phantoms(1)[0].pixels)
MINIMAL = dict.fromkeys(
    (
        *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "InstanceNumber"),
        *("ReferringPhysicianName", "StudyDescription", "BodyPartExamined", "PatientOrientation", "WindowCenter"),
        *("WindowWidth", "ViewPosition", "SeriesNumber", "SpecificCharacterSet", "PatientID", "PatientName"),
    )
)
SOURCES = {
    "ordinary": {},
    "minimal": MINIMAL,
    "inverse": {"inverse": True},
    "unknown part": {"BodyPartExamined": "SOMETHING", "PatientOrientation": None},
    "hand": {"BodyPartExamined": "HAND", "Laterality": "L"},
    "rescaled": {"RescaleSlope": "1.0000000000001", "RescaleIntercept": "-3", "VOILUTFunction": "SIGMOID"},
    "oblong pixels": {"PixelSpacing": [0.2, 0.1]},
    "deidentified": {"PatientIdentityRemoved": "YES", "DeidentificationMethod": "by hand", "PatientAge": "81"},
    "wrong values": {"PatientSex": "X", "PatientBirthDate": "1995.07.20", "StudyTime": "25:00", "PatientAge": "old"},
}


@pytest.mark.parametrize("source", SOURCES)
def test_no_object_has_an_error(source: str, tmp_path: Path):
    data = as_bytes(film(PIXELS, **SOURCES[source]))
    made = build_results(data, said("answered", read_source(data).film.pixels))
    assert [ds.Modality for ds in made] == ["SR", "OT", "PR", "SEG"]
    assert {ds.Modality: faults(ds, tmp_path) for ds in made} == {ds.Modality: [] for ds in made}


@pytest.mark.parametrize("status", ["not sure", "refused", "error"])
def test_no_object_of_another_status_has_an_error(status: str, tmp_path: Path):
    for ds in build_results(as_bytes(film(PIXELS)), said(status, PIXELS)):
        assert faults(ds, tmp_path) == [], ds.Modality


@pytest.mark.parametrize(
    ("modality", "name"),
    [
        ("SR", "CompletionFlag"),
        ("SR", "ValueType"),
        ("OT", "ConversionType"),
        ("PR", "ContentLabel"),
        ("PR", "GraphicAnnotationUnits"),
        ("SEG", "SegmentSequence"),
    ],
)
def test_a_broken_object_would_be_noticed(modality: str, name: str, tmp_path: Path):
    """Planted faults, without which no errors would mean nothing."""
    broken = by_modality(build_results(as_bytes(film(PIXELS)), said("answered", PIXELS)))[modality]
    assert faults(broken, tmp_path) == []
    place = broken.GraphicAnnotationSequence[0].GraphicObjectSequence[0] if name.startswith("Graphic") else broken
    delattr(place, name)
    assert faults(broken, tmp_path)


def test_dsrdump_reads_the_report(tmp_path: Path):
    file = tmp_path / "report.dcm"
    answer = said("answered", PIXELS)
    file.write_bytes(to_bytes(build_results(as_bytes(film(PIXELS)), answer)[0]))
    done = subprocess.run([program("dsrdump"), "+Pl", str(file)], capture_output=True, text=True, check=True)
    assert "Comprehensive SR Document" in done.stdout
    assert '"Device Observer Model Name")="plain"' in done.stdout
    assert '"Finding")=(233604007,SCT,"Pneumonia")' in done.stdout
    for share in (answer.probabilities or {}).values():
        assert f'"Probability")="{share}" (1,UCUM,"no units")' in done.stdout
    assert "not for diagnosis" in done.stdout


def test_dcm2pnm_shows_the_picture_that_was_drawn(tmp_path: Path):
    answer = said("answered", PIXELS)
    file, shown = tmp_path / "picture.dcm", tmp_path / "picture.ppm"
    file.write_bytes(to_bytes(by_modality(build_results(as_bytes(film(PIXELS)), answer))["OT"]))
    subprocess.run([program("dcm2pnm"), str(file), str(shown)], capture_output=True, check=True)
    np.testing.assert_array_equal(np.asarray(Image.open(shown)), draw_answer(answer, answer.heat_map.pixels))


@pytest.mark.parametrize("status", ["answered", "not sure", "refused"])
def test_the_notice_stands_on_the_picture_and_no_text_is_cut(status: str):
    """A banner over the whole width in its own colour, dark letters in it; the margins are free of text."""
    answer = said(status, PIXELS)
    picture = draw_answer(answer, PIXELS)
    banner = picture[:52]
    assert (banner[4] == (255, 196, 87)).all()
    dark = banner.astype(int).sum(axis=2) < 150
    assert dark.sum() > 1000
    assert not dark[:, :20].any()
    assert not dark[:, -20:].any()
    flagged = answer.heat_map is not None and answer.heat_map.doubts.flagged  # a strip like the banner, below the film
    below = picture[52 + 720 + 52 * flagged :]
    assert (below[:, -8:] == below[0, 0]).all()
    assert (below[:, :12] == below[0, 0]).all()
    assert (below != below[0, 0]).any()


@pytest.mark.parametrize("inverse", [False, True])
def test_the_presentation_state_shows_the_film_as_the_reader_does(inverse: bool, tmp_path: Path):
    """Applied by dcmtk: a film that is stored inverted is not shown inverted, and the window is kept."""
    source, state, shown = tmp_path / "film.dcm", tmp_path / "state.dcm", tmp_path / "shown.pgm"
    source.write_bytes(as_bytes(film(PIXELS, inverse=inverse, WindowCenter=1500, WindowWidth=2000)))
    answer = said("answered", read_radiograph(source).pixels)
    made = by_modality(build_results(source.read_bytes(), answer))["PR"]
    state.write_bytes(to_bytes(made))
    command = [program("dcmp2pgm"), "-p", str(state), str(source), str(shown)]
    subprocess.run(command, capture_output=True, check=True)
    rendered = np.asarray(Image.open(shown), dtype=float) / 255
    np.testing.assert_allclose(rendered, read_radiograph(source).pixels, atol=2 / 255)


OWN_FAULTS = ("999.999.01.23", "contains invalid data values", "LUT Descriptor number of bits = 16 but maximum")


def real(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.dcm"))


@pytest.mark.real
def test_no_object_of_real_films_has_an_error(real_data: Path, tmp_path: Path):
    """One of the files has a SOP Instance UID that is none by the standard, and a table of few values in 16 bits, which
    dciodvfy dislikes; results name the one as it is, and carry on the other."""
    files = real(real_data / "dicom")
    assert len(files) > 5
    for file in files:
        pixels = read_radiograph(file).pixels
        for ds in build_results(file.read_bytes(), said("not sure", pixels)):
            own = () if "ModalitySequenceLUT" not in file.name else OWN_FAULTS
            found = [line for line in faults(ds, tmp_path) if not any(fault in line for fault in own)]
            assert not found, (file.name, ds.Modality)


@pytest.mark.real
def test_twins_that_differ_in_polarity_give_different_pictures_and_objects(real_data: Path):
    """One film under both photometric interpretations, with one SOP Instance UID: the reader shows one the inverse of
    the other, and so do the pictures; neither answer takes the other's place in an archive."""
    twins = sorted((real_data / "dicom").glob("txrv_CR_mono*.dcm"))
    films = [read_radiograph(file).pixels for file in twins]
    assert len(films) == 2
    np.testing.assert_allclose(films[0], 1 - films[1], atol=1e-6)
    made = [build_results(f.read_bytes(), said("answered", p)) for f, p in zip(twins, films, strict=True)]
    pictures = [by_modality(each)["OT"].pixel_array for each in made]
    corners = [picture[60:70, -10:].mean() for picture in pictures]
    assert abs(sum(corners) - 255) < 2, "where there is no heat one is the inverse of the other"
    assert abs(corners[0] - corners[1]) > 50
    assert not {ds.SOPInstanceUID for ds in made[0]} & {ds.SOPInstanceUID for ds in made[1]}
    shapes = [by_modality(each)["PR"].PresentationLUTShape for each in made]
    assert shapes == ["INVERSE", "IDENTITY"]


@pytest.mark.real
def test_a_file_without_preamble_gives_the_same_objects(real_data: Path):
    pair = sorted((real_data / "dicom").glob("CR-MONO1-10-chest.*"))
    assert len(pair) == 2
    pixels = read_radiograph(pair[0]).pixels
    made = [build_results(file.read_bytes(), said("answered", pixels)) for file in pair]
    assert [ds.SOPInstanceUID for ds in made[0]] == [ds.SOPInstanceUID for ds in made[1]]
    assert [len(each) for each in made] == [4, 4]
