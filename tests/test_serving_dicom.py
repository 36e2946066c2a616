"""DICOM objects of an answer: what they say, read back; whose they are; when they are the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from highdicom.sr import srread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

import cxrlens
from cxrlens import RESEARCH_ONLY
from cxrlens.doubts import HEADLINE
from cxrlens.errors import OptionError
from cxrlens.labels import CLASSES
from cxrlens.serving.dicom.codes import COMMENT, FINDING, FINDINGS, PROBABILITY, SET_MEMBER, finding
from cxrlens.serving.dicom.results import KINDS, ResultOptions, build_results, make_results, to_bytes, write_results
from cxrlens.serving.dicom.uids import uid_of
from cxrlens.serving.prediction import Prediction
from dicom_films import DOUBTS, NAME, RISK, UNCHECKED, as_bytes, as_read, by_modality, film, said
from serving_model import phantoms

WHEN = datetime(2024, 3, 4, 5, 6, 7)
AT = ResultOptions(when=WHEN)
LABELS = {finding(name).value: name for name in CLASSES}


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[bytes, Prediction]]:
    """One image for each status, with what is said of it."""
    pixels = as_read(phantoms(1)[0].pixels)
    found = {status: (as_bytes(film(pixels)), said(status, pixels)) for status in ("answered", "not sure", "refused")}
    found["error"] = (as_bytes(film(pixels, Rows=4000)), said("error", pixels))
    return found


def group(report: Dataset, folder: Path):
    (file,) = write_results(folder, [report])
    (found,) = srread(file).content.get_image_measurement_groups()
    return found


def comments(report: Dataset, folder: Path) -> str:
    items = group(report, folder)[0].ContentSequence
    return "\n".join(str(item.value) for item in items if item.name == COMMENT)


@pytest.mark.parametrize("status", ["answered", "not sure"])
def test_every_probability_of_the_report_is_the_predictions(answers, status: str, tmp_path: Path):
    data, answer = answers[status]
    found = group(build_results(data, answer)[0], tmp_path)
    told = {}
    for measurement in found.get_measurements(PROBABILITY):
        (item,) = measurement
        assert measurement.unit == codes.UCUM.NoUnits
        (modifier,) = [child for child in item.ContentSequence if child.name == FINDING]
        told[LABELS[modifier.value.value]] = float(measurement.value)
    assert told == answer.to_dict()["probabilities"]
    assert sum(told.values()) == pytest.approx(1, abs=1e-5)


def test_the_finding_is_the_label_and_undetermined_where_the_model_abstains(answers, tmp_path: Path):
    data, answer = answers["answered"]
    assert group(build_results(data, answer)[0], tmp_path).finding_type == FINDINGS[str(answer.label)]
    data, answer = answers["not sure"]
    report = build_results(data, answer)[0]
    assert group(report, tmp_path).finding_type == codes.SCT.Undetermined
    assert answer.reason
    assert f"Reason: {answer.reason}" in comments(report, tmp_path)


@pytest.mark.parametrize("status", ["refused", "error"])
def test_where_the_image_was_not_judged_no_class_is_named(answers, status: str, tmp_path: Path):
    data, answer = answers[status]
    report = build_results(data, answer)[0]
    found = group(report, tmp_path)
    assert found.finding_type is None
    assert not found.get_measurements()
    assert f"Reason: {answer.reason}" in comments(report, tmp_path)
    assert report.CompletionFlag == "PARTIAL"
    named = {code for code in LABELS if code in str(report)}
    assert not named


def test_the_report_carries_set_warnings_basis_and_notice(answers, tmp_path: Path):
    data, answer = answers["not sure"]
    answer = replace(answer, warnings=("the image has – a colour cast",))
    report = build_results(data, answer)[0]
    told = comments(report, tmp_path)
    assert "Warning: the image has – a colour cast" in told
    assert answer.measured_on in told
    assert RESEARCH_ONLY in told
    members = group(report, tmp_path).get_qualitative_evaluations(SET_MEMBER)
    assert [LABELS[member.value.value] for member in members] == list(answer.prediction_set or ())
    assert (report.VerificationFlag, report.CompletionFlag) == ("UNVERIFIED", "COMPLETE")


def test_the_report_says_whether_its_map_should_be_read(answers, tmp_path: Path):
    data, answer = answers["not sure"]
    flagged = replace(answer, heat_map=replace(answer.heat_map, doubts=DOUBTS[1]))
    told = comments(build_results(data, flagged)[0], tmp_path)
    name = flagged.heat_map.label
    assert f"Heat-map for {name}. {DOUBTS[1].sentence}" in told
    sound = replace(answer, heat_map=replace(answer.heat_map, doubts=DOUBTS[0]))
    told = comments(build_results(data, sound)[0], tmp_path)
    assert f"Heat-map for {name}. Not checked: {UNCHECKED[0]}." in told
    assert HEADLINE not in told


def test_picture_and_outline_bear_the_flag(answers):
    """A strip of its own below the film, whose pixels it leaves alone, and a line of the state's text."""
    data, answer = answers["not sure"]
    made = {}
    for doubts in DOUBTS:
        shown = replace(answer, heat_map=replace(answer.heat_map, doubts=doubts))
        made[doubts.flagged] = by_modality(build_results(data, shown, AT))
    pictures = {flag: each["OT"].pixel_array for flag, each in made.items()}
    film_ends = next(y for y, row in enumerate(pictures[True][60:], 60) if (row[:8] == (255, 196, 87)).all())
    np.testing.assert_array_equal(pictures[True][:film_ends], pictures[False][:film_ends])
    assert not (pictures[False][film_ends, :8] == (255, 196, 87)).all()
    words = {flag: str(each["PR"]) for flag, each in made.items()}
    assert f"{HEADLINE}: {', '.join(DOUBTS[1].short)}" in words[True]
    assert HEADLINE not in words[False]


