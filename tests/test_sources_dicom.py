"""DICOM: the grey-scale pipeline against pydicom and the standard's formulas, and files that cannot be shown."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources import ReadLimits, read_radiograph
from cxrlens.sources.dicom import read_header
from cxrlens.sources.voi import lookup, stretch, window

STORED = np.linspace(0, 4095, 30 * 20).round().astype(np.uint16).reshape(30, 20)


def dataset(pixels: np.ndarray | None = STORED, bits: int = 12, **tags: Any) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid(entropy_srcs=["test"])
    ds.Modality = "DX"
    if pixels is not None:
        ds.Rows, ds.Columns = pixels.shape[:2]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = pixels.dtype.itemsize * 8, bits, bits - 1
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        ds.PixelData = pixels.tobytes()
        ds["PixelData"].VR = "OW"
    for name, value in tags.items():
        setattr(ds, name, value)
    return ds


def write(path: Path, ds: Dataset) -> Path:
    ds.save_as(path, enforce_file_format=True)
    return path


def shown(tmp_path: Path, ds: Dataset) -> Radiograph:
    return read_radiograph(write(tmp_path / "x.dcm", ds))


def refusal(path: Path, limits: ReadLimits | None = None) -> str:
    with pytest.raises(UnreadableImageError) as caught:
        read_radiograph(path, limits or ReadLimits())
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def table(values: np.ndarray, first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [len(values), first, bits])
    item.add_new("LUTData", "US", [int(v) for v in values])
    return item


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_is_what_pydicom_computes(tmp_path: Path, function: str) -> None:
    ds = dataset(WindowCenter=[1800, 9], WindowWidth=[1500, 7], VOILUTFunction=function)
    reference = apply_voi_lut(STORED, ds) / 4095
    np.testing.assert_allclose(shown(tmp_path, ds).pixels, reference, atol=2e-4)


def test_linear_window_meets_the_standards_example() -> None:
    """PS3.3 C.11.2.1.2.1: centre 2048, width 4096 keeps 0..4095; centre 0, width 100 ends at -50 and 49."""
    np.testing.assert_allclose(window(np.array([0.0, 4095.0]), 2048, 4096), [0, 1])
    np.testing.assert_allclose(window(np.array([-51.0, -50, 49, 50]), 0, 100), [0, 0, 1, 1])
    np.testing.assert_allclose(window(np.array([-0.6, 0.4, 0.6]), 1, 1), [0, 0, 1])


@given(st.floats(-5000, 5000), st.floats(2, 9000), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]))
def test_window_never_falls_and_stays_in_range(centre: float, width: float, function: str) -> None:
    out = window(np.linspace(-9000, 9000, 500), centre, width, function)
    assert (np.diff(out) >= 0).all()
    assert out.min() >= 0
    assert out.max() <= 1


def test_impossible_window_is_passed_over_with_a_note(tmp_path: Path) -> None:
    r = shown(tmp_path, dataset(WindowCenter=100, WindowWidth=0))
    np.testing.assert_allclose(r.pixels, STORED / 4095, atol=1e-4)
    assert "window" in " ".join(r.notes)


def test_rescale_comes_before_the_window(tmp_path: Path) -> None:
    ds = dataset(RescaleSlope=2, RescaleIntercept=-1000, RescaleType="US", WindowCenter=1000, WindowWidth=2001)
    np.testing.assert_allclose(
        shown(tmp_path, ds).pixels, window(STORED * 2.0 - 1000, 1000, 2001), atol=1e-6
    )  # the window without the rescale would end at other values


def test_modality_table_comes_before_the_voi_table_and_both_before_inversion(tmp_path: Path) -> None:
    modality = np.square(np.linspace(0, 63, 4096)).round().astype(np.uint16)
    voi = np.sqrt(np.linspace(0, 1, 3970)) * 1023
    ds = dataset(PhotometricInterpretation="MONOCHROME1")
    ds.ModalityLUTSequence = [table(modality, 0, 16)]
    ds.VOILUTSequence = [table(voi.round().astype(np.uint16), 0, 10)]
    reference = apply_voi_lut(apply_modality_lut(STORED, ds), ds) / 1023
    np.testing.assert_allclose(shown(tmp_path, ds).pixels, 1 - reference, atol=1e-5)


def test_voi_table_goes_before_a_window(tmp_path: Path) -> None:
    ds = dataset(WindowCenter=10, WindowWidth=20)
    ds.VOILUTSequence = [table(np.arange(4096), 0, 12)]
    np.testing.assert_allclose(shown(tmp_path, ds).pixels, STORED / 4095, atol=1e-6)


def test_signed_values_and_a_table_that_starts_below_zero(tmp_path: Path) -> None:
    signed = (STORED.astype(np.int32) - 2048).astype(np.int16)
    ds = dataset(signed)
    ds.VOILUTSequence = [table(np.arange(4096), -2048, 12)]
    np.testing.assert_allclose(shown(tmp_path, ds).pixels, STORED / 4095, atol=1e-6)


def test_table_holds_its_ends_beyond_its_range() -> None:
    np.testing.assert_array_equal(lookup(np.array([-5.0, 10, 11, 12, 99]), np.array([3, 7, 9]), 10), [3, 3, 7, 9, 9])


def test_monochrome1_is_the_negative_of_monochrome2(tmp_path: Path) -> None:
    one = shown(tmp_path, dataset(PhotometricInterpretation="MONOCHROME1")).pixels
    two = shown(tmp_path, dataset()).pixels
    np.testing.assert_allclose(one, 1 - two, atol=1e-6)


def test_contradicting_presentation_lut_shape_inverts_once_only(tmp_path: Path) -> None:
    agreed = shown(tmp_path, dataset(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"))
    np.testing.assert_allclose(agreed.pixels, 1 - STORED / 4095, atol=1e-4)
    assert "contradicts" not in " ".join(agreed.notes)
    odd = shown(tmp_path, dataset(PresentationLUTShape="INVERSE"))
    np.testing.assert_allclose(odd.pixels, STORED / 4095, atol=1e-4)
    assert "contradicts" in " ".join(odd.notes)


def test_padding_is_black_and_does_not_stretch_the_range(tmp_path: Path) -> None:
    pixels = STORED // 4 + 1000
    pixels[:3] = 4095
    r = shown(tmp_path, dataset(pixels, PixelPaddingValue=4095, PhotometricInterpretation="MONOCHROME1"))
    assert (r.pixels[:3] == 0).all()
    assert r.pixels[3:].max() == 1
    assert r.pixels[-1, -1] == 0


def test_bits_above_the_high_bit_are_no_pixels(tmp_path: Path) -> None:
    overlay = STORED.copy()
    overlay[5:9, 5:9] |= 0x1000
    ds = dataset(overlay, WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(shown(tmp_path, ds).pixels, STORED / 4095, atol=1e-6)


def test_header_facts_take_the_manifests_words(tmp_path: Path) -> None:
    tags = {"PatientID": "A-17", "ViewPosition": "AP", "PatientSex": "F", "PatientAge": "045Y"}
    r = shown(tmp_path, dataset(**tags))
    assert r.metadata == {"patient_id": "A-17", "view": "AP", "sex": "F", "age": "45"}
    assert read_header(tmp_path / "x.dcm") == {**r.metadata, "modality": "DX"}
    assert (r.file_format, r.bit_depth) == ("DICOM", 12)


def test_other_modality_is_read_and_noted(tmp_path: Path) -> None:
    assert "modality OT" in " ".join(shown(tmp_path, dataset(Modality="OT")).notes)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_file_without_preamble_and_meta_is_the_same_picture(tmp_path: Path, syntax: UID) -> None:
    ds = dataset(WindowCenter=1800, WindowWidth=1500)
    whole = shown(tmp_path, ds).pixels
    del ds.file_meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True)
    (tmp_path / "bare.dcm").write_bytes(buffer.getvalue())
    assert buffer.getvalue()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_radiograph(tmp_path / "bare.dcm").pixels, whole)


def test_bytes_that_only_begin_like_dicom_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + bytes(500))
    refusal(tmp_path / "x.dcm")
    (tmp_path / "y.dcm").write_bytes(b"DICM is only a word here" * 20)
    refusal(tmp_path / "y.dcm")


def test_no_pixels_many_frames_and_huge_sizes_are_refused(tmp_path: Path) -> None:
    assert "without pixel data" in refusal(write(tmp_path / "sr.dcm", dataset(None, Modality="SR")))
    cine = dataset(np.concatenate([STORED] * 3), NumberOfFrames=3, Rows=30)
    assert "3 frames" in refusal(write(tmp_path / "cine.dcm", cine))
    huge = dataset(Rows=50000, Columns=50000)
    assert "more than the limit" in refusal(write(tmp_path / "huge.dcm", huge))


def test_torn_pixels_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.dcm", dataset())
    path.write_bytes(path.read_bytes()[:-500])
    refusal(path)


def test_unknown_transfer_syntax_is_named(tmp_path: Path) -> None:
    ds = dataset()
    path = write(tmp_path / "x.dcm", ds)
    old, new = ExplicitVRLittleEndian.encode(), b"1.2.3.4.5.6.7.8.901"
    assert len(old) == len(new)
    path.write_bytes(path.read_bytes().replace(old, new, 1))
    assert "unknown transfer syntax 1.2.3.4.5.6.7.8.901" in refusal(path)


def test_missing_decoder_names_the_extra_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.dcm", encapsulated(np.full((16, 16), 90, np.uint8)))
    read_radiograph(path)
    monkeypatch.setattr(pydicom.pixels.get_decoder(JPEGBaseline8Bit), "_available", {})
    assert "pip install 'cxrlens[dicom]'" in refusal(path)


def encapsulated(pixels: np.ndarray) -> Dataset:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    ds = dataset(pixels, bits=8)
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.PixelData = pydicom.encaps.encapsulate([buffer.getvalue()])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def test_jpeg_baseline_of_8_bits_is_shown_as_it_is(tmp_path: Path) -> None:
    gradient = np.repeat(np.linspace(10, 240, 32).astype(np.uint8)[None], 16, 0)
    r = shown(tmp_path, encapsulated(gradient))
    np.testing.assert_allclose(r.pixels, gradient / 255, atol=3 / 255)


def test_colour_secondary_capture_becomes_luma(tmp_path: Path) -> None:
    rgb = np.zeros((8, 9, 3), np.uint8)
    rgb[..., 0] = 255
    ds = dataset(rgb, bits=8, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, Modality="SC")
    r = shown(tmp_path, ds)
    assert r.pixels.mean() == pytest.approx(0.299, abs=1e-3)
    assert (r.colour_mode, r.tint) == ("rgb", 1.0)


def test_stretch_of_a_constant_is_black() -> None:
    assert (stretch(np.full((3, 3), 7.0)) == 0).all()


@pytest.mark.real
def test_real_files_of_many_encodings_are_read(real_data: Path) -> None:
    files = sorted((real_data / "dicom").rglob("*.dcm"))
    assert len(files) >= 9
    read = {path.name: read_radiograph(path) for path in files}
    for name, r in read.items():
        assert r.pixels.std() > 0.05, name
    with_preamble, without = read["CR-MONO1-10-chest.dcmfx.dcm"], read["CR-MONO1-10-chest.nopreamble.dcm"]
    np.testing.assert_array_equal(with_preamble.pixels, without.pixels)
    one = next(r for name, r in read.items() if "Fake_MONOHR1" in name)
    two = next(r for name, r in read.items() if name.startswith("txrv_CR_mono2"))
    np.testing.assert_allclose(one.pixels, 1 - two.pixels, atol=1e-6)
    for name in ("CR-MONO1-10-chest.dcmfx.dcm", "RG1_J2KI_CR_chestPA_mono1_j2k.dcm", "nih_DX_mono2_implicitLE.dcm"):
        p = read[name].pixels  # lungs are darker than the mediastinum between them
        h, w = p.shape
        lungs = (p[h // 3 : h // 2, w // 5 : w // 3].mean() + p[h // 3 : h // 2, -w // 3 : -w // 5].mean()) / 2
        assert lungs < p[h // 3 : h // 2, int(w * 0.46) : int(w * 0.54)].mean() - 0.1, name


@pytest.mark.parametrize("bits", [0, 17, 60_000])
def test_a_table_of_impossible_bits_is_one_line(tmp_path: Path, bits: int) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4096, 0, bits], list(range(4096))
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    assert "broken grey-scale description" in refusal(write(tmp_path / "x.dcm", dataset(VOILUTSequence=[table])))


@pytest.mark.parametrize("name", ["Rows", "NumberOfFrames", "PixelPaddingValue"])
def test_a_number_beyond_all_numbers_is_one_line(tmp_path: Path, name: str) -> None:
    ds = dataset()
    ds.add_new(name, "DS", "1")
    ds[name]._value = "1e400"  # what a file can hold and pydicom would not write by itself
    path = write(tmp_path / "x.dcm", ds)
    refusal(path)


def test_a_modality_that_swallowed_a_name_is_not_repeated(tmp_path: Path) -> None:
    ds = dataset(None)
    ds["Modality"]._value = "CR PN Doe^John"
    assert "Doe" not in refusal(write(tmp_path / "x.dcm", ds))
    with_pixels = dataset()
    with_pixels["Modality"]._value = "CR PN Doe^John"
    assert "Doe" not in " ".join(shown(tmp_path, with_pixels).notes)
