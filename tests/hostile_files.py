"""Files that nobody should send and everybody does, and what every door must say of each: one table for all doors."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, generate_uid

from cxrlens.sources.phantom.encode import encode_png, to_samples
from serving_model import phantoms
from web_server import dicom, film

SIDE = 64


@dataclass(frozen=True)
class Hostile:
    """One file.

    Args:
        file: the name that it comes under, its extension a lie where that is the point.
        data: its bytes.
        says: a part of the fault that is told of it; blank where it is a picture after all, and is judged.
    """

    file: str
    data: bytes
    says: str = ""


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png(width: int, height: int, data: bytes = b"\0" * 1000, *more: tuple[bytes, bytes]) -> bytes:
    """A grey PNG whose header promises so many pixels, with ``data`` for them, and chunks before that."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def webp_of(width: int, height: int) -> bytes:
    """An extended WebP header alone that promises so many pixels (RFC 9649 section 2.7)."""
    body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + (22).to_bytes(4, "little") + b"WEBPVP8X" + (10).to_bytes(4, "little") + body


def _damaged(data: bytes) -> bytes:
    """One bit in the middle turned over."""
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _dicom(name: str, change: Callable[[pydicom.Dataset], None] | None = None, **attributes: Any) -> bytes:
    """A film with an identity of its own, some attributes other than they should be."""
    data = pydicom.dcmread(io.BytesIO(dicom(0, SIDE, **attributes)))
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name])
    if change is not None:
        change(data)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data)
    return buffer.getvalue()


def _without_pixels(data: pydicom.Dataset) -> None:
    del data.PixelData


def _claiming(data: pydicom.Dataset) -> None:
    """A JPEG 2000 codestream of a few bytes whose own header claims 60,000 × 60,000 pixels (ITU-T T.800, A.5.1)."""
    size = struct.pack(">HHIIIIIIIIH", 41, 0, 60_000, 60_000, 0, 0, 60_000, 60_000, 0, 0, 1) + b"\x07\x01\x01"
    data.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + size + b"\xff\xd9"])
    data["PixelData"].is_undefined_length = True
    data.file_meta.TransferSyntaxUID = JPEG2000Lossless


def _private_syntax(data: pydicom.Dataset) -> None:
    data.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.3.4.5")


def _deflated(data: pydicom.Dataset) -> None:
    """Twenty kilobytes that unpack to twenty megabytes."""
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    data.PixelData = b"\0" * 20_000_000


_PIXELS = phantoms(1, SIDE)[0].pixels
_EIGHT = np.rint(_PIXELS * 255).astype(np.uint8)
_GREY = Image.fromarray(_EIGHT)
_COLOUR = _GREY.convert("RGB")
_TURNED = _GREY.transpose(Image.Transpose.ROTATE_90)
_NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (SIDE, SIDE), np.uint8))
_EXIF = Image.Exif()
_EXIF[0x0112] = 6
_HOLE = np.where(np.arange(SIDE)[:, None] == 7, np.nan, _PIXELS).astype(np.float32)
_TEXT_BOMB = b"Comment\0\0" + zlib.compress(b"\0" * 2_000_000)
_SEE_THROUGH = Image.fromarray(np.dstack([_EIGHT] * 3 + [np.tri(SIDE, dtype=np.uint8) * 255]))

