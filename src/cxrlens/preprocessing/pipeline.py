"""The steps in their order: trim borders, resize with the aspect kept, tone, pad to a square, eight bits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.borders import Box, content_box
from cxrlens.errors import OptionError
from cxrlens.preprocessing.placement import Placement
from cxrlens.preprocessing.tone import TONES
from cxrlens.radiograph import Radiograph

VERSION = 1
"""Raise it with every change that alters a pixel: packed files and models made before are then refused, not mixed."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Radiograph to (S, S) uint8, 0..255, deterministic. The reader has already turned and un-inverted the film.

    Args:
        size: side S of the square frame, in pixels.
        trim_borders: cut uniform black or white frames off first.
        tone: ``stretch`` (0.5th to 99.5th percentile to the full range), ``clahe``, ``equalise`` (one histogram for
            all), ``local`` (one local contrast for all) or ``none``.
        keep_aspect: resize both sides alike and pad with black; else squeeze the film into the square.

    Raises:
        OptionError: a size outside 16..2048 or an unknown tone.
    """

    size: int = 128
    trim_borders: bool = True
    tone: str = "stretch"
    keep_aspect: bool = True

    def __post_init__(self) -> None:
        whole = isinstance(self.size, int) and not isinstance(self.size, bool)
        if not whole or not 16 <= self.size <= 2048:
            raise OptionError(
                "preprocessing size", f"{self.size!r} is no usable side", "give a whole number from 16 to 2048"
            )
        if self.tone not in TONES:
            raise OptionError("preprocessing tone", f"'{self.tone}' is not known", f"use one of {', '.join(TONES)}")
        for name in ("trim_borders", "keep_aspect"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise OptionError(f"preprocessing {name}", f"{value!r} is neither true nor false", "use true or false")

    def __call__(self, radiograph: Radiograph) -> NDArray[np.uint8]:
        """(S, S) uint8: exactly what is packed for training, and exactly what serving computes."""
        place = self.placement(radiograph)
        c, i = place.crop, place.inner
        film = radiograph.pixels[c.y0 : c.y0 + c.h, c.x0 : c.x0 + c.w]
        # The tone is taken after the reduction: the same percentiles but for noise, at a hundredth of the work.
        toned = TONES[self.tone](_antialiased(film, i.h, i.w))
        frame = np.zeros((self.size, self.size), dtype=np.uint8)
        frame[i.y0 : i.y0 + i.h, i.x0 : i.x0 + i.w] = np.round(toned * 255).astype(np.uint8)
        return frame

    def placement(self, radiograph: Radiograph) -> Placement:
        """Where the radiograph's pixels lie in the frame."""
        H, W = radiograph.pixels.shape
        crop = content_box(radiograph.pixels) if self.trim_borders else Box(0, 0, H, W)
        if self.keep_aspect:
            scale = self.size / max(crop.h, crop.w)
            h = min(self.size, max(1, round(crop.h * scale)))
            w = min(self.size, max(1, round(crop.w * scale)))
        else:
            h = w = self.size
        inner = Box((self.size - h) // 2, (self.size - w) // 2, h, w)
        return Placement(H, W, crop, inner, self.size)

    def to_dict(self) -> dict[str, Any]:
        """Options and the version of the code, for JSON."""
        return {**asdict(self), "version": VERSION}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """The reverse of :meth:`to_dict`; :class:`OptionError` for an unknown key or another version."""
        options = dict(values)
        version = options.pop("version", VERSION)
        if version != VERSION:
            fault = f"was made by version {version}, this cxrlens has {VERSION}"
            raise OptionError("preprocessing", fault, "train again, or install the cxrlens that wrote it")
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise OptionError("preprocessing", f"has no option '{unknown[0]}'", f"options are {', '.join(known)}")
        return cls(**options)

    @property
    def fingerprint(self) -> str:
        """12 hex digits that change with every option and with the code's version."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


DEFAULT_PREPROCESSING = Preprocessing(tone="equalise")
"""What a training does unless told otherwise: one histogram for all films helps on hospitals never seen (remedies.md).
"""


def _antialiased(film: NDArray[np.float32], h: int, w: int) -> NDArray[np.float32]:
    """Area means along the sides that shrink, then cubic along those that grow; (h, w) in [0, 1]."""
    shrunk = (min(w, film.shape[1]), min(h, film.shape[0]))
    small = cv2.resize(film, shrunk, interpolation=cv2.INTER_AREA)
    if shrunk != (w, h):
        small = cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
    clipped: NDArray[np.float32] = np.clip(small, 0.0, 1.0, dtype=np.float32)
    return clipped
