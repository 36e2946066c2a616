"""View: the small picture that all flags look at, made once an image."""

from __future__ import annotations

from dataclasses import dataclass

from cxrlens.borders import content_box, reduced
from cxrlens.radiograph import Pixels, Radiograph

SIDE = 256
"""Most pixels of the view's longer side. Flags must cost about a millisecond an image."""


@dataclass(frozen=True, slots=True)
class View:
    """What flags may look at.

    Args:
        radiograph: the image itself, for what its header and its colour say.
        whole: (h, w) float32 in [0, 1], the image reduced to at most :data:`SIDE` pixels a side.
        film: the part of ``whole`` inside uniform frames.
    """

    radiograph: Radiograph
    whole: Pixels
    film: Pixels


def make_view(radiograph: Radiograph) -> View:
    """Reduce by area means; an image that is smaller already stays as it is."""
    whole = reduced(radiograph.pixels, SIDE)
    box = content_box(whole)
    return View(radiograph, whole, whole[box.y0 : box.y0 + box.h, box.x0 : box.x0 + box.w])
