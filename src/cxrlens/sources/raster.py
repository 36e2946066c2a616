"""PNG, JPEG, TIFF, BMP, WebP and still GIF files as radiographs.

Pillow reads headers and most pixels. OpenCV decodes where it is better: plain JPEGs (1.5 times faster here) and colour
of 16 bits a sample, which Pillow cuts to 8.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources.faults import short
from cxrlens.sources.grey import Samples, to_grey
from cxrlens.sources.limits import ReadLimits

# The plugin is called itself, since Image.open would warn or raise at a bomb limit of its own.
_PLUGINS: dict[str, type[ImageFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "WEBP": WebPImageFile,
    "GIF": GifImageFile,
}
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    struct.error,
    MemoryError,
    Image.DecompressionBombError,  # the GIF reader checks a frame larger than its screen against a limit of its own
)
"""What Pillow's readers raise for torn or hostile files."""

_EXIF_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SUBFILE = 258, 262, 254
_AGAIN = "get the file again, or remove it"


def read_raster(data: bytes, kind: str, path: Path, limits: ReadLimits) -> Radiograph:
    """Decode one still picture.

    Args:
        data: the whole file.
        kind: one of ``filetype.RASTER_KINDS``, as its first bytes say.
        path: for the radiograph and for error lines.
        limits: checked against the header, before pixels are decoded.

    Raises:
        UnreadableImageError: torn, animated, of several pages, too large, or with pixels that are no numbers.
    """
    if kind == "WEBP":  # its reader allocates the canvas with the header
        limits.check_pixels(path, *_webp_size(data))
    if kind == "PNG" and len(data) >= 24:  # its reader takes a picture without pixels for another kind of file
        limits.check_pixels(path, int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big"))
    try:
        image = _PLUGINS[kind](io.BytesIO(data))
    except _BROKEN as error:
        raise UnreadableImageError(path, f"has a broken {kind} header ({short(error)})", _AGAIN) from error
    limits.check_pixels(path, image.width, image.height)
    try:
        _refuse_sequences(image, kind, path)
        orientation = int(image.getexif().get(_EXIF_ORIENTATION, 1))
        samples = _decode(image, kind, data)
    except _BROKEN as error:
        raise UnreadableImageError(path, f"is a torn or corrupt {kind} ({short(error)})", _AGAIN) from error
    grey = to_grey(samples, path)
    pixels, notes = grey.pixels, grey.notes
    if 2 <= orientation <= 8:
        pixels = _turn(pixels, orientation)
        notes = (*notes, f"EXIF orientation {orientation} applied")
    return Radiograph(
        pixels=pixels,
        path=str(path),
        file_format=kind,
        bit_depth=samples.bit_depth,
        colour_mode=samples.colour_mode,
        tint=grey.tint,
        notes=notes,
    )


def _decode(image: ImageFile, kind: str, data: bytes) -> Samples:
    """The stored samples, converted as little as can be."""
    bits = _bit_depth(image, kind, data)
    if kind == "JPEG" and image.mode in ("L", "RGB") and _ends_cleanly(data):
        array = _decode_with_opencv(data, cv2.IMREAD_GRAYSCALE if image.mode == "L" else cv2.IMREAD_COLOR)
        if array is not None and array.shape[:2] == (image.height, image.width):
            return Samples(array, bits, "grey" if image.mode == "L" else "rgb")
    if kind in ("PNG", "TIFF") and bits == 16 and image.mode in ("RGB", "RGBA", "LA"):
        array = _decode_with_opencv(data, cv2.IMREAD_UNCHANGED)
        if array is None or array.shape[:2] != (image.height, image.width):
            raise OSError("16-bit colour cannot be decoded")
        return _from_opencv(array, bits)
    image.load()
    inverted = kind == "TIFF" and image.mode in ("I;16", "I;16B", "I;16L", "I", "F") and _tag(image, _PHOTOMETRIC) == 0
    return _from_pillow(image, bits, inverted)


def _from_pillow(image: ImageFile, bits: int, inverted: bool) -> Samples:
    mode = image.mode
    if mode == "CMYK":
        return Samples(np.asarray(image.convert("RGB"))[..., ::-1], bits, "cmyk")
    if mode == "P":
        transparent = "transparency" in image.info
        array = np.asarray(image.convert("RGBA" if transparent else "RGB"))
        return Samples(_bgr(array), bits, "palette")
    if mode in ("RGB", "RGBA"):
        return Samples(_bgr(np.asarray(image)), bits, mode.lower())
    if mode in ("LA", "La", "PA", "RGBa"):
        rgba = np.asarray(image.convert("RGBA"))
        return Samples(_bgr(rgba), bits, {"PA": "palette", "RGBa": "rgba"}.get(mode, "grey"))
    if mode == "1":
        return Samples(np.asarray(image.convert("L")), 1, "grey")
    if mode in ("L", "I", "F") or mode.startswith("I;16"):
        array = np.asarray(image)
        return Samples(array.astype(array.dtype.newbyteorder("="), copy=False), bits, "grey", inverted)
    return Samples(_bgr(np.asarray(image.convert("RGB"))), bits, "rgb")  # YCbCr, LAB, HSV


def _from_opencv(array: NDArray[Any], bits: int) -> Samples:
    if array.ndim == 2:
        return Samples(array, bits, "grey")
    return Samples(array, bits, "rgba" if array.shape[2] == 4 else "rgb")


def _bgr(array: NDArray[Any]) -> NDArray[Any]:
    """RGB or RGBA to the order that OpenCV keeps."""
    code = cv2.COLOR_RGBA2BGRA if array.shape[2] == 4 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(array, code))


