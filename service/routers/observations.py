"""Observe: store values and roll the forecasts forward."""

import time
from collections import Counter
from typing import Any

from fastapi import APIRouter, Request, Response

from service import arrivals, openapi, schemas
from service.datasets import Target
from service.dependencies import answer, document_of, runtime_of, target_of
from service.errors import Problem
from service.outcomes import Outcome
from service.queries import dataset_query
from service.runtime import Runtime

router = APIRouter(tags=["observations"])


@router.post(
    "/v1/observations",
    response_model=schemas.Observed,
    responses=openapi.problems(404, 409, 413, 415, 422, 503),
    openapi_extra={"requestBody": openapi.body(schemas.SeriesObservations, schemas.SeriesObservation)},
)
async def observe(request: Request) -> Response:
    """Store values of any number of series, all or none, and advance their states."""
    runtime = runtime_of(request)
    dataset_query_is_empty(request)
    return await _observe(runtime, await document_of(request), None)


@router.post(
    "/v1/series/{unique_id:path}/observations",
    response_model=schemas.Observed,
    responses=openapi.problems(404, 409, 413, 415, 422, 503),
    openapi_extra={
        "parameters": [openapi.UNIQUE_ID, openapi.DATASET],
        "requestBody": openapi.body(schemas.Observations, schemas.Observation),
    },
)
async def observe_series(request: Request) -> Response:
    """Store values of one series, all or none, and advance its state."""
    runtime = runtime_of(request)
    target = target_of(request, runtime, dataset_query(request.scope["query_string"]))
    return await _observe(runtime, await document_of(request), target)


async def _observe(runtime: Runtime, document: Any, only: Target | None) -> Response:
    began = time.perf_counter()
    tolerance = arrivals.tolerance_us(runtime.settings.future_tolerance_s)
    try:
        parts = arrivals.read(document, runtime.directory, runtime.clock(), tolerance, only)
    except Problem:
        runtime.metrics.rejected(len(document) if isinstance(document, list) else 1)
        raise
    rows = sum(len(part.place) for part in parts)
    receipt = await runtime.observe(parts, rows)
    counts = Counter(receipt.outcomes)
    models = [part.served.champion.config.kind if part.served.champion else "none" for part in parts]
    runtime.metrics.observe_took(models, time.perf_counter() - began)
    return answer(
        {
            "received": rows,
            "counts": {outcome.value: counts[outcome] for outcome in Outcome},
            "outcomes": receipt.outcomes,
            "snapped": receipt.snapped,
            "sequence": receipt.sequence,
        }
    )


def dataset_query_is_empty(request: Request) -> None:
    """Each row names its dataset where one is needed; a parameter would be a second place to say it."""
    if request.scope["query_string"]:
        raise Problem(422, "invalid_query", "This path takes no parameters; rows name their dataset themselves.")
