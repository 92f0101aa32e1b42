"""The app factory: `uvicorn service.app:create_app --factory`."""

# ruff: noqa: E402
import gc

from forecasting.kernel import threads

gc.disable()  # what is loaded here stays; looking for garbage in it takes a tenth of the time
threads.prepare()  # before anything below loads NumPy

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from data import clock
from data.settings import Settings, load_settings
from service.base import gc_tuning
from service.http import auth, errors
from service.http.auth import Authenticator
from service.http.middleware import BODY_SECONDS, RequestMiddleware
from service.routers import (
    datasets,
    deletions,
    docs,
    events,
    forecasts,
    groups,
    health,
    history,
    models,
    observations,
    operations,
    page,
    scores,
    series,
    vintages,
)
from service.runtime import Runtime
from service.schemas import openapi, scopes

gc.enable()

DESCRIPTION = "Forecasts that read a series once and then roll forward with every observation."
API_VERSION = "1"  # of paths and bodies; the version of the build is under /version
# order counts: `/v1/series/{id}` of `series` matches every path that no earlier route does
ROUTERS = (
    forecasts,
    observations,
    history,
    scores,
    events,
    vintages,
    series,
    deletions,
    datasets,
    groups,
    models,
    operations,
    health,
    docs,
    page,
)


def create_app(settings: Settings | None = None, clock: Callable[[], int] = clock.now) -> FastAPI:
    """The service on one live store. It answers at once; `/health/ready` says when its states are restored.

    clock: microseconds since 1970 UTC; observations too far ahead of it are refused.
    """
    gc_tuning.set_malloc_thresholds()
    runtime = Runtime(settings or load_settings(), clock)
    authenticator = Authenticator(runtime.settings, runtime.keyring)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        await run_in_threadpool(runtime.start)
        yield {BODY_SECONDS: runtime.settings.body_deadline_s}
        await run_in_threadpool(runtime.stop)

    app = FastAPI(
        title="Rollcast",
        description=DESCRIPTION,
        version=API_VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.runtime = runtime
    for module in ROUTERS:
        app.include_router(module.router)
    errors.install(app)
    app.add_middleware(
        RequestMiddleware, metrics=runtime.metrics, settings=runtime.settings, authenticator=authenticator
    )
    auth.check_routes(app.routes)
    _complete_openapi(app)
    return app


def _complete_openapi(app: FastAPI) -> None:
    """Let the app's OpenAPI document have our bodies, examples and scopes."""
    generated = app.openapi

    def complete_document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = scopes.add_scopes(openapi.complete(generated()), app.routes)
        return app.openapi_schema

    app.openapi = complete_document  # type: ignore[method-assign]
