"""Pieces of the OpenAPI description that the framework cannot derive."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cxrlens.serving.layers import DEEPEST
from cxrlens.serving.network import Network
from cxrlens.serving.web.problems import MEDIA_TYPE
from cxrlens.serving.web.schema import ProblemDetails

DESCRIPTION = """\
Classifies chest radiographs with one exported model. Uploads and results stay in memory, for a limited time, and are
never written to a disk. Errors are `application/problem+json` (RFC 9457)."""

GUARDED = ("/v1", "/metrics")
"""Paths that need the token where there is one."""

_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}

REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "description": "Films, told by their content, whatever their names and types are.",
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["files"],
                "properties": {"files": {"type": "array", "minItems": 1, "items": _FILE}},
            }
        },
        "application/octet-stream": {"schema": _FILE},
        "application/dicom": {"schema": _FILE},
        "image/png": {"schema": _FILE},
        "image/jpeg": {"schema": _FILE},
    },
}

_WHY = {
    404: "No such result.",
    409: "The result has no such part, and why.",
    410: "The result was forgotten.",
    413: "Beyond a limit of size or number.",
    415: "No picture, or a content type that is not taken.",
    421: "Asked under another host name than this machine's own.",
    422: "Not valid, or a picture that cannot be read.",
    501: "The server lacks an optional part.",
    503: "Full; `Retry-After` says when to come back.",
    504: "No answer in time.",
    408: "The upload did not arrive in time.",
}


def describe(app: FastAPI, network: Network, *, token: bool) -> dict[str, Any]:
    """The whole description.

    Args:
        app: with all routes.
        network: whose classes ``target`` may be and whose layers ``layer``.
        token: whether calls must bear one.
    """
    if app.openapi_schema is None:
        told = get_openapi(
            title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
        )
        parts = told["components"]["schemas"]
        for theirs in ("HTTPValidationError", "ValidationError"):  # the framework's own, which is never sent
            parts.pop(theirs, None)
        parts[ProblemDetails.__name__] = ProblemDetails.model_json_schema()
        for path, operations in told["paths"].items():
            for operation in operations.values():
                _mend(operation, network)
                if token and path.startswith(GUARDED):
                    operation["security"] = [{"token": []}]
        if token:
            told["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = told
    return app.openapi_schema


def _mend(operation: dict[str, Any], network: Network) -> None:
    operation["operationId"] = operation["operationId"].partition("_v1")[0]
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "target":
            parameter["schema"] = {"type": "string", "enum": list(network.classes)}
        if parameter["name"] == "layer":
            parameter["schema"] = {"type": "string", "enum": [DEEPEST, *network.layers], "default": DEEPEST}
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        responses["422"] = problems(422)[422]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Descriptions of these errors; every call may also be answered 401 and 403, and 500 is a fault of the server."""
    told: dict[int | str, dict[str, Any]] = {}
    for status in (401, 403, *statuses):
        why = _WHY.get(status, HTTPStatus(status).phrase)
        schema = {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}
        told[status] = {"description": why, "content": {MEDIA_TYPE: {"schema": schema}}}
        if status == 503:
            told[status]["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}}
    return told


def _made_of(kind: str, what: str, headers: dict[str, str] | None = None) -> dict[int | str, dict[str, Any]]:
    told: dict[str, Any] = {"description": what, "content": {kind: {"schema": {"type": "string", "format": "binary"}}}}
    if headers:
        told["headers"] = {n: {"description": d, "schema": {"type": "integer"}} for n, d in headers.items()}
    return {200: told}


BINARY = _made_of("application/octet-stream", "uint16, little-endian", {"X-Rows": "rows", "X-Columns": "columns"})
PNG = _made_of("image/png", "A picture.")
PDF = _made_of("application/pdf", "A page.")
ZIP = _made_of("application/zip", "DICOM files.")
