"""Is it alive, is it ready, what is it, and how does it do."""

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.http.auth import caller_of, needs, seen_by
from service.models.datasets import Served
from service.routers.dependencies import json_response
from service.runtime import Runtime
from service.schemas import schemas

router = APIRouter(tags=["health"])

RETRY_LATER = {"Retry-After": "1"}
NO_MODEL = "No model is promoted yet: observations are stored, forecasts wait for `rollcast promote`."


@router.get("/health/live", response_model=schemas.Health)
async def live() -> Response:
    """The event loop answers."""
    return json_response({"status": "live"})


@router.get(
    "/health/ready",
    response_model=schemas.Health,
    responses={503: {"model": schemas.Health, "description": "Not yet, or not any more; `detail` says why"}},
)
async def ready(request: Request) -> Response:
    """States are restored and the store works. With no model promoted the service is ready too, and says so.

    Details need the scope read; without it there is the status alone.
    """
    runtime: Runtime = request.app.state.runtime
    readiness = runtime.readiness
    if "read" not in caller_of(request).rights:
        return (
            json_response({"status": "ready"})
            if readiness.ready
            else json_response({"status": "not_ready"}, 503, RETRY_LATER)
        )
    datasets = [_dataset_health(served) for served in seen_by(request, runtime).datasets.values()]
    if not readiness.ready:
        body = {"status": "not_ready", "detail": readiness.reason, "datasets": datasets}
        return json_response(body, 503, RETRY_LATER)
    detail = None if any(line["model"] or line["problem"] for line in datasets) else NO_MODEL
    return json_response({"status": "ready", "detail": detail, "datasets": datasets})


@router.get("/version", response_model=schemas.Version)
@needs("read")
async def read_version(request: Request) -> Response:
    """What runs here, and which model answers for which dataset."""
    runtime: Runtime = request.app.state.runtime
    models = {
        served.name: champion.model
        for served in seen_by(request, runtime).datasets.values()
        if (champion := served.champion)
    }
    body = {"name": "rollcast", "version": package_version(), "python": platform.python_version(), "models": models}
    return json_response(body)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
@needs("read")
async def metrics(request: Request) -> Response:
    """Prometheus exposition format; its counts are of all series, so a key for a part of them does not do."""
    caller_of(request).require_all_series()
    runtime: Runtime = request.app.state.runtime
    page = runtime.gauges.page(runtime.served(), await run_in_threadpool(runtime.flow_successes.read))
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


@lru_cache
def package_version() -> str:
    try:
        return version("rollcast")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "0+unknown"


def _dataset_health(served: Served) -> dict[str, Any]:
    champion = served.champion
    return {
        "dataset": served.name,
        "series": len(served.series),
        "model": champion.model if champion else None,
        "shadow": served.shadow.model if served.shadow else None,
        "stale": champion.states.stale if champion else 0,
        "problem": served.problem or served.shadow_problem,
    }
