"""Pictures that the API gives out: the film as it was judged, the heat alone, the heat over the film."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens import RESEARCH_ONLY
from cxrlens.doubts import Doubts
from cxrlens.radiograph import Radiograph
from cxrlens.serving.doubting import Case, doubts_of
from cxrlens.serving.heat import heat_of, overlay
from cxrlens.serving.marking import about, marked
from cxrlens.serving.prediction import JudgedMap
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.results import Result

LONGEST = 2048
"""Pixels on the longer side of a film that is kept: more than a screen shows, at 8 MiB."""


def kept_film(pixels: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(H, W) float32 in [0, 1] to (h, w) uint16 of [0, 1]·65535, area means where it is larger than :data:`LONGEST`."""
    height, width = pixels.shape
    if max(height, width) > LONGEST:
        scale = LONGEST / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    return np.asarray(np.rint(np.clip(pixels, 0.0, 1.0) * np.float32(65535)), dtype=np.uint16)


def little_endian(film: NDArray[np.uint16]) -> bytes:
    """Row-major bytes, whatever this machine's own order is."""
    return film.astype("<u2", copy=False).tobytes()


def heat_map(predictor: Predictor, result: Result, label: str, layer: str | None = None) -> NDArray[np.float32]:
    """Where the network looked for a class, on the grid of the kept film: (H, W) float32 in [0, 1].

    Computed from the film as it is kept, so from 16 bits and at most 2048 pixels; of films within both it is what
    ``Predictor`` gives.

    Raises:
        OptionError: the model was exported without maps, or has no such layer.
    """
    film = _film(result)
    small = _small_map(predictor, result, film, label, layer)
    return heat_of(small, predictor.network.preprocessing.placement(film))


def judged_map(predictor: Predictor, result: Result, label: str, layer: str | None = None) -> JudgedMap:
    """What speaks against reading that map; looked at once and remembered.

    Raises:
        OptionError: as :func:`heat_map`.
    """
    network = predictor.network
    shown = network.layer_maps(layer)
    key = (label, shown.name)
    if key not in result.judged:
        film = _film(result)
        small, number = _small_map(predictor, result, film, label, layer), network.classes.index(label)
        frame, placement = network.preprocessing(film), network.preprocessing.placement(film)
        doubts = doubts_of(network, predictor.lungs, Case.of(frame, placement, number, small))
        result.judged[key] = JudgedMap(label, doubts, shown.name, shown.method)
    return result.judged[key]


def _film(result: Result) -> Radiograph:
    assert result.film is not None
    return Radiograph(as_floats(result.film))


def _small_map(
    predictor: Predictor, result: Result, film: Radiograph, label: str, layer: str | None
) -> NDArray[np.float32]:
    """(h, w) as the graph gives it; those of all classes are remembered."""
    network = predictor.network
    output = network.layer_maps(layer).output
    if output not in result.maps:
        result.maps[output] = network.class_maps(network.preprocessing(film)[None], layer)[0]
    small: NDArray[np.float32] = result.maps[output][network.classes.index(label)]
    return small


def as_floats(film: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Back to [0, 1]."""
    return film.astype(np.float32) / np.float32(65535)


def heat_png(heat: NDArray[np.float32], title: str) -> bytes:
    """The heat alone as an 8-bit grey PNG, 255 at its top."""
    return _png(np.rint(heat * 255).astype(np.uint8), title)


def overlay_png(
    film: NDArray[np.uint16], heat: NDArray[np.float32], opacity: float, title: str, doubts: Doubts | None = None
) -> bytes:
    """The heat over the film as an RGB PNG, with a strip below it where the map is flagged."""
    return _png(marked(overlay(as_floats(film), heat, opacity), doubts), title, about(doubts))


def _png(picture: NDArray[np.uint8], title: str, more: Mapping[str, str] = MappingProxyType({})) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    told.add_text("Title", title)
    told.add_text("Comment", RESEARCH_ONLY)
    for keyword, words in more.items():
        told.add_text(keyword, words)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", pnginfo=told, compress_level=2)
    return buffer.getvalue()
