"""What the API answers, for OpenAPI: every member with its meaning, and examples that are true."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cxrlens import RESEARCH_ONLY

_ID = "pO2nQ0hT6m1vX8yZ4wK7cB3d"

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
    "cam": f"/v1/predictions/{_ID}/cam",
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
    cam: str | None = Field(description="path of the heat-map; null where no class is named")
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
