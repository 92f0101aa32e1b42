"""Deletions: rows, series and datasets that a pipeline process is to delete. The service only stores the request.

The history is in the lake, which the service never touches. A process of the pipelines runs the request, and the
service follows what that process did to the live store (`service/background/deletions.py`).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from data.changes import deletions
from data.changes.deletions import DeletionRecord, Kind
from data.errors import NotFound
from data.grid.stamps import format_ds, format_moment
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from data.store.series_patterns import Patterns
from service.forecast.query_params import DeletionQuery, deletion_query, deletions_query
from service.http.auth import caller_of, needs
from service.http.errors import FieldFault, ProblemError, unknown_dataset, unprocessable
from service.models.datasets import Served, Target
from service.routers.dependencies import datasets_of, json_response, runtime_of, target_of, time_of
from service.schemas import deletion_bodies, openapi

router = APIRouter(tags=["deletions"])

NOTE = "Rows of the history in the lake are counted when the deletion runs."
DRY_RUN: dict[int | str, dict[str, Any]] = {
    200: {"model": deletion_bodies.DryRun, "description": "With `dry_run=true`: what would be deleted"}
}


class Wanted(NamedTuple):
    """What a request asks to delete."""

    dataset: Dataset
    kind: Kind
    target: Target | None = None  # the one series; None: all of the dataset
    first: int | None = None  # ds
    last: int | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """As `deletions` stores it."""
        if self.target is None:
            return {}
        series = {"series": [self.target.unique_id]}
        return {**series, "first": self.first, "last": self.last} if self.kind == "rows" else series


@router.delete(
    "/v1/datasets/{name}",
    status_code=202,
    response_model=deletion_bodies.Deletion,
    responses={**DRY_RUN, **openapi.problem_responses(404, 422, 503)},
    openapi_extra={"parameters": [openapi.NAME, openapi.DRY_RUN]},
)
@needs("admin")
async def delete_dataset(request: Request) -> Response:
    """Ask for the deletion of a dataset with all that belongs to it. The key must reach every series of it."""
    query = deletion_query(request.scope["query_string"], ("dry_run",))
    name, reach = request.path_params["name"], caller_of(request).series
    runtime = runtime_of(request)
    try:
        served: Served = datasets_of(request, runtime, name)[0]
    except ProblemError:
        raise unknown_dataset("/path/name") from None
    if not reach.covers(name):
        raise ProblemError(403, "limited_key", "This deletes every series of the dataset; the key reaches a part.")
    return await _answer(runtime.engine(), Wanted(served.dataset, "dataset"), query)


@router.delete(
    "/v1/series/{unique_id:path}/observations",
    status_code=202,
    response_model=deletion_bodies.Deletion,
    responses={**DRY_RUN, **openapi.problem_responses(404, 409, 422, 503)},
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.FROM, openapi.TO, openapi.DATASET, openapi.DRY_RUN]},
)
@needs("admin")
async def delete_observations(request: Request) -> Response:
    """Ask for the deletion of the rows of a series from one time to another, both included. The series stays."""
    query = deletion_query(request.scope["query_string"], ("from", "to", "dataset", "dry_run"))
    target, engine = _own_target(request, query.dataset), runtime_of(request).engine()
    if query.first is None and query.last is None:
        both = "is needed, or to; DELETE without /observations deletes the whole series"
        raise unprocessable("invalid_query", [FieldFault("/query/from", both)])
    dataset = target.served.dataset
    first, last = time_of("from", query.first, dataset), time_of("to", query.last, dataset)
    if first is not None and last is not None and first > last:
        raise unprocessable("invalid_query", [FieldFault("/query/to", "must not be before from")])
    return await _answer(engine, Wanted(dataset, "rows", target, first, last), query)


@router.delete(
    "/v1/series/{unique_id:path}",
    status_code=202,
    response_model=deletion_bodies.Deletion,
    responses={**DRY_RUN, **openapi.problem_responses(404, 409, 422, 503)},
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.DATASET, openapi.DRY_RUN]},
)
@needs("admin")
async def delete_series(request: Request) -> Response:
    """Ask for the deletion of a series with all its rows. A later series of the same id is another one."""
    query = deletion_query(request.scope["query_string"], ("dataset", "dry_run"))
    target, engine = _own_target(request, query.dataset), runtime_of(request).engine()
    return await _answer(engine, Wanted(target.served.dataset, "series", target), query)


@router.get(
    "/v1/deletions",
    response_model=deletion_bodies.Deletions,
    responses=openapi.problem_responses(404, 422, 503),
    openapi_extra={"parameters": [openapi.DELETIONS_LIMIT, openapi.AFTER, openapi.ONE_DATASET]},
)
@needs("admin")
async def list_deletions(request: Request) -> Response:
    """A page of the deletions that were asked for, oldest first: those of series that the key reaches."""
    query, runtime, reach = (
        deletions_query(request.scope["query_string"]),
        runtime_of(request),
        caller_of(request).series,
    )
    dataset = datasets_of(request, runtime, query.dataset)[0].dataset.id if query.dataset is not None else None
    return json_response(await run_in_threadpool(_page, runtime.engine(), reach, dataset, query.after, query.limit))


@router.get(
    "/v1/deletions/{id}",
    response_model=deletion_bodies.Deletion,
    responses=openapi.problem_responses(404, 503),
    openapi_extra={"parameters": [openapi.DELETION_ID]},
)
@needs("admin")
async def read_deletion(request: Request) -> Response:
    """One deletion: whether it is done, what it deleted, and what stays where."""
    runtime, reach, number = runtime_of(request), caller_of(request).series, request.path_params["id"]
    known = number.isascii() and number.isdigit() and len(number) < openapi.MAX_DIGITS
    lines = await run_in_threadpool(_find, runtime.engine(), reach, int(number)) if known else []
    if not lines:
        fault = FieldFault("/path/id", "is not a deletion")
        raise ProblemError(404, "unknown_deletion", "There is no such deletion; GET /v1/deletions lists them.", [fault])
    return json_response(lines[0])


def _own_target(request: Request, dataset: str | None) -> Target:
    """The series in the path. Raises ProblemError: 403 where the key may not write it; 404, 409 as `target_of` does."""
    caller_of(request).require_series(request.path_params["unique_id"], dataset)
    return target_of(request, runtime_of(request), dataset)


async def _answer(engine: Engine, wanted: Wanted, query: DeletionQuery) -> Response:
    """Store the request, or only say what it would delete."""
    if query.dry_run:
        return json_response(await run_in_threadpool(_dry_run, engine, wanted))
    deletion = await run_in_threadpool(deletions.ask, engine, wanted.dataset.id, wanted.kind, wanted.asked)
    return json_response(_line(wanted.dataset, deletion), 202, {"Location": f"/v1/deletions/{deletion.id}"})


def _dry_run(engine: Engine, wanted: Wanted) -> dict[str, Any]:
    series = wanted.target.series if wanted.target else None
    rows = observation_log.count_of(engine, wanted.dataset.id, series, wanted.first, wanted.last)
    count = 1 if wanted.target else catalogue.count_series(engine, wanted.dataset.id)
    found = {"series": count, "log_rows": rows}
    return {**_deleted(wanted.dataset, wanted.kind, wanted.asked), "found": found, "note": NOTE}


def _page(engine: Engine, reach: Patterns, dataset: int | None, after: int, limit: int) -> dict[str, Any]:
    """One page; deletions that the key does not reach are left out, so that a page may be shorter than `limit`."""
    found = deletions.deletions(engine, dataset, after=after, limit=limit + 1)
    more = len(found) > limit
    return {"deletions": _lines(engine, reach, found[:limit]), "next": found[limit - 1].id if more else None}


def _find(engine: Engine, reach: Patterns, number: int) -> list[dict[str, Any]]:
    """The deletion of this number; none where there is none, or the key does not reach what it deletes."""
    try:
        return _lines(engine, reach, [deletions.find(engine, number)])
    except NotFound:
        return []


def _lines(engine: Engine, reach: Patterns, found: list[DeletionRecord]) -> list[dict[str, Any]]:
    datasets = {number: catalogue.dataset_of(engine, number) for number in {deletion.dataset_id for deletion in found}}
    pairs = [(dataset, one) for one in found if (dataset := datasets[one.dataset_id]) is not None]
    return [_line(dataset, one) for dataset, one in pairs if _is_reached(reach, dataset, one)]


def _is_reached(reach: Patterns, dataset: Dataset, deletion: DeletionRecord) -> bool:
    """Does a key reach everything that is deleted?"""
    name, series = catalogue.name_before(dataset.name), deletion.asked.get("series")
    return reach.covers(name) or (bool(series) and all(reach.reaches(name, unique_id) for unique_id in series or ()))


def _line(dataset: Dataset, deletion: DeletionRecord) -> dict[str, Any]:
    """One deletion as answers show it."""
    moments = {name: getattr(deletion, name) for name in ("asked_at", "started_at", "ended_at")}
    return {
        "id": deletion.id,
        **_deleted(dataset, deletion.kind, deletion.asked),
        "ingest": deletion.asked.get("ingest"),
        "state": deletion.state,
        "applied": deletion.applied is not None,
        **{name: None if at is None else format_moment(at) for name, at in moments.items()},
        "deleted": deletion.detail.get("deleted", {}),
        "stays": deletion.detail.get("stays", []),
        "error": deletion.detail.get("error"),
    }


def _deleted(dataset: Dataset, kind: Kind, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a deletion deletes."""
    ends = {name: asked.get(name) for name in ("first", "last")}
    return {
        "dataset": catalogue.name_before(dataset.name),
        "kind": kind,
        "series": asked.get("series"),
        **{name: None if ds is None else format_ds(ds, dataset.kind) for name, ds in ends.items()},
    }
