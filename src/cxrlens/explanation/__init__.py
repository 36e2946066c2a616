"""Explanation: where the network looked, drawn over the film, and how well that place fits the lesion."""

from cxrlens.explanation.explain import ExplainOptions, Explanation, explain
from cxrlens.explanation.gallery import GalleryOptions, gallery
from cxrlens.explanation.heat import HeatMaps, heat_maps
from cxrlens.explanation.localisation import LocalisationOptions, score_localisation
from cxrlens.explanation.methods import METHODS
from cxrlens.explanation.overlay import overlay

__all__ = [
    "METHODS",
    "ExplainOptions",
    "Explanation",
    "GalleryOptions",
    "HeatMaps",
    "LocalisationOptions",
    "explain",
    "gallery",
    "heat_maps",
    "overlay",
    "score_localisation",
]
