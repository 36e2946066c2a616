"""What a file is, told by its first bytes and never by its name."""

from __future__ import annotations

from pathlib import Path

HEAD_BYTES = 132
"""Enough for every signature here: DICOM's own lies at bytes 128 to 131 (PS3.10 section 7.1)."""

RASTER_KINDS: tuple[str, ...] = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP archive (or an Office document)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"%PDF", "a PDF document"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"\xffO\xffQ", "a JPEG 2000 codestream"),
    (b"II+\x00", "a BigTIFF file"),
    (b"MM\x00+", "a BigTIFF file"),
    (b"NIFTI", "a NIfTI volume"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file"),
    (b"<!DOCTYPE", "a web page (a download that failed?)"),
    (b"<html", "a web page (a download that failed?)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)


def sniff(head: bytes) -> str:
    """``PNG``, ``JPEG``, ``TIFF``, ``BMP``, ``WEBP``, ``GIF``, ``DICOM`` (with or without preamble), or ``""``.

    Args:
        head: the first :data:`HEAD_BYTES` bytes of the file, or all of a shorter one.
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[128:132] == b"DICM" or _looks_like_bare_dicom(head):
        return "DICOM"
    # "BM" alone is two letters of text: the reserved bytes are zero and the header's length is a known one.
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and head[14:18] in _BMP_HEADERS:
        return "BMP"
    return ""


def describe(head: bytes) -> str:
    """A few words for a file that :func:`sniff` does not know, for the error line."""
    for signature, words in _FOREIGN:
        if head.startswith(signature):
            return words
    try:
        text = head.decode("utf-8", errors="strict" if len(head) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return "of an unknown type"
    if text and all(c.isprintable() or c.isspace() for c in text):
        return "text"
    return "of an unknown type"


def read_head(path: Path) -> bytes:
    """The first :data:`HEAD_BYTES` bytes; ``OSError`` where the file cannot be opened."""
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


_BMP_HEADERS = frozenset(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))
_VR = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT OB OW PN SH SL SS ST TM UI UL UN US UT".split())


def _looks_like_bare_dicom(head: bytes) -> bool:
    """A data set without preamble (PS3.5 section 7.1) starts with an element of group 0002 or 0008, little endian.

    The element must be one that can come first there, and hold a plausible length, or text that happens to begin
    with the byte 8 would be taken for DICOM.
    """
    if len(head) < 16 or head[:2] not in (b"\x02\x00", b"\x08\x00") or head[3] != 0 or head[2] > 0x18:
        return False
    if head[4:6] in _VR:  # explicit VR: two letters, then a length of two bytes
        return True
    length = int.from_bytes(head[4:8], "little")  # implicit VR: a length of four bytes
    return length <= 1024 and length % 2 == 0
