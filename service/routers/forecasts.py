"""Forecast: quantiles for the steps after a series' last stored value. Writes nothing."""

import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from service import answers, openapi, schemas
from service.auth import needs, seen_by
from service.batches import Batch
from service.bodies import JSON, NDJSON
from service.dependencies import answer, document_of, runtime_of, target_of
from service.errors import Fault, Problem
from service.queries import forecast_query
from service.selections import selection

router = APIRouter(tags=["forecasts"])


@router.get(
    "/v1/series/{unique_id:path}/forecast",
    response_model=schemas.Forecast,
    responses={**openapi.problems(404, 409, 422, 503), 304: {"description": "The forecast of this ETag still stands"}},
    openapi_extra={
        "parameters": [openapi.UNIQUE_ID, openapi.HORIZON, openapi.LEVEL, openapi.QUANTILES, openapi.DATASET]
    },
)
@needs("forecast")
async def forecast(request: Request) -> Response:
    """Mean, quantiles and intervals for the next `horizon` steps after the last stored observation."""
    runtime = runtime_of(request)
    query = forecast_query(request.scope["query_string"])
    target = target_of(request, runtime, query.dataset)
    reading = answers.reading_of(target)
    headers = {"ETag": answers.etag(reading, query), "Cache-Control": "no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        query.check(reading.champion.config)
        return Response(status_code=304, headers=headers)
    began = time.perf_counter()
    body, found = answers.forecast(reading, query)
    runtime.metrics.forecast_took(found.champion.config.kind, time.perf_counter() - began, found.stand_in)
    headers["ETag"] = answers.etag(reading, query, found)
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return answer(body, headers=headers)


@router.post(
    "/v1/forecasts",
    response_model=schemas.Forecasts,
    responses={200: openapi.forecasts(), **openapi.problems(404, 413, 415, 422, 503)},
    openapi_extra={"requestBody": openapi.plain(schemas.ForecastRequest)},
)
@needs("forecast")
async def forecast_many(request: Request) -> Response:
    """Forecasts of up to 1000 series, named or searched for, each with its own status or error; NDJSON if accepted."""
    runtime = runtime_of(request)
    chosen = selection(await document_of(request))
    directory = seen_by(request, runtime)
    if chosen.forecast.dataset is not None and chosen.forecast.dataset not in directory.datasets:
        fault = Fault("/dataset" if chosen.ids else "/query/dataset", "is not a dataset")
        raise Problem(404, "unknown_dataset", "There is no such dataset.", [fault])
    slices = Batch(directory, chosen, runtime.metrics).lines()
    first: list[bytes] = await anext(slices, [])  # whatever fails as a whole fails before the answer begins
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
