"""The sentences of an answer, the same in the report, on the picture and in the presentation state."""

from __future__ import annotations

from cxrlens import RESEARCH_ONLY
from cxrlens.doubts import HEADLINE
from cxrlens.serving.layers import DEEPEST
from cxrlens.serving.prediction import HeatMap, Prediction

BANNER = "RESEARCH USE ONLY – not for diagnosis"
"""Burned into the picture and laid over the film."""


def verdict(prediction: Prediction) -> str:
    """The answer in a few words."""
    if prediction.label is not None:
        return prediction.label
    words = {"not sure": "Not sure: no label is given", "refused": "Refused: the image was not judged"}
    return words.get(prediction.status, "The image could not be read")


def map_in_words(heat_map: HeatMap) -> str:
    """What was mapped, how and where in the network."""
    deep = "" if heat_map.layer == DEEPEST else f", layer {heat_map.layer}"
    return f"where the network looked for {heat_map.label} ({heat_map.method}{deep})"


def flag_in_words(heat_map: HeatMap | None) -> str:
    """The flag of a map, and why in a few words; blank where nothing speaks against it."""
    doubts = None if heat_map is None else heat_map.doubts
    return f"{HEADLINE}: {', '.join(doubts.short)}" if doubts is not None and doubts.flagged else ""


def set_in_words(prediction: Prediction) -> str:
    """The prediction set; blank without a calibration."""
    if prediction.prediction_set is None:
        return ""
    return f"Prediction set: {', '.join(prediction.prediction_set) or 'empty'}"


def remarks(prediction: Prediction) -> list[str]:
    """Everything besides label and probabilities, a sentence each: reason, set, warnings, heat-map, basis, notice."""
    found = [f"Reason: {prediction.reason}"] if prediction.reason else []
    found += [set_in_words(prediction)] if prediction.prediction_set is not None else []
    found += [f"Warning: {text}" for text in prediction.warnings]
    heat_map = prediction.heat_map
    if heat_map is not None and heat_map.doubts is not None:
        said = (heat_map.doubts.sentence, heat_map.doubts.unchecked_sentence)
        found += [f"Heat-map for {heat_map.label}. {sentence}" for sentence in said if sentence]
    if prediction.risk is not None:
        found.append(f"Risk: {prediction.risk.sentence}")
    if prediction.probabilities is not None:
        found.append(f"Basis: {prediction.measured_on}")
        found.append(f"The probabilities were {'' if prediction.calibrated else 'not '}calibrated")
    return [*found, RESEARCH_ONLY]
