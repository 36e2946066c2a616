"""The hot region on the grid of the source's own pixels, whatever the gate did to the film before it was judged."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cxrlens.gate.views import VIEWS, View
from cxrlens.serving.dicom.source import Source
from cxrlens.serving.prediction import HeatMap

HOT = 0.5
"""Share of the heat's top from which on a place belongs to the region."""

_MOST_POINTS = 4000  # of an outline: an attribute of explicit VR holds 8191 points (PS3.5 section 7.1.2)
_SAME = 1e-6


def hot_region(source: Source, heat_map: HeatMap | None) -> NDArray[np.bool_] | str:
    """Where the network looked most, on the source's rows and columns.

    How the film was repaired is found by repairing the source in each of the eight ways until it is the film that was
    judged, pixel by pixel: an outline is drawn where that proves its place, and nowhere else.

    Returns:
        (Rows, Columns) true in the region; or why there is none.
    """
    if heat_map is None:
        return "there is no heat-map"
    if not float(heat_map.heat.max()) > 0:
        return f"nothing in the image speaks for {heat_map.label}: the heat-map is empty"
    if source.film is None:
        return f"the image {source.fault}"
    view = laid(source.film.pixels, heat_map.pixels)
    if view is None:
        return "the film that was judged is not the source's own, turned or inverted: places cannot be told"
    heat = np.rot90(heat_map.heat, view.turns)
    return np.ascontiguousarray(heat >= HOT * float(heat.max()))


def laid(source: NDArray[np.float32], judged: NDArray[np.float32]) -> View | None:
    """How the source (H, W) lay, if righting it gives the film that was judged; ``None`` where no view does."""
    for view in VIEWS:
        if view.mirrored:  # never repaired
            continue
        turned = np.rot90(source, -view.turns)
        if turned.shape != judged.shape:
            continue
        if np.abs((1.0 - turned if view.inverted else turned) - judged).max() <= _SAME:
            return view
    return None


def outlines(region: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Closed outlines of a region, holes included, the largest first.

    Args:
        region: (H, W).

    Returns:
        (n, 2) columns and rows each, n at least 4, the last point equal to the first; 0 is the upper left corner of the
        upper left pixel (PS3.3 C.10.5.1.2, units PIXEL), so that pixel (r, c) has its middle at (c + 0.5, r + 0.5).
    """
    found, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    lines = []
    for contour in sorted(found, key=cv2.contourArea, reverse=True):
        points, slack = contour, 0.5
        while len(points) > _MOST_POINTS:
            points, slack = cv2.approxPolyDP(contour, slack, True), slack * 2
        if len(points) < 3:
            continue  # a speck or a line
        ring = points[:, 0, :].astype(np.float64) + 0.5
        lines.append(np.vstack([ring, ring[:1]]))
    return lines
