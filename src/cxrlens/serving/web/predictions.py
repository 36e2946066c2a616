"""Routes of the results: ask, and fetch what was answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from cxrlens import RESEARCH_ONLY
from cxrlens.serving.layers import DEEPEST
from cxrlens.serving.web import films
from cxrlens.serving.web.documents import dicom_zip
from cxrlens.serving.web.openapi import BINARY, PDF, PNG, REQUEST_BODY, ZIP, problems
from cxrlens.serving.web.pdf import pdf_page
from cxrlens.serving.web.problems import Problem
from cxrlens.serving.web.results import Result
from cxrlens.serving.web.schema import KeptPrediction, MapTold, Predictions
from cxrlens.serving.web.service import Service

Target = Annotated[str | None, Query(description="class to explain; the likeliest one where absent")]


def prediction_routes(service: Service) -> APIRouter:
    """``/v1/predictions`` and below."""
    router = APIRouter(prefix="/v1/predictions", tags=["predictions"])
    gone = problems(404, 410, 421)

    @router.post(
        "",
        response_model=Predictions,
        responses=problems(408, 413, 415, 421, 422, 503, 504),
        openapi_extra={"requestBody": REQUEST_BODY},
        summary="Judge one film or many",
    )
    async def ask(request: Request, target: Target = None) -> JSONResponse:
        """Files as multipart/form-data in the field `files`, or one file's bytes as the body; PNG, JPEG, TIFF, BMP,
        WebP, GIF or DICOM, told by content. A file that is no image is a row with status `error`; where it is the
        only one, the request is refused."""
        found = await service.predict(request, target)
        return JSONResponse({"predictions": [_row(service, each) for each in found], "notice": RESEARCH_ONLY})

    @router.get("/{id}", response_model=KeptPrediction, responses=gone, summary="The same row again")
    async def fetch(id: str) -> JSONResponse:
        """With the size of the film as it was judged."""
        result = service.results.get(id)
        rows, columns = (None, None) if result.film is None else result.film.shape
        return JSONResponse({**_row(service, result), "rows": rows, "columns": columns})

    @router.delete("/{id}", status_code=204, responses=gone, summary="Forget a result at once")
    async def forget(id: str) -> Response:
        """Film, source and answer."""
        service.results.forget(id)
        return Response(status_code=204)

    @router.get(
        "/{id}/pixels",
        response_class=Response,
        responses={**BINARY, **problems(404, 409, 410, 421)},
        summary="The film",
    )
    async def pixels(id: str) -> Response:
        """As it was judged, repaired where the gate repaired it: uint16, little-endian, row-major, of [0, 1]·65535,
        0 black; at most 2048 pixels on the longer side. Its size stands in the headers."""
        film = _film(service.results.get(id))
        headers = {"X-Rows": str(film.shape[0]), "X-Columns": str(film.shape[1])}
        return Response(films.little_endian(film), headers=headers, media_type="application/octet-stream")

    @router.get(
        "/{id}/cam",
        response_class=Response,
        responses={**PNG, **problems(404, 409, 410, 421, 422, 503)},
        summary="Where the network looked",
    )
    async def cam(
        id: str,
        target: Target = None,
        layer: Annotated[str, Query(description="one of the model's `layers`, or `deepest`")] = DEEPEST,
        kind: Annotated[Literal["overlay", "heat"], Query(description="over the film, or alone")] = "overlay",
        opacity: Annotated[float, Query(ge=0, le=1, description="of the overlay at its hottest place")] = 0.7,
    ) -> Response:
        """A map of a class, as a PNG on the grid of `pixels`: `overlay` in RGB, `heat` in 8-bit grey. Where the map is
        flagged, the overlay goes on below the film with a strip that says why it should not be read."""
        service.check_target(target)
        service.check_layer(layer)
        result = service.results.get(id)
        film, label = _film(result), _explained(service, result, target)
        network = service.predictor.network
        title = f"{network.layer_maps(layer).method} for {label}, model {network.hash[:12]}"

        def draw() -> bytes:
            heat = films.heat_map(service.predictor, result, label, layer)
            if kind == "heat":
                return films.heat_png(heat, title)
            doubts = films.judged_map(service.predictor, result, label, layer).doubts
            return films.overlay_png(film, heat, opacity, title, doubts)

        return Response(await service.artist.draw(draw), media_type="image/png")

    @router.get(
        "/{id}/flag",
        response_model=MapTold,
        responses=problems(404, 409, 410, 421, 422, 503),
        summary="Should that map be read?",
    )
    async def flag(
        id: str,
        target: Target = None,
        layer: Annotated[str, Query(description="one of the model's `layers`, or `deepest`")] = DEEPEST,
    ) -> JSONResponse:
        """What speaks against reading the map that `cam` gives for the same class and layer; measured when it is asked
        for."""
        service.check_target(target)
        service.check_layer(layer)
        result = service.results.get(id)
        _film(result)
        label = _explained(service, result, target)
        told = await service.artist.draw(lambda: films.judged_map(service.predictor, result, label, layer))
        return JSONResponse(told.to_dict())

    @router.get(
        "/{id}/pdf",
        response_class=Response,
        responses={**PDF, **problems(404, 409, 410, 421, 422, 503)},
        summary="One page to read",
    )
    async def pdf(id: str, target: Target = None) -> Response:
        """Film, overlay and whether to read it, probabilities, prediction set, reason, warnings, what was measured. No
        name of anybody."""
        service.check_target(target)
        result = service.results.get(id)
        _film(result)
        label = _explained(service, result, target) if _has_map(service, result) else None
        page = await service.artist.draw(lambda: pdf_page(service.predictor, result, label))
        return _download(page, "application/pdf", f"cxrlens-{result.id[:8]}.pdf")

    @router.get(
        "/{id}/dicom",
        response_class=Response,
        responses={**ZIP, **problems(404, 409, 410, 421, 422, 501, 503)},
        summary="DICOM objects that refer to the uploaded image",
    )
    async def dicom(id: str) -> Response:
        """Structured report, secondary capture and more, as a ZIP; only where the upload was DICOM."""
        result = service.results.get(id)
        if result.source is None:
            detail = "the upload was no DICOM file, so there is no study that DICOM objects could refer to"
            raise Problem(409, "not-dicom", detail)
        packed = await service.artist.draw(lambda: dicom_zip(service.predictor, result, service.options.limits.reading))
        return _download(packed, "application/zip", f"cxrlens-{result.id[:8]}.zip")

    return router


def _row(service: Service, result: Result) -> dict[str, Any]:
    row = result.to_dict(maps=bool(service.layers))
    if service.layers and result.prediction.probabilities is not None:
        label = result.target or str(result.prediction.likeliest)
        told = result.judged.get((label, service.layers[0]))
        row["heat_map"] = None if told is None else told.to_dict()
    return row


def _film(result: Result) -> Any:
    if result.film is None:
        raise Problem(409, "no-image", f"there is no film: the file {result.prediction.reason}")
    return result.film


def _has_map(service: Service, result: Result) -> bool:
    return bool(service.layers) and result.prediction.probabilities is not None


def _explained(service: Service, result: Result, target: str | None) -> str:
    """The class to explain; :class:`Problem` 409 where no class is named or the model has no maps."""
    if result.prediction.probabilities is None:
        raise Problem(409, "no-class", f"no class was named, so none can be explained: {result.prediction.reason}")
    if not service.layers:
        raise Problem(409, "no-maps", "the model was exported without heat-maps; ask for the film alone")
    return target or result.target or str(result.prediction.likeliest)


def _download(data: bytes, kind: str, name: str) -> Response:
    return Response(data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
