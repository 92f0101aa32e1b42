"""Series of a dataset grouped by the parts of their ids."""

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from service.forecast.query_params import prefix_query
from service.http.auth import needs, seen_by
from service.http.errors import unknown_dataset
from service.models import groups
from service.routers.dependencies import json_response, runtime_of
from service.schemas import openapi, series_bodies

router = APIRouter(tags=["series"])


@router.get(
    "/v1/datasets/{name}/groups",
    response_model=series_bodies.SeriesGroups,
    responses=openapi.problem_responses(404, 422, 503),
    openapi_extra={"parameters": [openapi.NAME, openapi.PREFIX]},
)
@needs("read")
async def list_groups(request: Request) -> Response:
    """The groups of a dataset's series, those with the worst trouble first."""
    runtime = runtime_of(request)
    prefix, directory = prefix_query(request.scope["query_string"]), seen_by(request, runtime)
    served = directory.datasets.get(request.path_params["name"])
    if served is None:
        raise unknown_dataset("/path/name")
    grouping = await run_in_threadpool(runtime.groups.of, directory, served.name, prefix)
    found = await run_in_threadpool(groups.lines, served, grouping)
    return json_response({"dataset": served.name, "prefix": prefix, "groups": found})
