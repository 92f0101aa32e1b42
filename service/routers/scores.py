"""Scores of past forecasts, computed as their values arrive."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.forecast.answers import no_model_problem
from service.forecast.query_params import dataset_query
from service.http.auth import caller_of, needs
from service.models import scoreboard
from service.routers.dependencies import datasets_of, json_response, runtime_of, target_of
from service.schemas import openapi, score_bodies

router = APIRouter(tags=["scores"])


@router.get(
    "/v1/scores",
    response_model=score_bodies.Scores,
    responses=openapi.problem_responses(404, 422, 503),
    openapi_extra={"parameters": [openapi.ONE_DATASET]},
)
@needs("read")
async def read_scores(request: Request) -> Response:
    """Scores of every model that was ever promoted or in shadow, each since that decision."""
    caller_of(request).require_all_series()
    runtime = runtime_of(request)
    wanted = dataset_query(request.scope["query_string"])
    datasets = datasets_of(request, runtime, wanted)
    engine = runtime.engine()
    lines = await run_in_threadpool(
        lambda: [line for served in datasets for line in scoreboard.dataset_scores(engine, served)]
    )
    return json_response({"scores": lines})


@router.get(
    "/v1/series/{unique_id:path}/scores",
    response_model=score_bodies.ScoresOfSeries,
    responses=openapi.problem_responses(404, 409, 422, 503),
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.DATASET]},
)
@needs("read")
async def read_series_scores(request: Request) -> Response:
    """Scores of one series under the model that answers for it, since its promotion."""
    runtime = runtime_of(request)
    target = target_of(request, runtime, dataset_query(request.scope["query_string"]))
    champion = target.served.champion
    if champion is None:
        raise no_model_problem(target.served)
    return json_response(scoreboard.series_scores(target, champion))
