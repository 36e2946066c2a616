"""Sources of the field: other charsets, encodings, missing and wrong values. Objects, or one line that says why not."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from cxrlens.errors import CxrlensError
from cxrlens.serving.dicom.header import clean_header
from cxrlens.serving.dicom.results import ResultOptions, build_results, make_results, to_bytes
from dicom_films import as_bytes, as_read, by_modality, faults, film, said
from serving_model import phantoms

PIXELS = as_read(phantoms(1, 64)[0].pixels)
ANSWER = said("answered", PIXELS)
NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 192": "王^小東",
    "ISO_IR 144": "Люкceмбypг",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
}


@pytest.mark.parametrize("charset", NAMES)
def test_names_keep_every_letter_in_every_object(charset: str, tmp_path: Path):
    sets = charset.split("\\")
    data = as_bytes(film(PIXELS, SpecificCharacterSet=sets if len(sets) > 1 else charset, PatientName=NAMES[charset]))
    made = build_results(data, ANSWER)
    assert len(made) == 4
    for ds in made:
        read = pydicom.dcmread(io.BytesIO(to_bytes(ds)))
        assert str(read.PatientName) == NAMES[charset]
        assert faults(ds, tmp_path) == []


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, JPEG2000Lossless])
def test_any_transfer_syntax_will_do(syntax: pydicom.uid.UID):
    ds = film(PIXELS)
    if syntax.is_encapsulated:
        ds.compress(syntax, generate_instance_uid=False)
        data = as_bytes(ds)
    else:
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        ds.file_meta.TransferSyntaxUID = syntax
        buffer = io.BytesIO()
        how = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
        pydicom.dcmwrite(buffer, ds, enforce_file_format=True, **how)
        data = buffer.getvalue()
    plain = build_results(as_bytes(film(PIXELS)), ANSWER)
    made = build_results(data, ANSWER)
    assert [ds.SOPInstanceUID for ds in made] == [ds.SOPInstanceUID for ds in plain]
    for ds, reference in zip(made, plain, strict=True):
        assert ds.get("PixelData") == reference.get("PixelData")


def test_without_preamble_and_file_meta(tmp_path: Path):
    ds = film(PIXELS)
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, enforce_file_format=False, implicit_vr=True, little_endian=True)
    assert buffer.getvalue()[128:132] != b"DICM"
    assert len(build_results(buffer.getvalue(), ANSWER)) == 4


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_without_what_results_must_refer_to_it_is_one_line(name: str):
    words = pydicom.datadict.dictionary_description(name)
    for value in (None, "", "not a uid", "1." * 40 + "1"):
        data = as_bytes(film(PIXELS, **{name: value}))
        with pytest.raises(CxrlensError, match=words) as caught:
            build_results(data, ANSWER)
        assert "\n" not in str(caught.value)
        assert "Doe" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"no DICOM at all", b"\x89PNG\r\n\x1a\n" * 40, as_bytes(film(PIXELS))[:300]])
def test_what_is_no_dicom_is_one_line(data: bytes):
    with pytest.raises(CxrlensError) as caught:
        build_results(data, ANSWER)
    assert "\n" not in str(caught.value)


def test_a_private_kind_of_image_is_one_line():
    with pytest.raises(CxrlensError, match="no report can be made"):
        build_results(as_bytes(film(PIXELS, SOPClassUID="1.2.3.4.5")), ANSWER)


def test_private_attributes_are_not_carried_on():
    ds = film(PIXELS)
    ds.private_block(0x0011, "SECRET MAKER", create=True).add_new(1, "LO", "a private note")
    for made in build_results(as_bytes(ds), ANSWER):
        assert b"SECRET MAKER" not in to_bytes(made)
        assert b"a private note" not in to_bytes(made)


def test_wrong_value_representations_are_read_for_what_they_say():
    ds = film(PIXELS, PatientName=None, StudyDate=None, InstanceNumber=None)
    ds.add_new("PatientName", "LO", "Wrong^Kind")
    ds.add_new("StudyDate", "LO", "2024-01-02")
    ds.add_new("InstanceNumber", "UN", b"7 ")
    header = clean_header(pydicom.dcmread(io.BytesIO(as_bytes(ds)), force=True))
    assert (str(header.PatientName), header.StudyDate, header.InstanceNumber) == ("Wrong^Kind", "20240102", 7)


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("PatientBirthDate", "1995.07.20", "19950720"),
        ("PatientBirthDate", "19950732", ""),
        ("PatientBirthDate", "1995", ""),
        ("StudyTime", "11:22:07", "112207"),
        ("StudyTime", "112207.123456", "112207.123456"),
        ("StudyTime", "9", ""),
        ("PatientSex", "m", "M"),
        ("PatientSex", "unknown", ""),
        ("PatientID", "an identity of more than sixty-four letters, which no rule may shorten, or it is another", None),
    ],
)
def test_values_that_are_not_allowed_are_mended_or_blank_but_identity_is_kept(name: str, given: str, kept: str | None):
    data = as_bytes(film(PIXELS, **{name: given}))
    header = clean_header(pydicom.dcmread(io.BytesIO(data), force=True))
    assert header[name].value == (given if kept is None else kept)


def test_nothing_of_the_patient_is_printed(capfd: pytest.CaptureFixture[str]):
    """Libraries quote the values that they dislike."""
    data = as_bytes(film(PIXELS, PatientName="Secretname", PatientID="x" * 80, PatientBirthDate="1995.07.20"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        made = build_results(data, ANSWER)
        for ds in made:
            to_bytes(ds)
    told = "".join(capfd.readouterr())
    assert "Secretname" not in told
    assert "1995.07" not in told
    assert "xxxx" not in told


@pytest.mark.parametrize("bits", [8, 16])
def test_tables_of_the_source_are_carried_over(bits: int):
    """A table goes before a window, as in the reader, and keeps its depth."""
    voi, modality = Dataset(), Dataset()
    entries = np.linspace(0, 255, 4096).astype(np.uint16)
    voi.add_new("LUTDescriptor", "US", [4096, 0, 8])
    voi.add_new("LUTData", "OW", entries.astype(np.uint8 if bits == 8 else np.uint16).tobytes())
    modality.add_new("LUTDescriptor", "SS", [4096, -5, 16])
    modality.add_new("LUTData", "US", list(range(4096)))
    ds = film(PIXELS, VOILUTSequence=[voi], ModalityLUTSequence=[modality])
    state = by_modality(build_results(as_bytes(ds), ANSWER, ResultOptions(film=_film())))["PR"]
    (item,) = state.SoftcopyVOILUTSequence
    assert "WindowCenter" not in item
    (table,) = item.VOILUTSequence
    assert list(table.LUTDescriptor) == [4096, 0, 8]
    np.testing.assert_array_equal(np.frombuffer(table.LUTData, "<u2"), entries)
    (table,) = state.ModalityLUTSequence
    assert list(table.LUTDescriptor) == [4096, -5, 16]
    np.testing.assert_array_equal(np.frombuffer(table.LUTData, "<u2"), np.arange(4096))


def _film():
    from cxrlens.radiograph import Radiograph

    return Radiograph(ANSWER.heat_map.pixels)


def test_only_the_first_of_several_windows_is_carried_over():
    data = as_bytes(film(PIXELS, WindowCenter=[2048, 1], WindowWidth=[4096, 2]))
    (item,) = by_modality(build_results(data, ANSWER))["PR"].SoftcopyVOILUTSequence
    assert (float(item.WindowCenter), float(item.WindowWidth)) == (2048, 4096)


JUNK = st.sampled_from(
    ["", "x", "\\", "1\\2\\3", "-1", "1e400", "NaN", "0", "99999999999999999999", "é\x00ß", "a" * 200]
)
TAGS = sorted(
    {e.keyword for e in film(PIXELS) if e.keyword not in ("PixelData", "SpecificCharacterSet")}
    | {"PixelSpacing", "PixelAspectRatio", "RescaleSlope", "RescaleIntercept", "LossyImageCompressionRatio"}
    | {"Laterality", "PatientAge", "BurnedInAnnotation", "DeidentificationMethod", "LossyImageCompression"}
)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(TAGS), st.none() | JUNK, max_size=6))
def test_whatever_the_header_holds_there_are_objects_or_one_line(changes: dict[str, str | None]):
    ds = film(PIXELS)
    for name, value in changes.items():
        if name in ds:
            delattr(ds, name)
        if value is not None:
            ds.add_new(name, "LO", value)  # its own kind would not let the value in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = as_bytes(ds)
    problem, files = "", []
    try:
        results = make_results(data, ANSWER, ResultOptions(film=_film()))
        files = [to_bytes(made) for made in results.datasets]
    except CxrlensError as error:
        problem = str(error)
    assert "\n" not in problem
    assert bool(files) == (not problem)
    assert all(len(file) > 132 and file[128:132] == b"DICM" for file in files)
