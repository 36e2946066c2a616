"""The application: routes, guard, and a life of its own from the first request to the last."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from cxrlens import RESEARCH_ONLY, __version__
from cxrlens.allocator import keep_freed_memory
from cxrlens.serving.predictor import Predictor
from cxrlens.serving.web.about import PAGE, about_routes
from cxrlens.serving.web.openapi import DESCRIPTION, describe
from cxrlens.serving.web.options import ServerOptions
from cxrlens.serving.web.predictions import prediction_routes
from cxrlens.serving.web.problems import add_handlers
from cxrlens.serving.web.safety import Guard
from cxrlens.serving.web.service import Service

_SWEEP_S = 20.0


def create_app(predictor: Predictor, options: ServerOptions | None = None) -> FastAPI:
    """The server as an ASGI application.

    Args:
        predictor: of an exported model.
        options: what is let in, how long is waited, what is remembered; the defaults where ``None``.

    Returns:
        The application; its ``state.service`` is the :class:`Service` behind it. Judging starts and ends with its
        lifespan, so it must be run with one (uvicorn and Starlette's test client do).
    """
    options = options or ServerOptions()
    service = Service(predictor, options)

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        keep_freed_memory(64 << 20)
        service.engine.start()
        sweeping = asyncio.create_task(_sweep(service))
        try:
            yield
        finally:
            sweeping.cancel()
            await asyncio.to_thread(service.engine.close)
            service.artist.pool.shutdown(wait=True)
            service.results.clear()

    app = FastAPI(
        title="cxrlens",
        version=__version__,
        summary=RESEARCH_ONLY,
        description=DESCRIPTION,
        docs_url=None,  # its pages load their scripts from another host
        redoc_url=None,
        lifespan=life,
        redirect_slashes=False,
    )
    app.state.service = service
    app.add_middleware(Guard, options=options, metrics=service.metrics)
    add_handlers(app, service.metrics)
    app.include_router(prediction_routes(service))
    app.include_router(about_routes(service))
    if PAGE.is_dir():
        app.mount("/static", StaticFiles(directory=PAGE))
    app.openapi = lambda: describe(app, predictor.network, token=bool(options.token))  # type: ignore[method-assign]
    return app


async def _sweep(service: Service) -> None:
    """Forget what is too old also where nobody asks."""
    while True:
        await asyncio.sleep(_SWEEP_S)
        service.results.sweep()
