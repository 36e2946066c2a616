"""The size that compressed pixels of a DICOM file claim for themselves, which its header need not agree with.

JPEG: ITU-T T.81 section B.2.2; JPEG-LS: ITU-T T.87 section C.2.2; JPEG 2000: ITU-T T.800 section A.5.1.
"""

from __future__ import annotations

from dataclasses import dataclass

_START, _SCAN, _END = 0xD8, 0xDA, 0xD9
_NO_LENGTH = (0x01, *range(0xD0, 0xD8))
_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # start of frame; F7 is JPEG-LS
_SIZ = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a decoder would take memory for.

    Args:
        width: columns.
        height: rows.
        components: samples a pixel.
    """

    width: int
    height: int
    components: int


def claimed_size(data: bytes) -> Claimed | None:
    """Of one compressed frame; ``None`` where it is none of the three, or breaks off before it says."""
    return _jpeg(data) if data[:2] == b"\xff\xd8" else _jpeg2000(data)


def _jpeg(data: bytes) -> Claimed | None:
    """From the first frame header; marker segments before it are passed over."""
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _NO_LENGTH:
            at += 2
        elif marker in _FRAME:
            head = data[at + 5 : at + 10]
            if len(head) < 5:
                return None
            return Claimed(int.from_bytes(head[2:4], "big"), int.from_bytes(head[:2], "big"), head[4])
        elif marker in (_START, _SCAN, _END):
            return None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _jpeg2000(data: bytes) -> Claimed | None:
    """The largest of all size segments: boxes that a decoder passes over may hold another one before the true one."""
    found = []
    at = data.find(_SIZ)
    while at >= 0:
        head = data[at + 4 : at + 42]
        if len(head) == 38:
            right, low, left, top = (int.from_bytes(head[i : i + 4], "big") for i in (4, 8, 12, 16))
            found.append(Claimed(max(0, right - left), max(0, low - top), int.from_bytes(head[36:38], "big")))
        at = data.find(_SIZ, at + 4)
    return max(found, key=lambda each: each.width * each.height * each.components, default=None)
