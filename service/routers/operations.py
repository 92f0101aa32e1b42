"""What runs and ran behind the service: runs, jobs, schedules, the quarantine and drift."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from data.errors import NotFound
from data.grid.stamps import format_moment
from data.records import jobs
from service.forecast.query_params import dataset_query, newest_query, quarantine_query, runs_query
from service.http.auth import caller_of, needs, seen_by
from service.http.errors import FieldFault, ProblemError
from service.operations import quarantined_values, run_lines, schedule_lines
from service.routers.dependencies import (
    datasets_of,
    find_target,
    json_response,
    json_with_etag,
    read_body,
    refuse_query_string,
    runtime_of,
)
from service.schemas import openapi, operation_bodies

router = APIRouter(tags=["operations"])

PAGE = {**openapi.NOT_MODIFIED, **openapi.problem_responses(404, 422, 503)}


@router.get(
    "/v1/runs",
    response_model=operation_bodies.Runs,
    responses=PAGE,
    openapi_extra={"parameters": openapi.RUNS_PAGE},
)
@needs("read")
async def list_runs(request: Request) -> Response:
    """A page of the runs of flows, newest first. Those of flows for all datasets need a key for all series."""
    query, runtime = runs_query(request.scope["query_string"]), runtime_of(request)
    if query.dataset is not None:
        datasets_of(request, runtime, query.dataset)
    found = await run_in_threadpool(run_lines.runs_page, runtime.engine(), caller_of(request).series, query)
    return json_with_etag(request, found)


@router.get(
    "/v1/jobs",
    response_model=operation_bodies.Jobs,
    responses=PAGE,
    openapi_extra={"parameters": openapi.NEWEST_PAGE},
)
@needs("read")
async def list_jobs(request: Request) -> Response:
    """A page of the jobs, newest first: trainings, promotions and releases."""
    query, runtime = newest_query(request.scope["query_string"]), runtime_of(request)
    datasets = datasets_of(request, runtime, query.dataset)
    return json_with_etag(request, await run_in_threadpool(run_lines.jobs_page, runtime.engine(), datasets, query))


@router.get(
    "/v1/jobs/{id}",
    response_model=operation_bodies.JobLine,
    responses={**openapi.NOT_MODIFIED, **openapi.problem_responses(404, 503)},
    openapi_extra={"parameters": [openapi.JOB_ID]},
)
@needs("read")
async def read_job(request: Request) -> Response:
    """One job: whether it waits, runs or has ended, and how."""
    runtime, number = runtime_of(request), request.path_params["id"]
    names = {served.dataset.id: served.name for served in datasets_of(request, runtime, None)}
    known = number.isascii() and number.isdigit() and len(number) < openapi.MAX_DIGITS
    try:
        job = await run_in_threadpool(jobs.job, runtime.engine(), int(number)) if known else None
    except NotFound:
        job = None
    if job is None or job.dataset_id not in names:
        fault = FieldFault("/path/id", "is not a job")
        raise ProblemError(404, "unknown_job", "There is no such job; GET /v1/jobs lists them.", [fault])
    return json_with_etag(request, run_lines.job_line(job, names[job.dataset_id]))


@router.get(
    "/v1/schedules",
    response_model=operation_bodies.Schedules,
    responses=PAGE,
    openapi_extra={"parameters": [openapi.ONE_DATASET]},
)
@needs("read")
async def list_schedules(request: Request) -> Response:
    """Every schedule: when it is due next, whether it is overdue, and how its last run went."""
    wanted, runtime = dataset_query(request.scope["query_string"]), runtime_of(request)
    if wanted is not None:
        datasets_of(request, runtime, wanted)
    reach, engine, at = caller_of(request).series, runtime.engine(), runtime.clock()
    return json_with_etag(request, await run_in_threadpool(schedule_lines.listing, engine, reach, wanted, at))


@router.get(
    "/v1/quarantine",
    response_model=operation_bodies.QuarantinePage,
    responses={**PAGE, **openapi.problem_responses(409)},
    openapi_extra={"parameters": openapi.QUARANTINE_PAGE},
)
@needs("read")
async def list_quarantine(request: Request) -> Response:
    """A page of the values that broke a quality rule, newest first."""
    query, runtime = quarantine_query(request.scope["query_string"]), runtime_of(request)
    if query.dataset is not None:
        datasets_of(request, runtime, query.dataset)
    target = None
    if query.series is not None:
        target = find_target(request, runtime, query.series, query.dataset, "/query/series")
    directory, engine = seen_by(request, runtime), runtime.engine()
    return json_with_etag(request, await run_in_threadpool(quarantined_values.page, engine, directory, query, target))


@router.post(
    "/v1/quarantine/release",
    response_model=operation_bodies.Released,
    responses={
        202: {"model": operation_bodies.JobLine, "description": "A job of the pipelines does it; Location shows it"},
        **openapi.problem_responses(404, 409, 413, 415, 422, 503),
    },
    openapi_extra={"requestBody": openapi.json_body(operation_bodies.WantedRelease)},
)
@needs("admin")
async def release_values(request: Request) -> Response:
    """Let values in quarantine count: at once where the live log has their times, else by a job."""
    refuse_query_string(request)
    runtime, caller = runtime_of(request), caller_of(request)
    wanted = await read_body(request, operation_bodies.WantedRelease)
    served = datasets_of(request, runtime, wanted.dataset)[0]
    status, body = await run_in_threadpool(
        quarantined_values.release, runtime.engine(), caller.series, served, wanted.ids, caller.name
    )
    return json_response(body, status, {"Location": f"/v1/jobs/{body['id']}"} if status == 202 else None)


@router.get(
    "/v1/drift",
    response_model=operation_bodies.DriftLines,
    responses=PAGE,
    openapi_extra={"parameters": [openapi.ONE_DATASET]},
)
@needs("read")
async def list_drift(request: Request) -> Response:
    """What the monitor last found; nothing for a dataset that it has not looked at."""
    wanted, runtime = dataset_query(request.scope["query_string"]), runtime_of(request)
    names = ("detector", "feature", "statistic", "threshold", "fired", "detail")
    lines = [
        {"dataset": served.name, **{name: getattr(row, name) for name in names}, "at": format_moment(row.at)}
        for served in datasets_of(request, runtime, wanted)
        for row in served.drift
    ]
    return json_with_etag(request, {"drift": lines})
