"""Earlier forecasts of a series, beside which its values can be laid."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.forecast.query_params import vintages_query
from service.history import vintages
from service.http.auth import needs
from service.http.errors import not_for_symbols
from service.routers.dependencies import json_with_etag, runtime_of, target_of, time_of
from service.schemas import forecast_bodies, openapi

router = APIRouter(tags=["forecasts"])


@router.get(
    "/v1/series/{unique_id:path}/vintages",
    response_model=forecast_bodies.EarlierForecasts,
    responses={
        **openapi.problem_responses(404, 409, 422, 503),
        304: {"description": "The page of this ETag is still current"},
    },
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.DATASET, *openapi.VINTAGES]},
)
@needs("forecast")
async def list_vintages(request: Request) -> Response:
    """Earlier forecasts of one series, the newest first: one a horizon, each as it was made."""
    runtime = runtime_of(request)
    query = vintages_query(request.scope["query_string"])
    target = target_of(request, runtime, query.dataset)
    if target.served.dataset.has_symbols:
        raise not_for_symbols("vintages: each symbol is scored by the probability that it had one step before")
    first, last = (time_of(*end, target.served.dataset) for end in (("from", query.first), ("to", query.last)))
    content = await run_in_threadpool(vintages.answer, runtime.engine(), target, first, last, query.limit)
    return json_with_etag(request, content)
