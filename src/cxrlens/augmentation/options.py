"""How strongly each physical effect may act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from cxrlens.errors import OptionError

_PROBABILITIES = (
    "blur_probability",
    "erase_probability",
    "border_probability",
    "marker_probability",
    "flip_probability",
)
_MOST = {
    "rotation_deg": 180.0,
    "shift": 0.5,
    "zoom": 0.5,
    "gamma": 1.0,
    "contrast": 0.9,
    "brightness": 0.5,
    "noise": 0.5,
    "erase_area": 0.5,
    "border_width": 0.4,
    "curve": 9.0,
    "resolution": 0.9,
    "local_contrast": 3.0,
}


@dataclass(frozen=True, slots=True)
class AugmentationOptions:
    """Magnitudes; every effect is off at 0. The defaults are the strength ``standard``.

    Args:
        rotation_deg: the patient leans by up to this many degrees, either way.
        shift: the patient stands off-centre by up to this share of the side, in both directions.
        zoom: distance to the detector: sizes from 1 - zoom to 1 + zoom.
        gamma: tone curve of film or display: exponents from 1 / (1 + gamma) to 1 + gamma.
        contrast: window width: slopes from 1 - contrast to 1 + contrast, about mid-grey.
        brightness: exposure: grey values up or down by up to this much of the full range.
        noise: quantum noise: standard deviation up to this much of the full range, in the whitest parts.
        blur_probability: share of images out of focus, or enlarged from a smaller copy.
        erase_probability: share of images with an occluding object (a device, a redaction box).
        erase_area: largest area of that object, as a share of the image.
        border_probability: share of images with a collimation frame.
        border_width: widest side of that frame, as a share of the side.
        marker_probability: share of images with a side marker (an L or R of lead) in an upper corner, whichever letter:
            no network should learn the marker in place of the lung.
        flip_probability: share of images mirrored left to right. Off: the heart is on the left, and a mirrored film
            shows situs inversus, which radiographs of the four classes practically never do.
        curve: tone curve of an unknown film or display, monotone and smooth: its slopes are up to 1 + curve times
            steeper or flatter than a straight line (then scaled to keep black and white where they are).
        resolution: detail lost: images are reduced to 1 - resolution of their side at worst, and enlarged again.
        local_contrast: contrast to the surroundings: gains from 1 / (1 + local_contrast) to 1 + local_contrast.

    Raises:
        OptionError: a negative magnitude, or one beyond what leaves a radiograph recognisable.
    """

    rotation_deg: float = 6.0
    shift: float = 0.05
    zoom: float = 0.08
    gamma: float = 0.20
    contrast: float = 0.15
    brightness: float = 0.05
    noise: float = 0.02
    blur_probability: float = 0.10
    erase_probability: float = 0.10
    erase_area: float = 0.06
    border_probability: float = 0.10
    border_width: float = 0.10
    marker_probability: float = 0.10
    flip_probability: float = 0.0
    curve: float = 0.0
    resolution: float = 0.0
    local_contrast: float = 0.0

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value, most = getattr(self, name), 1.0 if name in _PROBABILITIES else _MOST[name]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 <= value <= most:
                raise OptionError(
                    f"augmentation {name}", f"{value!r} is out of range", f"give a number from 0 to {most:g}"
                )

    def to_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> AugmentationOptions:
        """The reverse of :meth:`to_dict`; :class:`OptionError` for an unknown key."""
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise OptionError("augmentation", f"has no effect '{unknown[0]}'", f"effects are {', '.join(known)}")
        return cls(**values)


STRENGTHS: dict[str, AugmentationOptions] = {
    "none": AugmentationOptions(**dict.fromkeys((f.name for f in fields(AugmentationOptions)), 0.0)),
    "light": AugmentationOptions(
        rotation_deg=4.0,
        shift=0.03,
        zoom=0.05,
        gamma=0.10,
        contrast=0.10,
        brightness=0.03,
        noise=0.01,
        blur_probability=0.0,
        erase_probability=0.0,
        border_probability=0.0,
        marker_probability=0.0,
    ),
    "standard": AugmentationOptions(),
    "signature": AugmentationOptions(curve=1.5, resolution=0.6, local_contrast=0.8),
    "strong": AugmentationOptions(
        rotation_deg=10.0,
        shift=0.08,
        zoom=0.15,
        gamma=0.60,
        contrast=0.35,
        brightness=0.10,
        noise=0.05,
        blur_probability=0.30,
        erase_probability=0.40,
        erase_area=0.10,
        border_probability=0.50,
        border_width=0.12,
        marker_probability=0.50,
        curve=2.0,
        resolution=0.7,
        local_contrast=1.0,
    ),
}
"""Presets by name: ``signature`` is ``standard`` with the three effects that hide a source; ``strong`` has all."""
