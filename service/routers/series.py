"""Series and their states."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from data.errors import DamagedArtifact
from service.forecast import answers, inside_network, inspect_state, series_pages
from service.forecast.query_params import dataset_query, network_query, page_query
from service.http.auth import needs, seen_by
from service.http.errors import not_available, unknown_dataset
from service.http.etags import json_or_304
from service.observe import creation_body
from service.routers.dependencies import (
    encode_json,
    json_response,
    read_json,
    refuse_query_string,
    runtime_of,
    target_of,
)
from service.schemas import openapi, series_bodies

router = APIRouter(tags=["series"])


@router.get(
    "/v1/series",
    response_model=series_bodies.SeriesPage,
    responses=openapi.problem_responses(404, 422, 503),
    openapi_extra={"parameters": openapi.SERIES_PAGE},
)
@needs("read")
async def list_series(request: Request) -> Response:
    """A page of series: in the order of their ids, or those in trouble first."""
    runtime = runtime_of(request)
    query, directory = page_query(request.scope["query_string"]), seen_by(request, runtime)
    if query.dataset is not None and query.dataset not in directory.datasets:
        raise unknown_dataset()
    make_page = series_pages.by_trouble if query.by_trouble else series_pages.by_id
    return json_response(make_page(directory, query))


@router.post(
    "/v1/series",
    status_code=201,
    response_model=series_bodies.Created,
    responses={
        200: {"model": series_bodies.Created, "description": "Each of them exists already"},
        **openapi.problem_responses(413, 415, 422, 503),
    },
    openapi_extra={"requestBody": openapi.list_body(series_bodies.NewSeriesList, series_bodies.NewSeries, "series")},
)
@needs("admin")
async def create_series(request: Request) -> Response:
    """Create series, whether or not their dataset creates series by itself. One that exists stays as it is."""
    runtime = runtime_of(request)
    refuse_query_string(request)
    asked = creation_body.read(await read_json(request), seen_by(request, runtime))
    created = await runtime.create(list(asked.new_series.values())) if asked.new_series else []
    body = creation_body.answer(asked, created)
    return json_response(body, 201 if body["counts"]["created"] else 200)


@router.get(
    "/v1/series/{unique_id:path}/state",
    response_model=series_bodies.State,
    responses=openapi.problem_responses(404, 409, 422, 503),
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.DATASET]},
)
@needs("read")
async def read_state(request: Request) -> Response:
    """The state of one series in short: counters, norms of the recurrent state, and mean gates, by layer."""
    runtime = runtime_of(request)
    target = target_of(request, runtime, dataset_query(request.scope["query_string"]))
    return json_response(inspect_state.state(answers.reading_of(target)))


@router.get(
    "/v1/series/{unique_id:path}/network",
    response_model=series_bodies.NetworkInside,
    responses={**openapi.NOT_MODIFIED, **openapi.problem_responses(404, 409, 422, 503)},
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.STEPS, openapi.DATASET]},
)
@needs("read")
async def read_network(request: Request) -> Response:
    """Inside the model: its gates over the last steps, what the forecast leans on, how long it remembers, one cell."""
    runtime, query = runtime_of(request), network_query(request.scope["query_string"])
    target = target_of(request, runtime, query.dataset)
    current = answers.champion_etag(target, query)
    if current is not None and current in request.headers.get("if-none-match", ""):
        return json_or_304(request, b"", current)
    reading = answers.reading_of(target)
    try:
        found = await run_in_threadpool(
            inside_network.network, runtime.engine(), runtime.effective_memories, reading, query.steps
        )
    except DamagedArtifact as damage:
        raise not_available("damaged_model", str(damage), retry_after=60) from None
    return json_or_304(request, encode_json(found), answers.etag(reading, query))


@router.get(
    "/v1/series/{unique_id:path}",
    response_model=series_bodies.Series,
    responses=openapi.problem_responses(404, 409, 422, 503),
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.DATASET]},
)
@needs("read")
async def read_series(request: Request) -> Response:
    """One series: its frequency, its model and its state."""
    runtime = runtime_of(request)
    return json_response(
        answers.describe_series(target_of(request, runtime, dataset_query(request.scope["query_string"])))
    )
