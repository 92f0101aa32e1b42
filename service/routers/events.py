"""Server-sent events: which series changed, and the values of one series as they arrive.

A stream ends when the client goes or the service stops. It is no part of the durations of requests.
"""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import orjson
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from data.errors import StoreUnavailable
from data.store import observation_log
from data.store.series_patterns import Patterns
from service.base.request_limits import MAX_WATCHERS
from service.forecast.query_params import dataset_query
from service.http.auth import caller_of, needs, seen_by
from service.http.errors import FieldFault, ProblemError, not_available
from service.http.middleware import STREAM
from service.models.datasets import Served, Target
from service.routers.dependencies import datasets_of, runtime_of, target_of
from service.runtime import Runtime
from service.schemas import openapi

router = APIRouter(tags=["events"])

HEARTBEAT_S = 15.0
NAMED = 100  # ids in one notice
LAST = b"last-event-id"
CONTENT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


@router.get(
    "/v1/events",
    response_class=Response,
    responses={**CONTENT, **openapi.problem_responses(404, 422, 503)},
    openapi_extra={"parameters": [openapi.ONE_DATASET]},
)
@needs("read")
async def watch_datasets(request: Request) -> Response:
    """At most four notices a second for each dataset: its sequence, how many series changed, and up to 100 ids."""
    runtime = runtime_of(request)
    wanted = dataset_query(request.scope["query_string"])
    if wanted is not None:
        datasets_of(request, runtime, wanted)  # 404 where there is none
    return _stream(request, runtime, _notices(request, runtime, wanted))


@router.get(
    "/v1/series/{unique_id:path}/events",
    response_class=Response,
    responses={**CONTENT, **openapi.problem_responses(404, 409, 422, 503)},
    openapi_extra={"parameters": [openapi.UNIQUE_ID, openapi.DATASET, openapi.LAST_EVENT_ID]},
)
@needs("read")
async def watch_series(request: Request) -> Response:
    """Every value of one series as it arrives; after Last-Event-ID, a sequence, from there on."""
    runtime = runtime_of(request)
    target = target_of(request, runtime, dataset_query(request.scope["query_string"]))
    begin = _begin(request)
    if begin is None:
        begin = await run_in_threadpool(observation_log.last_seq, runtime.engine(), target.served.dataset.id)
    return _stream(request, runtime, _values(runtime, target, begin))


def _stream(request: Request, runtime: Runtime, events: AsyncIterator[bytes]) -> Response:
    if len(runtime.changes) >= MAX_WATCHERS:
        raise not_available("too_many_watchers", f"{MAX_WATCHERS} streams are open, which is the most.", retry_after=5)
    request.scope["state"][STREAM] = True
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


def _begin(request: Request) -> int | None:
    """The sequence after which the client wants values. Raises ProblemError (422) where it is none."""
    given = next((value for name, value in request.scope["headers"] if name == LAST), None)
    if given is None:
        return None
    if not given.isdigit() or len(given) > openapi.MAX_DIGITS - 1:
        fault = FieldFault("/header/last-event-id", "must be the id of an event, a whole number")
        raise ProblemError(422, "invalid_header", "Last-Event-ID must be the id of an event.", [fault])
    return int(given)


async def _notices(request: Request, runtime: Runtime, wanted: str | None) -> AsyncIterator[bytes]:
    reach = caller_of(request).series
    with runtime.changes.watching() as watcher:
        yield b": watching\n\n"
        while True:
            found = await watcher.changed(HEARTBEAT_S)
            if not found:
                yield b": alive\n\n"
            datasets = seen_by(request, runtime).datasets.values()
            for served in datasets:
                if served.dataset.id in found and wanted in (None, served.name):
                    yield _notice(runtime, served, found[served.dataset.id], reach)


def _notice(runtime: Runtime, served: Served, series: np.ndarray, reach: Patterns) -> bytes:
    """What changed of the series that the caller's key reaches; written once for all watchers that reach every one."""
    if not reach.unlimited:
        known = (served.name_of(number) for number in series.tolist())
        names = [name for name in known if name is not None and reach.reaches(served.name, name)]
        return _notice_of(served, len(names), names[:NAMED])
    written = runtime.notices.get(served.dataset.id)
    if written is None or written[0] is not series:
        names = [name for number in series[:NAMED].tolist() if (name := served.name_of(number)) is not None]
        written = series, _notice_of(served, len(series), names)
        runtime.notices[served.dataset.id] = written
    return written[1]


def _notice_of(served: Served, changed: int, names: list[str]) -> bytes:
    champion = served.champion
    sequence, version = (champion.seq, champion.version) if champion else (0, None)
    body = {"dataset": served.name, "sequence": sequence, "version": version, "changed": changed, "ids": names}
    return _event(sequence, body)


async def _values(runtime: Runtime, target: Target, sequence: int) -> AsyncIterator[bytes]:
    served, known = target.served, {"sequence": sequence}
    with runtime.changes.watching(frozenset((served.dataset.id,)), target.series) as watcher:
        yield _event(sequence, known)
        first = True
        while served.series.get(target.unique_id) == target.series:  # until it is deleted
            if not first and not await watcher.changed(HEARTBEAT_S):
                yield b": alive\n\n"
                continue
            first = False
            notice = runtime.changes.notices(served.dataset.id)
            try:
                events = await runtime.series_feed.after(runtime.engine(), target, sequence, notice)
            except StoreUnavailable:
                yield b": the store does not answer\n\n"
                continue
            for sequence, event in events:
                yield _event(sequence, event)


def _event(sequence: int, body: dict[str, Any]) -> bytes:
    return b"id: %d\ndata: %b\n\n" % (sequence, orjson.dumps(body))
