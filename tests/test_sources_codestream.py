"""Compressed DICOM whose pixels claim more than the header does: found by trying what a server may be sent.

A kilobyte of JPEG 2000 that claims 60,000 x 60,000 pixels took three gigabytes and fifteen seconds to refuse.
"""

from __future__ import annotations

import io
import os
import random
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGBaseline8Bit

from cxrlens.errors import UnreadableImageError
from cxrlens.sources import apart
from cxrlens.sources.codestream import Claimed, claimed_size
from cxrlens.sources.limits import ReadLimits
from cxrlens.sources.reading import decode_radiograph
from web_server import dicom

GREY = Image.fromarray(np.tile(np.arange(96, dtype=np.uint8) * 2, (96, 1)))
LIMITS = ReadLimits(max_pixels=1_000_000, max_bytes=4 << 20)
HERE = Path("film.dcm")


def coded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def wrapped(code: bytes, syntax: UID) -> bytes:
    """Compressed pixels in a file whose header says 96 x 96."""
    data = pydicom.dcmread(io.BytesIO(dicom(0, 96)))
    data.file_meta.TransferSyntaxUID = syntax
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.PixelData = encapsulate([code])
    data["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def deflated(extra: int = 0) -> bytes:
    data = pydicom.dcmread(io.BytesIO(dicom(0, 96)))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    if extra:
        data.add_new(0x00091001, "OB", b"\0" * extra)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def claiming(side: int, *, tile: bool = True) -> bytes:
    """A small JPEG 2000 codestream with a large word."""
    code = bytearray(coded(GREY, "JPEG2000", no_jp2=True))
    at = code.index(b"\xff\x51")
    for place in (6, 10, 22, 26) if tile else (6, 10):
        code[at + place : at + place + 4] = side.to_bytes(4, "big")
    return bytes(code)


@pytest.mark.parametrize("size", [(96, 96), (31, 200), (1, 1)])
def test_true_sizes_are_read(size: tuple[int, int]):
    grey, colour = Image.new("L", size, 90), Image.new("RGB", size, (9, 90, 40))
    for options in ({}, {"progressive": True}, {"comment": b"\xff\xc0 no frame"}):
        assert claimed_size(coded(grey, "JPEG", **options)) == Claimed(*size, 1)
        assert claimed_size(coded(colour, "JPEG", **options)) == Claimed(*size, 3)
    for options in ({"no_jp2": True}, {}):
        assert claimed_size(coded(colour, "JPEG2000", **options)) == Claimed(*size, 3)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\xd8\xff\xc0"]))
def test_any_bytes_claim_something_or_nothing(data: bytes, head: bytes):
    claimed = claimed_size(head + data)
    assert claimed is None or min(claimed.width, claimed.height, claimed.components) >= 0


@pytest.mark.parametrize("tile", [False, True])
@pytest.mark.parametrize("side", [12_000, 60_000, 2**31 - 1])
def test_jpeg_2000_that_claims_more_than_the_limit_is_refused_before_memory_is_taken(side: int, tile: bool):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableImageError, match=f"{side} x {side} pixels"):
        decode_radiograph(wrapped(claiming(side, tile=tile), JPEG2000Lossless), HERE, LIMITS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_a_second_size_cannot_hide_the_first():
    true, small = claiming(60_000), coded(GREY, "JPEG2000", no_jp2=True)
    boxed = b"\0\0\0\x0cjP  \r\n\x87\n" + small[:60] + true
    assert claimed_size(boxed) == Claimed(60_000, 60_000, 1)


def test_jpeg_that_claims_more_than_the_limit_is_refused():
    large = coded(Image.new("L", (1200, 1000), 90), "JPEG")
    with pytest.raises(UnreadableImageError, match="1200 x 1000 pixels"):
        decode_radiograph(wrapped(large, JPEGBaseline8Bit), HERE, LIMITS)
    many = bytearray(coded(GREY, "JPEG2000", no_jp2=True))
    at = many.index(b"\xff\x51") + 38
    many[at : at + 2] = (16_384).to_bytes(2, "big")
    with pytest.raises(UnreadableImageError, match="16384 samples a pixel"):
        decode_radiograph(wrapped(bytes(many), JPEG2000Lossless), HERE, LIMITS)


def test_honest_compressed_files_are_read():
    for code, syntax in ((coded(GREY, "JPEG", quality=95), JPEGBaseline8Bit),
                         (coded(GREY, "JPEG2000", no_jp2=True), JPEG2000Lossless)):  # fmt: skip
        assert decode_radiograph(wrapped(code, syntax), HERE, LIMITS).pixels.shape == (96, 96)


def test_a_deflated_file_is_read_and_one_that_unpacks_to_too_much_is_refused():
    assert decode_radiograph(deflated(), HERE, LIMITS).pixels.shape == (96, 96)
    bomb = deflated(40 << 20)
    assert len(bomb) < 1 << 17
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableImageError, match="unpacks to more"):
        decode_radiograph(bomb, HERE, LIMITS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30 * 1024
    with pytest.raises(UnreadableImageError, match="torn"):
        decode_radiograph(deflated()[:-40], HERE, LIMITS)


def lossless() -> bytes:
    """JPEG lossless, which GDCM alone reads; made by dcmtk."""
    if shutil.which("dcmcjpeg") is None:
        pytest.skip("needs dcmtk's dcmcjpeg")
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "plain.dcm", Path(folder) / "packed.dcm"
        plain.write_bytes(dicom(0, 96))
        subprocess.run(["dcmcjpeg", "+e1", plain, packed], check=True, timeout=30)
        return packed.read_bytes()


def test_jpeg_lossless_is_what_it_was_before_it_was_packed():
    expected = decode_radiograph(dicom(0, 96), HERE, LIMITS).pixels
    packed = lossless()
    for _again in range(2):
        assert np.array_equal(decode_radiograph(packed, HERE, LIMITS).pixels, expected)


def test_a_file_that_ends_the_decoders_process_is_one_line_and_the_next_is_read():
    """Found by fuzzing: GDCM calls std::terminate on some corrupt JPEG files, which ended the server."""
    packed = lossless()
    at = packed.rindex(b"\xff\xd8\xff")
    died = 0
    for seed in range(60):
        some = random.Random(seed)
        spoilt = bytearray(packed)
        for _ in range(3):
            spoilt[at + 2 + some.randrange(300)] = some.randrange(256)
        try:
            decode_radiograph(bytes(spoilt), HERE, LIMITS)
        except UnreadableImageError as error:
            died += "died" in str(error)
        if died:
            break
    assert died, "no file ended it: GDCM may have been mended, and apart.py be needed no more"
    assert decode_radiograph(packed, HERE, LIMITS).pixels.shape == (96, 96)


def test_a_decoder_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch):
    assert decode_radiograph(lossless(), HERE, LIMITS).pixels.shape == (96, 96)
    os.kill(apart._own.helper.pid, signal.SIGSTOP)  # it lives and answers nothing
    monkeypatch.setattr("cxrlens.sources.apart.PATIENCE_S", 0.2)
    with pytest.raises(UnreadableImageError, match="died"):
        decode_radiograph(lossless(), HERE, LIMITS)
    monkeypatch.undo()
    assert decode_radiograph(lossless(), HERE, LIMITS).pixels.shape == (96, 96), "the next file has a new helper"


