"""What may be handed to a predictor: a path, the bytes of a file, a Pillow image, an array, a radiograph."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.errors import UnreadableImageError
from cxrlens.radiograph import Radiograph
from cxrlens.sources.grey import Samples, to_grey
from cxrlens.sources.limits import DEFAULT_LIMITS, ReadLimits
from cxrlens.sources.reading import decode_radiograph, read_radiograph

if TYPE_CHECKING:
    from PIL.Image import Image

    Given: TypeAlias = str | os.PathLike[str] | bytes | Image | NDArray[Any] | Radiograph
else:
    Given: TypeAlias = Any

_UNNAMED = Path("image")
_GREY_MODES = ("1", "L", "I", "F")


def to_radiograph(image: Given, limits: ReadLimits = DEFAULT_LIMITS) -> Radiograph:
    """Anything that shows one radiograph.

    Args:
        image: a path; the bytes of a PNG, JPEG, TIFF, BMP, WebP, GIF or DICOM file; a Pillow image; an array (H, W),
            (H, W, 3) RGB or (H, W, 4) RGBA, of integers on the scale of their depth or of floats in [0, 1]; or a
            radiograph that was read already.
        limits: pixels and bytes beyond which a file is refused from its header.

    Raises:
        UnreadableImageError: it is none of these, or cannot be read.
    """
    if isinstance(image, Radiograph):
        return image
    if isinstance(image, (str, os.PathLike)):
        return read_radiograph(Path(image), limits)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return decode_radiograph(bytes(image), _UNNAMED, limits)
    if isinstance(image, np.ndarray):
        return _from_array(image, limits)
    if hasattr(image, "getbands"):
        return _from_pillow(image, limits)
    remedy = "give a path, the bytes of a file, a Pillow image or a NumPy array"
    raise UnreadableImageError(_UNNAMED, f"is a {type(image).__name__}", remedy)


def _from_array(array: NDArray[Any], limits: ReadLimits) -> Radiograph:
    shown = "an array (H, W), (H, W, 3) RGB or (H, W, 4) RGBA"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or array.size == 0:
        raise UnreadableImageError("array", f"has the shape {array.shape}", f"give {shown}")
    limits.check_pixels(Path("array"), array.shape[1], array.shape[0])
    if array.dtype.kind not in "uif":
        raise UnreadableImageError("array", f"holds {array.dtype}", "give integers, or floats in [0, 1]")
    if array.dtype.kind == "f":
        # Floats of an unknown range are not stretched by guess: what is white in one image must be so in the next.
        low, high = float(array.min()), float(array.max())
        if not (low >= 0.0 and high <= 1.0):  # also false for NaN
            fault = f"holds floats from {low:g} to {high:g}"
            raise UnreadableImageError("array", fault, "scale them to [0, 1], 0 black and 1 white")
        if array.ndim == 2:
            return Radiograph(np.ascontiguousarray(array, dtype=np.float32), bit_depth=array.dtype.itemsize * 8)
        array = np.rint(array * 65535).astype(np.uint16)
    if array.ndim == 3:
        code = cv2.COLOR_RGBA2BGRA if array.shape[2] == 4 else cv2.COLOR_RGB2BGR
        array = np.asarray(cv2.cvtColor(np.ascontiguousarray(array), code))
    return _of_samples(Samples(array, array.dtype.itemsize * 8, "grey" if array.ndim == 2 else "rgb"))


def _from_pillow(image: Any, limits: ReadLimits) -> Radiograph:
    from PIL import ImageOps

    limits.check_pixels(Path("image"), image.width, image.height)
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "1":
        upright = upright.convert("L")
    if upright.mode in _GREY_MODES or upright.mode.startswith("I;16"):
        grey = np.asarray(upright)
        return _of_samples(Samples(grey, grey.dtype.itemsize * 8, "grey"))
    clear = "A" in upright.getbands() or "transparency" in upright.info
    colour = np.asarray(upright.convert("RGBA" if clear else "RGB"))
    bgr = np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGBA2BGRA if clear else cv2.COLOR_RGB2BGR))
    return _of_samples(Samples(bgr, 8, "rgba" if clear else "rgb"))


def _of_samples(samples: Samples) -> Radiograph:
    grey = to_grey(samples, _UNNAMED)
    return Radiograph(
        grey.pixels, bit_depth=samples.bit_depth, colour_mode=samples.colour_mode, tint=grey.tint, notes=grey.notes
    )
