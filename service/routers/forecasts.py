"""Forecast: quantiles for the steps after a series' last stored value. Writes nothing."""

import time

from fastapi import APIRouter, Request, Response

from data.errors import NothingObserved, NotTrained
from service import answers, openapi, schemas
from service.auth import needs
from service.dependencies import answer, runtime_of, target_of
from service.errors import Problem
from service.queries import forecast_query

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
    try:
        reading = answers.read(target)
    except NotTrained:
        raise Problem(
            409, "no_model", "No model is promoted for this dataset yet; `rollcast promote` does it."
        ) from None
    except NothingObserved:
        raise Problem(409, "nothing_observed", "The series has no value to forecast from; observe one first.") from None
    headers = {"ETag": answers.etag(reading, query), "Cache-Control": "no-cache"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        query.check(reading.champion.config)
        return Response(status_code=304, headers=headers)
    began = time.perf_counter()
    body, fallback = answers.forecast(reading, query)
    runtime.metrics.forecast_took(reading.champion.config.kind, time.perf_counter() - began, fallback)
    return answer(body, headers=headers)
