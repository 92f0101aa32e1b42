"""The app factory: `uvicorn service.app:create_app --factory`."""

# ruff: noqa: E402
from forecasting.kernel import threads

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
from service.routers import docs, forecasts, health, models, observations, scores, series
from service.runtime import Runtime
from service.schemas import openapi, scopes

DESCRIPTION = "Forecasts that read a series once and then roll forward with every observation."
INTERFACE = "1"  # version of paths and bodies; the build's own is told under /version, to who may read
# `/v1/series/{id}` takes what those before leave
ROUTERS = (forecasts, observations, scores, series, models, health, docs)


def create_app(settings: Settings | None = None, clock: Callable[[], int] = clock.now) -> FastAPI:
    """The service on one live store. It answers at once; `/health/ready` says when its states are restored.

    clock: microseconds since 1970 UTC, against which stamps are too far in the future.
    """
    gc_tuning.set_malloc_thresholds()
    runtime = Runtime(settings or load_settings(), clock)
    authenticator = Authenticator(runtime.settings, runtime.keyring)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        runtime.start()
        yield {BODY_SECONDS: runtime.settings.body_deadline_s}
        await run_in_threadpool(runtime.stop)

    app = FastAPI(
        title="Rollcast",
        description=DESCRIPTION,
        version=INTERFACE,
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
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = scopes.add_scopes(openapi.complete(plain()), app.routes)
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]