def test_a_value_of_an_impossible_length_is_one_line():
    """Found by fuzzing: pydicom's error for it derives from none of the usual ones."""
    broken = dicom(0, 96).replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00UL\x03\x00", 1)
    with pytest.raises(UnreadableImageError):
        decode_radiograph(broken, HERE, LIMITS)


@pytest.mark.parametrize("tag", [b"\x08\x00\x60\x00CS", b"\x18\x00\x01\x51CS"], ids=["modality", "view"])
def test_a_value_of_an_unknown_kind_is_one_line(tag: bytes):
    """Found by fuzzing: facts of the header are parsed when they are asked for, after the pixels."""
    broken = dicom(0, 96).replace(tag, tag[:4] + b"CN", 1)
    with pytest.raises(UnreadableImageError, match="broken DICOM header"):
        decode_radiograph(broken, HERE, LIMITS)


def test_a_report_of_an_unknown_kind_is_one_line():
    data = pydicom.dcmread(io.BytesIO(dicom(0, 96)))
    del data.PixelData
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    broken = buffer.getvalue().replace(b"\x08\x00\x60\x00CS", b"\x08\x00\x60\x00C\x00", 1)
    with pytest.raises(UnreadableImageError):
        decode_radiograph(broken, HERE, LIMITS)
