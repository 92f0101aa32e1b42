"""Forecast: quantiles for the steps after the last stored value of a series. Writes nothing."""

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from service.forecast import answers, symbol_answers
from service.forecast.batches import ForecastBatch
from service.forecast.continuation_request import parse_continuations
from service.forecast.forecast_request import parse_forecast_request
from service.forecast.query_params import ForecastQuery, dataset_query, forecast_query
from service.http.auth import needs, seen_by
from service.http.errors import unknown_dataset
from service.http.etags import json_or_304
from service.models.datasets import Target
from service.observe.observe_body import JSON, NDJSON
from service.routers.dependencies import encode_json, json_response, read_json, runtime_of, target_of
from service.schemas import forecast_bodies, openapi
from states.champion import Champion

router = APIRouter(tags=["forecasts"])


@router.get(
    "/v1/series/{unique_id:path}/forecast",
    response_model=forecast_bodies.SeriesForecast,
    responses={
        **openapi.problem_responses(404, 409, 410, 422, 503),
        304: {"description": "The forecast of this ETag is still current"},
    },
    openapi_extra={
        "parameters": [
            openapi.UNIQUE_ID,
            openapi.HORIZON,
            openapi.LEVEL,
            openapi.QUANTILES,
            openapi.DATASET,
            openapi.AS_OF,
            openapi.WITHIN,
        ]
    },
)
@needs("forecast")
async def forecast(request: Request) -> Response:
    """Mean, quantiles and intervals of the next `horizon` steps, or the probabilities of their symbols."""
    runtime = runtime_of(request)
    query = forecast_query(request.scope["query_string"])
    target = target_of(request, runtime, query.dataset)
    if query.as_of is not None:
        return await _forecast_as_of(request, target, query, query.as_of)
    current, known_etags = answers.champion_etag(target, query), request.headers.get("if-none-match", "")
    key = (target.served.dataset.id, target.series, query)
    if current is not None and (cached := runtime.forecast_cache.find(key, current)) is not None:
        return json_or_304(request, cached, current)
    reading = answers.reading_of(target)
    if current is not None and current in known_etags:
        _check(target, query, reading.champion)
        return json_or_304(request, b"", current)
    began = time.perf_counter()
    if target.served.dataset.has_symbols:
        async with runtime.roll_outs:
            content, found = await run_in_threadpool(symbol_answers.forecast, reading, query)
    else:
        content, found = answers.forecast(reading, query)
    runtime.metrics.forecast_took(found.champion.config.kind, time.perf_counter() - began, found.substitute)
    etag, body = answers.etag(reading, query, found), encode_json(content)
    if found.substitute is None:
        runtime.forecast_cache.keep(key, etag, body)
    return json_or_304(request, body, etag)


def _check(target: Target, query: ForecastQuery, champion: Champion) -> None:
    """Raises ProblemError (409, 422) for a query that this model cannot answer."""
    if target.served.dataset.has_symbols:
        symbol_answers.check(query)
    else:
        query.check(champion.config)


@router.post(
    "/v1/series/{unique_id:path}/continuations",
    response_model=forecast_bodies.Continuations,
    responses=openapi.problem_responses(404, 409, 413, 415, 422, 503),
    openapi_extra={
        "parameters": [openapi.UNIQUE_ID, openapi.DATASET],
        "requestBody": openapi.json_body(forecast_bodies.ContinuationRequest),
    },
)
@needs("forecast")
async def continue_series(request: Request) -> Response:
    """Whole continuations of a series of symbols, drawn from a copy of its state, which stays as it is."""
    runtime = runtime_of(request)
    target = target_of(request, runtime, dataset_query(request.scope["query_string"]))
    symbol_answers.require_symbols(target)
    query = parse_continuations(await read_json(request))
    reading = answers.reading_of(target)
    async with runtime.roll_outs:
        return json_response(await run_in_threadpool(symbol_answers.continuations, reading, query))


async def _forecast_as_of(request: Request, target: Target, query: ForecastQuery, as_of: str) -> Response:
    """What was answered at an earlier moment, computed again."""
    runtime = runtime_of(request)
    etag, content = await runtime.recomputer.forecast(runtime.engine(), target, query, as_of)
    return json_or_304(request, encode_json(content), etag)


@router.post(
    "/v1/forecasts",
    response_model=forecast_bodies.Forecasts,
    responses={200: openapi.ndjson_forecasts(), **openapi.problem_responses(404, 413, 415, 422, 503)},
    openapi_extra={"requestBody": openapi.json_body(forecast_bodies.ForecastRequest)},
)
@needs("forecast")
async def forecast_many(request: Request) -> Response:
    """Forecasts of many series, by id or by search, each with its own status or error; NDJSON where Accept names it."""
    runtime = runtime_of(request)
    requested = parse_forecast_request(await read_json(request))
    directory = seen_by(request, runtime)
    if requested.forecast.dataset is not None and requested.forecast.dataset not in directory.datasets:
        raise unknown_dataset("/dataset" if requested.ids else "/query/dataset")
    slices = ForecastBatch(directory, requested, runtime.metrics).lines()
    first: list[bytes] = await anext(slices, [])  # an error of the whole batch is raised before the answer begins
    by_line = NDJSON in request.headers.get("accept", "")
    content = _as_lines(first, slices) if by_line else _as_document(first, slices)
    return StreamingResponse(content, media_type=NDJSON if by_line else JSON)


async def _as_lines(first: list[bytes], slices: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    yield b"".join(line + b"\n" for line in first)
    async for lines in slices:
        yield b"".join(line + b"\n" for line in lines)


async def _as_document(first: list[bytes], slices: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    yield b'{"forecasts":[' + b",".join(first)
    async for lines in slices:
        yield b"," + b",".join(lines)
    yield b"]}"
