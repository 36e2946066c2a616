"""Routes about the server itself: the model, health, metrics, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.serving.web.openapi import problems
from cxrlens.serving.web.problems import Problem
from cxrlens.serving.web.schema import Health, ModelTold
from cxrlens.serving.web.service import Service

PAGE = Path(__file__).with_name("page")
"""Files of the page: static, without a build step."""


def model_told(service: Service) -> dict[str, Any]:
    """What ``/v1/model`` says."""
    from cxrlens.serving import dicom

    network, limits = service.predictor.network, service.options.limits
    return {
        "name": network.name,
        "hash": network.hash,
        "classes": list(network.classes),
        "size": network.size,
        "calibrated": network.calibration is not None,
        "gate": service.predictor.gate is not None,
        "coverage": None if network.calibration is None else network.calibration.coverage,
        "layers": list(service.layers),
        "measured_on": network.measured_on,
        "notice": RESEARCH_ONLY,
        "version": __version__,
        "limits": {
            "max_bytes": limits.max_bytes,
            "max_body": limits.max_body,
            "max_files": limits.max_files,
            "max_pixels": limits.max_pixels,
        },
        "keep_minutes": service.options.keep.minutes,
        "dicom": dicom.installed(),
    }


def about_routes(service: Service) -> APIRouter:
    """``/v1/model``, ``/health``, ``/ready``, ``/metrics`` and ``/``."""
    router = APIRouter(tags=["server"])
    told = model_told(service)

    @router.get("/v1/model", response_model=ModelTold, responses=problems(421), summary="The model that answers")
    async def model() -> JSONResponse:
        """Its classes, what its probabilities were measured on, and what the server lets in."""
        return JSONResponse(told)

    @router.get("/health", response_model=Health, responses=problems(421), summary="Is the process alive?")
    async def health() -> JSONResponse:
        """Always ok where it can answer at all."""
        return JSONResponse({"status": "ok"})

    @router.get("/ready", response_model=Health, responses=problems(421, 503), summary="Can it judge now?")
    async def ready() -> JSONResponse:
        """503 while the queue is full or where judging has stopped."""
        engine = service.engine
        if not engine.alive:
            raise Problem(503, "not-ready", "judging has stopped; start the server again", {"Retry-After": "60"})
        if engine.waiting >= service.options.queue:
            raise Problem(503, "queue-full", "the queue is full", {"Retry-After": str(engine.retry_after())})
        return JSONResponse({"status": "ready"})

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(421)},
        summary="For Prometheus",
    )
    async def metrics() -> Response:
        """Counters and histograms in the text format."""
        service.told_gauges()
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/", include_in_schema=False)
    async def page() -> Response:
        index = PAGE / "index.html"
        if index.is_file():
            return FileResponse(index, media_type="text/html; charset=utf-8")
        return PlainTextResponse(f"cxrlens {__version__}. The API is described in /openapi.json. {RESEARCH_ONLY}\n")

    return router
