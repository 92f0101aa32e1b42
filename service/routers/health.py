"""Whether the service is alive and ready, its version, and its metrics."""

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
from service.schemas import health_bodies

router = APIRouter(tags=["health"])

RETRY_LATER = {"Retry-After": "1"}
NO_MODEL = (
    "No model serves yet: observations are stored; forecasts begin after `rollcast ingest` or `rollcast promote`."
)


@router.get("/health/live", response_model=health_bodies.Health)
async def live() -> Response:
    """Whether the event loop answers."""
    return json_response({"status": "live"})


@router.get(
    "/health/ready",
    response_model=health_bodies.Health,
    responses={503: {"model": health_bodies.Health, "description": "Not ready; `detail` says why"}},
)
async def ready(request: Request) -> Response:
    """Whether states are restored and the store works. A service without a promoted model is ready, and says so.

    The details need the scope read; without it the answer is the status only.
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
    detail = None if any(dataset["model"] or dataset["problem"] for dataset in datasets) else NO_MODEL
    return json_response({"status": "ready", "detail": detail, "datasets": datasets})


@router.get("/version", response_model=health_bodies.Version)
@needs("read")
async def read_version(request: Request) -> Response:
    """The version of the service, and the model that answers for each dataset."""
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
    """Metrics in the Prometheus exposition format. They count all series, so they need a key for all series."""
    caller_of(request).require_all_series()
    runtime: Runtime = request.app.state.runtime
    datasets = runtime.served()
    successes = await run_in_threadpool(runtime.flow_successes.read)
    facts = await run_in_threadpool(runtime.scrape_facts.read, datasets)
    page = runtime.gauges.page(datasets, successes, facts, runtime.backlog)
    return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


@lru_cache
def package_version() -> str:
    try:
        return version("rollcast")
    except PackageNotFoundError:  # run from a source folder without installation
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