def test_the_risk_is_told_where_it_was_measured(answers, tmp_path: Path):
    data, answer = answers["answered"]
    told = comments(build_results(data, replace(answer, risk=RISK))[0], tmp_path)
    assert f"Risk: {RISK.sentence}" in told
    told = comments(build_results(data, replace(answer, risk=None))[0], tmp_path)
    assert "Risk" not in told


def test_the_model_is_the_observer(answers, tmp_path: Path):
    data, answer = answers["answered"]
    report = build_results(data, answer)[0]
    (file,) = write_results(tmp_path, [report])
    (observer,) = srread(file).content.get_observer_contexts(codes.DCM.Device)
    device = observer.observer_identifying_attributes
    assert (device.manufacturer_name, device.model_name) == ("cxrlens", answer.model["name"])
    assert device.serial_number == answer.model["hash"]
    assert device.name == f"cxrlens {cxrlens.__version__}"
    assert device.uid == uid_of("device", answer.model["hash"])


@pytest.mark.parametrize("status", ["answered", "not sure", "refused"])
def test_every_object_is_of_the_sources_patient_and_study_and_refers_to_it(answers, status: str):
    data, answer = answers[status]
    source = film(phantoms(1)[0].pixels)
    made = build_results(data, answer)
    assert len({ds.SeriesInstanceUID for ds in made} | {source.SeriesInstanceUID}) == len(made) + 1
    for ds in made:
        for name in ("StudyInstanceUID", "PatientID", "PatientBirthDate", "PatientSex", "StudyID", "AccessionNumber"):
            assert ds[name].value == source[name].value, name
        assert str(ds.PatientName) == NAME
        assert str(ds.ReferringPhysicianName) == "Ref^Dr"
        assert source.SOPInstanceUID in str(ds), "a reference to the image"
        assert "RESEARCH" in ds.SeriesDescription
        assert ds.DeviceSerialNumber == answer.model["hash"]


def test_what_was_not_judged_has_a_report_and_a_picture_and_says_why_no_more(answers):
    data, answer = answers["refused"]
    results = make_results(data, answer)
    assert [ds.Modality for ds in results.datasets] == ["SR", "OT"]
    assert set(results.left_out) == {"outline", "region"}
    data, answer = answers["error"]
    results = make_results(data, answer)
    assert [ds.Modality for ds in results.datasets] == ["SR"]
    assert "picture" in results.left_out


def test_the_same_answer_made_twice_is_the_same_to_the_byte(answers):
    data, answer = answers["answered"]
    once, again = ([to_bytes(ds) for ds in build_results(data, answer, AT)] for _ in range(2))
    assert once == again
    assert len(once) == len(KINDS)