FILES: dict[str, Hostile] = {
    # no picture
    "nothing": Hostile("nothing.png", b"", "is empty (zero bytes)"),
    "one byte": Hostile("one-byte.png", b"\x89", "is no image but of an unknown type"),
    "zeros": Hostile("zeros.jpg", b"\0" * 5000, "is no image but of an unknown type"),
    "text": Hostile("text.png", b"a,b,c\n1,2,3\n", "is no image but text"),
    "page of an error": Hostile("page.jpg", b"<!DOCTYPE html><html>404</html>", "is no image but a web page"),
    "pointer": Hostile(
        "pointer.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a Git LFS pointer"
    ),
    "archive": Hostile("archive.png", b"PK\x03\x04" + b"\0" * 40, "a ZIP archive"),
    "gzip bomb": Hostile("packed.dcm", gzip.compress(b"\0" * 5_000_000), "a gzip file"),
    "pdf": Hostile("scan.png", b"%PDF-1.7\n", "a PDF document"),
    "svg that loads": Hostile(
        "drawing.png",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "an SVG drawing",
    ),
    "program": Hostile("film.png", b"\x7fELF\x02\x01\x01" + b"\0" * 60, "is no image but of an unknown type"),
    # torn
    "torn png": Hostile("torn.png", _saved(_NOISE, "PNG")[:2000], "is a torn or corrupt PNG"),
    "torn jpeg": Hostile("torn.jpg", _saved(_NOISE, "JPEG")[:1000], "is a torn or corrupt JPEG"),
    "torn tiff": Hostile("torn.tif", _saved(_GREY, "TIFF")[:90], "is a torn or corrupt TIFF"),
    "torn bmp": Hostile("torn.bmp", _saved(_GREY, "BMP")[:2000], "is a torn or corrupt BMP"),
    "torn webp": Hostile("torn.webp", _saved(_NOISE, "WEBP")[:400], "WEBP"),
    "torn gif": Hostile("torn.gif", _saved(_NOISE, "GIF")[:1500], "is a torn or corrupt GIF"),
    "damaged png": Hostile("damaged.png", _damaged(_saved(_NOISE, "PNG")), "is a torn or corrupt PNG"),
    "png head alone": Hostile("head.png", b"\x89PNG\r\n\x1a\n", "has a broken PNG header"),
    "jpeg head alone": Hostile("head.jpg", b"\xff\xd8\xff", "has a broken JPEG header"),
    # sizes
    "no pixels": Hostile("no-pixels.png", png(0, 7), "says it has 0 x 7 pixels"),
    "bomb png": Hostile("bomb.png", png(50_000, 50_000), "has 50000 x 50000 pixels, more than the limit"),
    "bomb webp": Hostile("bomb.webp", webp_of(16_000, 16_000), "has 16000 x 16000 pixels, more than the limit"),
    "gif frame of 179 million pixels": Hostile(
        "frame.gif", b"GIF89a" + b"\x00" * 7 + b"," + b"\x00" * 5 + b"\x0c\x00\xe4", "GIF"
    ),
    "text chunk that unpacks to megabytes": Hostile("comment.png", png(8, 8, b"\0" * 72, (b"zTXt", _TEXT_BOMB)), "PNG"),
    # several pictures
    "animated gif": Hostile(
        "animation.gif", _saved(_GREY, "GIF", save_all=True, append_images=[_TURNED]), "holds 2 frames (an animation)"
    ),
    "animated webp": Hostile(
        "animation.webp", _saved(_GREY, "WEBP", save_all=True, append_images=[_TURNED]), "holds 2 frames (an animation)"
    ),
    "animated png": Hostile(
        "animation.png", _saved(_GREY, "PNG", save_all=True, append_images=[_TURNED]), "holds 2 frames (an animation)"
    ),
    "pages": Hostile("pages.tif", _saved(_GREY, "TIFF", save_all=True, append_images=[_TURNED]), "holds 2 pages"),
    # no numbers
    "nan": Hostile("nan.tif", _saved(Image.fromarray(_HOLE), "TIFF"), "has 64 pixel(s) that are NaN or infinite"),
    "infinite": Hostile(
        "infinite.tif", _saved(Image.fromarray(np.full((8, 8), np.inf, np.float32)), "TIFF"), "NaN or infinite"
    ),
    # DICOM
    "dicom of many frames": Hostile("frames.dcm", _dicom("frames", NumberOfFrames=40), "has 40 frames"),
    "dicom of huge size": Hostile("huge.dcm", _dicom("huge", Rows=60_000, Columns=60_000), "more than the limit"),
    "dicom of no size": Hostile("no-size.dcm", _dicom("no size", Rows=0), "says it has 64 x 0 pixels"),
    "dicom torn": Hostile("torn.dcm", _dicom("torn")[:-3000], "has pixels that cannot be decoded"),
    "dicom head alone": Hostile("head.dcm", b"\0" * 128 + b"DICM", "DICOM"),
    "dicom without pixels": Hostile("report.dcm", _dicom("no pixels", _without_pixels), "is DICOM without pixel data"),
    "dicom of a colour table": Hostile(
        "palette.dcm", _dicom("palette", PhotometricInterpretation="PALETTE COLOR"), "is a colour-table image"
    ),
    "dicom of an unknown colour": Hostile(
        "colour.dcm", _dicom("colour", PhotometricInterpretation="ULTRAVIOLET"), "cannot be decoded"
    ),
    "dicom without bits": Hostile("bits.dcm", _dicom("bits", BitsAllocated=7), "cannot be decoded"),
    "dicom of a private syntax": Hostile("syntax.dcm", _dicom("syntax", _private_syntax), "unknown transfer syntax"),
    "dicom of an endless sequence": Hostile(
        "endless.dcm", b"\0" * 128 + b"DICM" + b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" * 3000, "DICOM"
    ),
    "dicom whose codestream claims more": Hostile("claims.dcm", _dicom("claims", _claiming), "more than the limit"),
    "dicom that unpacks to megabytes": Hostile(
        "deflated.dcm", _dicom("deflated", _deflated), "has pixels for 2441 frames"
    ),
    # odd, and pictures after all
    "16 bits": Hostile("deep.png", encode_png(to_samples(_PIXELS, 16))),
    "alpha": Hostile("alpha.png", _saved(_SEE_THROUGH, "PNG")),
    "palette": Hostile("palette.png", _saved(_COLOUR.quantize(16), "PNG")),
    "cmyk": Hostile("cmyk.jpg", _saved(_COLOUR.convert("CMYK"), "JPEG")),
    "exif rotation": Hostile("turned.jpg", _saved(_COLOUR, "JPEG", exif=_EXIF)),
    "one bit": Hostile("one-bit.png", _saved(_GREY.convert("1"), "PNG")),
    "wrong extension": Hostile("jpeg.png", _saved(_GREY, "JPEG")),
    "dicom named png": Hostile("dicom.png", dicom(1, SIDE)),
    "dicom without preamble": Hostile("bare.dcm", dicom(2, SIDE)[132:]),
    "monochrome1": Hostile("negative.dcm", dicom(3, SIDE, PhotometricInterpretation="MONOCHROME1")),
    "black": Hostile("black.png", _saved(Image.new("L", (SIDE, SIDE)), "PNG")),
    "one pixel": Hostile("pixel.png", png(1, 1, b"\0\x80")),
    "one line": Hostile("line.png", _saved(Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), 20)[None]), "PNG")),
    "more pixels than its header says": Hostile("more.png", png(8, 8, b"\0" * 20_000_000)),
}
"""By what they are."""

GOOD = Hostile("good.png", film(0, SIDE))
"""The neighbour that must be answered whatever lies beside it."""

NAMES: dict[str, bytes] = {
    "line breaks": b"a\nb\r\nc.png",
    "escapes of a terminal": b"\x1b[31mred\x07.png",
    "not UTF-8": b"\xff\xfe\xe9.png",
    "as long as may be": b"x" * 251 + b".png",
    "spaces and letters of the world": " Röntgen 雪 .png".encode(),
    "turned round": "a\u202egnp.dcm".encode(),
    "like an option": b"--model",
}
"""Names of a good film, as the file system keeps them."""
