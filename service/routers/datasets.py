"""Datasets at a glance, and acts on what serves for one."""

from asyncio import sleep
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from data.records.jobs import Job
from data.store.promotions import Promotion
from service.http import etags
from service.http.auth import caller_of, needs, seen_by
from service.http.errors import ProblemError, unknown_dataset
from service.models.datasets import Served
from service.operations import acts, dataset_lines
from service.operations.acts import Asked
from service.operations.promotion_lines import promotion_line
from service.operations.run_lines import job_line
from service.routers.dependencies import (
    datasets_of,
    json_response,
    json_with_etag,
    read_body,
    refuse_query_string,
    runtime_of,
)
from service.schemas import dataset_bodies, model_bodies, openapi, operation_bodies

router = APIRouter(tags=["datasets"])

SERVES_WITHIN, LOOK_EVERY = 10.0, 0.05  # seconds that an act waits for its version to answer, and between two looks
AS_A_JOB: dict[int | str, dict[str, Any]] = {
    202: {"model": operation_bodies.JobLine, "description": "A job of the pipelines does it; Location shows it"}
}
REFUSALS = openapi.problem_responses(404, 409, 412, 422, 428, 503)


@router.get(
    "/v1/datasets",
    response_model=dataset_bodies.Datasets,
    responses={**openapi.NOT_MODIFIED, **openapi.problem_responses(422, 503)},
)
@needs("read")
async def list_datasets(request: Request) -> Response:
    """Every dataset: what serves, how fresh and how right it is, and what is overdue."""
    refuse_query_string(request)
    runtime = runtime_of(request)
    found = await run_in_threadpool(dataset_lines.lines, runtime.engine(), seen_by(request, runtime), runtime.clock())
    return json_with_etag(request, {"datasets": found})


@router.post(
    "/v1/datasets/{name}/rollback",
    response_model=model_bodies.TakenOver,
    responses={**AS_A_JOB, **REFUSALS},
    openapi_extra={"parameters": [openapi.NAME, openapi.IF_MATCH]},
)
@needs("admin")
async def roll_back(request: Request) -> Response:
    """Serve the version before again, at once. The key must reach every series of the dataset."""
    refuse_query_string(request)
    served, asked = _asked(request)
    acted = await run_in_threadpool(acts.roll_back, runtime_of(request).engine(), served, asked)
    return await _answer(served, acted)


@router.post(
    "/v1/datasets/{name}/promote",
    response_model=model_bodies.TakenOver,
    responses={**AS_A_JOB, **REFUSALS, **openapi.problem_responses(413, 415)},
    openapi_extra={
        "parameters": [openapi.NAME, openapi.IF_MATCH],
        "requestBody": openapi.json_body(model_bodies.WantedVersion),
    },
)
@needs("admin")
async def promote(request: Request) -> Response:
    """Serve a version: at once where it rolls in shadow or served before this one, else by a job."""
    refuse_query_string(request)
    served, asked = _asked(request)
    wanted = await read_body(request, model_bodies.WantedVersion)
    acted = await run_in_threadpool(acts.promote, runtime_of(request).engine(), served, wanted.version, asked)
    return await _answer(served, acted)


@router.post(
    "/v1/datasets/{name}/retrain",
    status_code=202,
    response_model=operation_bodies.JobLine,
    responses=openapi.problem_responses(404, 412, 422, 428, 503),
    openapi_extra={"parameters": [openapi.NAME, openapi.IF_MATCH]},
)
@needs("admin")
async def retrain(request: Request) -> Response:
    """Queue a training, whose version goes through promotion gate and shadow; or give the one that is open."""
    refuse_query_string(request)
    served, asked = _asked(request)
    return _job(served, await run_in_threadpool(acts.retrain, runtime_of(request).engine(), served, asked))


def _asked(request: Request) -> tuple[Served, Asked]:
    """The dataset in the path, and who asks. Raises ProblemError: 403 for a key to a part of it, 404, 428."""
    name, caller = request.path_params["name"], caller_of(request)
    try:
        served = datasets_of(request, runtime_of(request), name)[0]
    except ProblemError as problem:
        raise (unknown_dataset("/path/name") if problem.status == 404 else problem) from None
    caller.require_dataset(name)
    return served, Asked(caller.name, etags.seen_promotion(request))


async def _answer(served: Served, acted: Promotion | Job) -> Response:
    """A job; or a decision, once its version answers or SERVES_WITHIN has passed."""
    if isinstance(acted, Job):
        return _job(served, acted)
    left = SERVES_WITHIN
    while left > 0 and not _serves(served, acted):
        await sleep(LOOK_EVERY)
        left -= LOOK_EVERY
    body = {**promotion_line(acted, served.name), "serving": _serves(served, acted)}
    return json_response(body, 200, {"ETag": f'"{acted.id}"'})


def _serves(served: Served, decision: Promotion) -> bool:
    return served.champion is not None and served.champion.promotion_id >= decision.id


def _job(served: Served, job: Job) -> Response:
    return json_response(job_line(job, served.name), 202, {"Location": f"/v1/jobs/{job.id}"})
