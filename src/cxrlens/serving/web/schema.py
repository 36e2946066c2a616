"""What the API answers, for OpenAPI: every member with its meaning, and examples that are true."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cxrlens import RESEARCH_ONLY
from cxrlens.doubts.reasons import NOT_COMPARED

_ID = "pO2nQ0hT6m1vX8yZ4wK7cB3d"

MAP: dict[str, Any] = {
    "target": "Tuberculosis",
    "layer": "features.block4",
    "method": "Grad-CAM",
    "flagged": True,
    "reasons": {"outside the lungs": "it does not prefer the lungs (31% of the heat on 38% of the film)"},
    "measures": {
        "centre": 0.41,
        "drop": 0.35,
        "drop_elsewhere": 0.06,
        "probability": 0.9,
        "in_lungs": 0.31,
        "lungs_area": 0.38,
    },
    "unchecked": [NOT_COMPARED],
}

EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "image": "film.png",
    "status": "answered",
    "label": "Tuberculosis",
    "probabilities": {"Normal": 0.03, "COVID-19": 0.02, "Pneumonia": 0.04, "Tuberculosis": 0.91},
    "prediction_set": ["Tuberculosis"],
    "abstained": False,
    "reason": "",
    "warnings": [],
    "gate": {"status": "pass", "reasons": [], "warnings": [], "scores": {"blank": 0.0001}},
    "calibrated": True,
    "risk": {
        "share": 0.02,
        "low": 0.007844,
        "high": 0.05004,
        "images": 200,
        "probability": 0.9,
        "measured_on": "the test set of dataset 'example' (locked away until now)",
        "sentence": "Of the 200 images of the test set of dataset 'example' (locked away until now) on which the model "
        "was about as sure or surer (probability 0.90 or more), 2.0% were named wrongly (95% interval 0.8% to 5.0%). "
        "On images from elsewhere it may be more",
    },
    "cam": f"/v1/predictions/{_ID}/cam",
    "heat_map": MAP,
    "model": {"name": "plain", "hash": "7f09926a1950ee92fab64b13c129832f8419fbe10d5da6146f33321553ba29fd"},
    "measured_on": "probability measured on the test set of dataset 'example': accuracy 85.1% (81.9–88.0), n = 781",
    "notice": RESEARCH_ONLY,
}
"""Of the shape of an answer; its numbers are about nobody."""


class Gate(BaseModel):
    """What the gate says of the image."""

    status: Literal["pass", "repaired", "refused"]
    reasons: list[str]
    warnings: list[str]
    scores: dict[str, float] = Field(description="1 is the limit, higher is refused")


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    hash: str = Field(description="SHA-256 of the trained weights")


class RiskTold(BaseModel):
    """How often answers about as sure as this one, or surer, were wrong where that was measured."""

    share: float = Field(description="named wrongly, of `images`")
    low: float = Field(description="of its 95 % interval")
    high: float
    images: int = Field(description="that were given `probability` or more")
    probability: float = Field(description="calibrated, of the likeliest class; at most that of this answer")
    measured_on: str = Field(description="which images these were")
    sentence: str


class MapTold(BaseModel):
    """What speaks against reading a heat-map."""

    model_config = ConfigDict(json_schema_extra={"examples": [MAP]})

    target: str = Field(description="class that it explains")
    layer: str
    method: str
    flagged: bool = Field(description="do not read this map")
    reasons: dict[str, str] = Field(description="a key and a sentence each; empty unless flagged")
    measures: dict[str, float] = Field(description="the figures behind, whether they speak against it or not")
    unchecked: list[str] = Field(description="what could not be looked at")


class PredictionRow(BaseModel):
    """One film. The same members as ``cxrlens predict --format jsonl``, and ``id``."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: str = Field(description="unguessable; opens this result for as long as it is kept")
    image: str = Field(description="name of the file as it was sent")
    status: Literal["answered", "not sure", "refused", "error"]
    label: str | None = Field(description="the class; null unless answered")
    probabilities: dict[str, float] | None = Field(description="by class; null where refused or error")
    prediction_set: list[str] | None = Field(description="classes at the promised coverage")
    abstained: bool
    reason: str = Field(description="why there is no label; blank where there is one")
    warnings: list[str]
    gate: Gate | None
    calibrated: bool
    risk: RiskTold | None = Field(description="null without an answer, or where the run did not measure it")
    cam: str | None = Field(description="path of the heat-map; null where no class is named")
    heat_map: MapTold | None = Field(description="of the map in `cam`, once `flag` or an overlay was asked for")
    model: ModelName
    measured_on: str = Field(description="what the probabilities were measured on")
    notice: str


class Predictions(BaseModel):
    """A row for each file, in the order in which they were sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"predictions": [EXAMPLE], "notice": RESEARCH_ONLY}]})

    predictions: list[PredictionRow]
    notice: str


class KeptPrediction(PredictionRow):
    """The same row with the size of the film as ``pixels`` gives it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**EXAMPLE, "rows": 512, "columns": 480}]})

    rows: int | None = Field(description="of the film as judged, at most 2048; null where there is no image")
    columns: int | None


class LimitsTold(BaseModel):
    """What is let in."""

    max_bytes: int = Field(description="of one file")
    max_body: int = Field(description="of one request")
    max_files: int = Field(description="of one request")
    max_pixels: int = Field(description="rows × columns of one film")


class ModelTold(BaseModel):
    """The model that answers."""

    name: str
    hash: str = Field(description="SHA-256 of the trained weights")
    classes: list[str]
    size: int = Field(description="side of the network's input in pixels")
    calibrated: bool
    gate: bool
    coverage: float | None = Field(description="that prediction sets promise; null without a calibration")
    layers: list[str] = Field(description="that heat-maps can be asked of; empty where the model has none")
    measured_on: str
    notice: str
    version: str = Field(description="of cxrlens")
    limits: LimitsTold
    keep_minutes: float = Field(description="how long a result is kept, in memory alone")
    dicom: bool = Field(description="whether DICOM objects can be downloaded")


class Health(BaseModel):
    """One word."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: str


class ProblemDetails(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:cxrlens:problem:queue-full",
                    "title": "Service Unavailable",
                    "status": 503,
                    "detail": "256 radiographs are waiting; send it again in 2 s",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
