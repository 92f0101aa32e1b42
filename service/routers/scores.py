"""What forecasts were worth, settled value by value as these came."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.forecast.answers import no_model_problem
from service.forecast.query_params import dataset_query
from service.http.auth import caller_of, needs
from service.models import scoreboard
from service.routers.dependencies import datasets_of, json_response, runtime_of, target_of
from service.schemas import openapi, schemas

router = APIRouter(tags=["scores"])


@router.get(
    "/v1/scores",
    response_model=schemas.Scores,
    responses=openapi.problem_responses(404, 422, 503),
    openapi_extra={"parameters": [openapi.ONE_DATASET]},
)
@needs("read")
async def read_scores(request: Request) -> Response:
    """Every dataset's models that ever answered, each with its own scores since it was promoted."""
    caller_of(request).require_all_series()
    runtime = runtime_of(request)
    wanted = dataset_query(request.scope["query_string"])
    datasets = datasets_of(request, runtime, wanted)
    engine = runtime.engine()
    lines = await run_in_threadpool(
        lambda: [line for one in datasets for line in scoreboard.dataset_scores(engine, one)]
    )
    return json_response({"scores": lines})


@router.get(
    "/v1/series/{unique_id:path}/scores",
    response_model=schemas.SeriesScores,
    responses=openapi.problem_responses(404, 409, 422, 503),
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.DATASET]},
)
@needs("read")
async def read_series_scores(request: Request) -> Response:
    """One series' scores under the model that answers for it, since that was promoted."""
    runtime = runtime_of(request)
    target = target_of(request, runtime, dataset_query(request.scope["query_string"]))
    champion = target.served.champion
    if champion is None:
        raise no_model_problem(target.served)
    return json_response(scoreboard.series_scores(target, champion))
