"""Errors of the API as problem details (RFC 9457): one line that tells the fault and the remedy."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from cxrlens.serving.web.metrics import Metrics

MEDIA_TYPE = "application/problem+json"

log = logging.getLogger("cxrlens.web")


class Problem(Exception):  # noqa: N818  # the RFC's own word
    """An answer other than success.

    Args:
        status: HTTP status.
        kind: short name of the kind of problem, part of ``type``; stable, so that programs may tell by it.
        detail: one line, fault and remedy; for the client, never for a log.
        headers: besides, such as ``Retry-After``.
    """

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind
        self.detail = " ".join(detail.split())
        self.headers = dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """The members of RFC 9457 section 3.1."""
        return {
            "type": f"urn:cxrlens:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }

    def response(self) -> JSONResponse:
        """As it is sent."""
        return JSONResponse(self.to_dict(), self.status, self.headers, MEDIA_TYPE)


def unforeseen(error: BaseException, where: str) -> Problem:
    """A fault of the program: where it happened is logged, and not its words, which may tell of a patient."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    path = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    log.error("fault in %s: %s at %s", where, type(error).__name__, path)
    detail = f"the server failed ({type(error).__name__}); its log says where: please report it"
    return Problem(500, "internal", detail)


def add_handlers(app: FastAPI, metrics: Metrics) -> None:
    """Let every error of the framework be a problem too, and count them."""

    def counted(problem: Problem) -> JSONResponse:
        metrics.problems.labels(problem.kind).inc()
        return problem.response()

    @app.exception_handler(Problem)
    async def told(_request: Request, problem: Problem) -> JSONResponse:
        return counted(problem)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        said = [f"{'.'.join(str(part) for part in e['loc'][1:])}: {e['msg']}" for e in error.errors()]
        return counted(Problem(422, "invalid-request", f"the request is not valid: {'; '.join(said)}"))

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> JSONResponse:
        known = {
            404: ("not-found", "there is nothing here: /openapi.json lists what there is"),
            405: ("method-not-allowed", "that method is not known here: the header Allow names those that are"),
        }
        kind, detail = known.get(error.status_code, ("refused", str(error.detail)))
        return counted(Problem(error.status_code, kind, detail, error.headers))
