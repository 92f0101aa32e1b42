"""Observe: store values and advance the states of their series."""

import time

from fastapi import APIRouter, Request, Response

from service.forecast.query_params import dataset_query
from service.http.auth import caller_of, needs, seen_by
from service.http.errors import ProblemError
from service.models.datasets import Target
from service.observe import arrivals, idempotency
from service.observe.observe_body import ObserveBody, body_of
from service.observe.receipts import Receipt
from service.routers.dependencies import (
    dataset_of_rows,
    json_response,
    refuse_query_string,
    runtime_of,
    writable_target_of,
)
from service.runtime import Runtime
from service.schemas import observation_bodies, openapi

router = APIRouter(tags=["observations"])


@router.post(
    "/v1/observations",
    response_model=observation_bodies.Observed,
    responses=openapi.problem_responses(409, 413, 415, 422, 503),
    openapi_extra={
        "parameters": [openapi.IDEMPOTENCY_KEY],
        "requestBody": openapi.rows_body(observation_bodies.SeriesObservations, observation_bodies.SeriesObservation),
    },
)
@needs("observe")
async def observe(request: Request) -> Response:
    """Store values of any number of series and advance their states. The answer points at rows that are not stored."""
    runtime = runtime_of(request)
    refuse_query_string(request)
    return await _observe(request, runtime, *await body_of(request), None)


@router.post(
    "/v1/series/{unique_id:path}/observations",
    response_model=observation_bodies.Observed,
    responses=openapi.problem_responses(404, 409, 413, 415, 422, 503),
    openapi_extra={
        "parameters": [openapi.UNIQUE_ID, openapi.DATASET, openapi.IDEMPOTENCY_KEY],
        "requestBody": openapi.rows_body(observation_bodies.Observations, observation_bodies.Observation),
    },
)
@needs("observe")
async def observe_series(request: Request) -> Response:
    """Store values of one series and advance its state. The answer points at rows that are not stored."""
    runtime = runtime_of(request)
    dataset = dataset_query(request.scope["query_string"])
    caller_of(request).require_series(request.path_params["unique_id"], dataset)
    body, content = await body_of(request)
    target = writable_target_of(request, runtime, dataset or dataset_of_rows(request, runtime, body))
    return await _observe(request, runtime, body, content, target)


async def _observe(
    request: Request, runtime: Runtime, body: ObserveBody, content: bytes, only: Target | None
) -> Response:
    keyed = idempotency.keyed_of(request, caller_of(request).id, content)
    if keyed is None:
        return json_response((await _store(request, runtime, body, only, None)).body)
    with runtime.in_progress.claim(keyed):
        if (receipt := await runtime.answered(keyed)) is not None:
            return json_response(receipt.body, headers=idempotency.REPLAYED)
        return json_response((await _store(request, runtime, body, only, keyed)).body)


async def _store(
    request: Request, runtime: Runtime, body: ObserveBody, only: Target | None, keyed: idempotency.KeyedRequest | None
) -> Receipt:
    began = time.perf_counter()
    tolerance = arrivals.tolerance_us(runtime.settings.future_tolerance_s)
    try:
        received = arrivals.read(body, seen_by(request, runtime), runtime.clock(), tolerance, only)
        if received.new_series:
            received = arrivals.with_ids(received, body, await runtime.create(received.new_series), only)
        if received.closed:
            received = arrivals.with_values_before(received, body, await runtime.values_before(received.closed))
    except ProblemError:
        runtime.metrics.rejected(len(body.rows))
        raise
    receipt = await runtime.observe(received, keyed)
    models = [part.served.champion.config.kind if part.served.champion else "none" for part in received.parts]
    runtime.metrics.observe_took(models, time.perf_counter() - began)
    return receipt
