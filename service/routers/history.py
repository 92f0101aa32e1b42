"""The past of one series: its values as they are known now."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.forecast.query_params import observations_query
from service.history import observed
from service.history.past import BEGIN, END, Span
from service.http.auth import needs
from service.http.errors import FieldFault, unprocessable
from service.http.etags import json_or_304
from service.routers.dependencies import encode_json, runtime_of, target_of, time_of
from service.schemas import observation_bodies, openapi

router = APIRouter(tags=["observations"])


@router.get(
    "/v1/series/{unique_id:path}/observations",
    response_model=observation_bodies.SeriesPast,
    responses={
        304: {"description": "What this ETag stands for is still current"},
        **openapi.problem_responses(404, 409, 410, 422, 503),
    },
    openapi_extra={"parameters": [openapi.UNIQUE_ID, *openapi.OBSERVATIONS, openapi.DATASET]},
)
@needs("read")
async def read_observations(request: Request) -> Response:
    """Rows of a series as they are known now, a page of them or, with `points`, bins for a screen."""
    runtime = runtime_of(request)
    query = observations_query(request.scope["query_string"])
    target = target_of(request, runtime, query.dataset)
    first, last = (
        time_of(name, text, target.served.dataset) for name, text in (("from", query.first), ("to", query.last))
    )
    if first is not None and last is not None and first > last:
        raise unprocessable("invalid_query", [FieldFault("/query/to", "must not be before from")])
    span = Span(BEGIN if first is None else first, END if last is None else last)
    known = ",".join(request.headers.getlist("if-none-match"))
    etag, body = await run_in_threadpool(observed.answer, runtime.engine(), target, query, span, known)
    content = b"" if body is None else await run_in_threadpool(encode_json, body)
    return json_or_304(request, content, etag)
