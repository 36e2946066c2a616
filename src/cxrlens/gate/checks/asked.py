"""The checks that ask a network: a chest at all, which way up, known to the model."""

from __future__ import annotations

from cxrlens.gate.checks.check import Check


def _no_chest(value: float, limit: float) -> str:
    del value, limit
    return "does not look like one frontal chest radiograph: another body part, another view, or no X-ray"


def _no_way_up(value: float, limit: float) -> str:
    del limit
    return f"shows nothing that tells which way up it is ({1 - value:.0%} sure); every chest film does"


def _unfamiliar(value: float, limit: float) -> str:
    return f"is unlike the images that the model was trained on: {value:.1f} away, {limit:.1f} at most are accepted"


NO_CHEST = Check("no chest", _no_chest)
"""Minus the logit of being a chest film, by the gate's network."""

NO_WAY_UP = Check("no way up", _no_way_up, least=0.5)
"""One minus the probability that the (repaired) film stands upright and is not inverted, by the gate's network."""

UNFAMILIAR = Check("unfamiliar", _unfamiliar)
"""Distance of the trained model's features from those of its training images (``novelty.py``)."""