def test_uids_do_not_depend_on_the_clock_and_are_others_for_another_model_image_or_map(answers):
    data, answer = answers["answered"]
    uids = {str(ds.SOPInstanceUID) for ds in build_results(data, answer, AT)}
    assert uids == {str(ds.SOPInstanceUID) for ds in build_results(data, answer)}
    other = replace(answer, model={"name": "plain", "hash": "0" * 64})
    assert not uids & {str(ds.SOPInstanceUID) for ds in build_results(data, other)}
    image = as_bytes(film(answer.heat_map.pixels, SOPInstanceUID="1.2.3"))
    assert not uids & {str(ds.SOPInstanceUID) for ds in build_results(image, answer)}
    shown = replace(answer, heat_map=replace(answer.heat_map, label="Normal", layer="other"))
    kept = uids & {str(ds.SOPInstanceUID) for ds in build_results(data, shown)}
    assert len(kept) == 1, "the report is the same, the pictures of another map are not"


def test_uids_are_valid_and_no_two_lists_of_texts_share_one():
    assert uid_of("a", "bc") != uid_of("ab", "c")
    assert uid_of("a") == uid_of("a")
    for i in range(200):
        uid = uid_of(str(i))
        assert len(uid) <= 64
        assert uid.startswith("2.25.")
        assert not uid.split(".")[2].startswith("0")


def test_the_picture_is_the_same_whoever_the_patient_is(answers):
    """So nothing of the patient is in its pixels."""
    data, answer = answers["answered"]
    plain = by_modality(build_results(data, answer))["OT"]
    named = film(
        phantoms(1)[0].pixels, PatientName="Someone^Else", PatientID="OTHER", StudyID="X", StudyDate="19990909"
    )
    other = by_modality(build_results(as_bytes(named), answer))["OT"]
    assert str(other.PatientName) == "Someone^Else"
    assert plain.PixelData == other.PixelData
    assert plain.BurnedInAnnotation == "YES"
    assert list(plain.ImageType) == ["DERIVED", "SECONDARY"]
    assert max(plain.Rows, plain.Columns) <= 2048


def test_a_lossy_source_makes_a_lossy_picture(answers):
    data, answer = answers["answered"]
    tags = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "10",
        "LossyImageCompressionMethod": "ISO_10918_1",
    }
    picture = by_modality(build_results(as_bytes(film(phantoms(1)[0].pixels, **tags)), answer))["OT"]
    assert {name: str(picture[name].value) for name in tags} == tags
    assert "LossyImageCompression" not in by_modality(build_results(data, answer))["OT"]


def test_a_picture_of_many_words_stays_within_bounds(answers):
    data, answer = answers["answered"]
    wordy = replace(answer, warnings=tuple(f"warning {i}: " + "so it is answer, " * 20 for i in range(60)))
    picture = by_modality(build_results(data, wordy))["OT"]
    assert max(picture.Rows, picture.Columns) <= 2048


def test_file_names_are_uids_and_writing_again_replaces(answers, tmp_path: Path):
    data, answer = answers["answered"]
    made = build_results(data, answer)
    files = write_results(tmp_path / "out", made)
    assert [file.name for file in files] == [f"{ds.SOPInstanceUID}.dcm" for ds in made]
    write_results(tmp_path / "out", build_results(data, answer))
    assert sorted((tmp_path / "out").iterdir()) == sorted(files), "nothing else, no half-written file"
    (tmp_path / "file").write_text("x")
    with pytest.raises(OptionError, match="cannot be written"):
        write_results(tmp_path / "file", made)


def test_only_the_kinds_that_are_asked_for_are_made(answers):
    data, answer = answers["answered"]
    (report,) = build_results(data, answer, ResultOptions(kinds=("report",)))
    assert report.Modality == "SR"


def test_a_data_set_does_as_well_as_a_file(answers):
    _, answer = answers["answered"]
    ds = film(answer.heat_map.pixels)
    before = as_bytes(ds)
    again = [to_bytes(made) for made in build_results(ds, answer, AT)]
    assert again == [to_bytes(made) for made in build_results(before, answer, AT)]
    assert as_bytes(ds) == before, "the source is left as it was"