def _decode_with_opencv(data: bytes, flags: int) -> NDArray[Any] | None:
    try:
        array = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise OSError(str(error)) from error
    return None if array is None else np.asarray(array)


def _refuse_sequences(image: ImageFile, kind: str, path: Path) -> None:
    """One file, one radiograph: which frame of several is meant, nobody can tell."""
    frames = int(getattr(image, "n_frames", 1))
    if frames < 2 or kind == "JPEG":
        return
    if kind == "TIFF" and isinstance(image, TiffImageFile):
        frames = 0
        for index in range(int(image.n_frames)):
            image.seek(index)
            frames += not (int(_tag(image, _SUBFILE) or 0) & 1)  # bit 0: a reduced copy of another page
        image.seek(0)
        if frames < 2:
            return
    what = "pages" if kind == "TIFF" else "frames (an animation)"
    raise UnreadableImageError(
        path, f"holds {frames} {what}, and which is the radiograph is not told", "save the one you mean as PNG"
    )


def _bit_depth(image: ImageFile, kind: str, data: bytes) -> int:
    if kind == "PNG":
        return data[24]  # IHDR: 8 signature, 8 chunk head, 4 width, 4 height, then the depth
    if kind == "TIFF":
        bits = _tag(image, _BITS_PER_SAMPLE) or (1,)
        return int(bits[0] if isinstance(bits, tuple) else bits)
    return 1 if image.mode == "1" else 8


def _tag(image: ImageFile, number: int) -> Any:
    return image.tag_v2.get(number) if isinstance(image, TiffImageFile) else None


def _ends_cleanly(data: bytes) -> bool:
    """An End-Of-Image marker closes the file (padding apart); without one, OpenCV may return a half-grey picture."""
    return data[-64:].rstrip(b"\0\r\n").endswith(b"\xff\xd9")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk (RFC 9649 sections 2.5 to 2.7); (1, 1) where it is another, for the
    reader to refuse."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        return 1, 1
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 1, 1


def _turn(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Undo EXIF orientation 2 to 8 (TIFF 6.0, tag 274)."""
    tagged = Image.fromarray(pixels, mode=None)
    tagged.getexif()[_EXIF_ORIENTATION] = orientation
    return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(tagged), dtype=np.float32))
