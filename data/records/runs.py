"""The record of runs: one row for each run of a flow, however it was started.

A run writes a heartbeat every few seconds. A run without one, because it was killed or its machine went down, is
listed as lapsed; no process has to notice that when it happens. Alerts should watch the age of the last success.
"""

import json
import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Engine, Row, Select, and_, delete, exists, func, insert, or_, select, update

from data import clock
from data.errors import RollcastError, Unavailable, first_line
from data.store import tables
from data.store.database import reading, writing
from data.store.heartbeat import heartbeat

RUNS_LOCK = 7_305_011
LEASE_S = 60.0  # a run without a heartbeat for so long has lapsed
BEAT_S = 10.0  # between heartbeats

Outcome = Literal["running", "succeeded", "failed", "lapsed"]
TABLE = tables.runs
log = logging.getLogger(__name__)


class Run(NamedTuple):
    """One run of a flow; times in microseconds since 1970 UTC."""

    id: int  # in the order of their starts, even where the clock went back
    flow: str
    dataset: str | None
    slot: int | None  # the time it was scheduled for; None where a person started it
    started_at: int
    heartbeat_at: int
    ended_at: int | None
    outcome: Outcome
    detail: dict[str, Any]  # a small result; with "error", one sentence, where the run failed


@dataclass
class Recording:
    """A run that has begun; `detail` is stored when it ends."""

    id: int
    detail: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded(engine: Engine, flow: str, dataset: str | None = None, slot: int | None = None) -> Iterator[Recording]:
    """Record the block as one run: failed when it raises, succeeded when it ends.

    Raises StoreUnavailable when the run cannot be recorded. What the block raises passes through.
    """
    recording = Recording(_begin(engine, flow, dataset, slot))
    with heartbeat(f"run-{recording.id}", BEAT_S, lambda: _beat(engine, recording.id)):
        try:
            yield recording
        except BaseException as error:  # Polars reports damage with a class that is not an Exception
            with _log_unavailable():
                _end(engine, recording.id, "failed", {"error": sentence(error), **recording.detail})
            raise
        _end(engine, recording.id, "succeeded", recording.detail)


class WantedRuns(NamedTuple):
    """Which runs: of one flow, of some datasets (None among them: of all datasets), that ended so; None: all."""

    flow: str | None = None
    datasets: Collection[str | None] | None = None
    outcome: Outcome | None = None


def runs(engine: Engine, flow: str | None = None, dataset: str | None = None, limit: int = 50) -> list[Run]:
    """The latest runs, newest first; only of one flow or dataset where given."""
    return find(engine, WantedRuns(flow, None if dataset is None else (dataset,)), limit)


def find(engine: Engine, wanted: WantedRuns, limit: int, before: int | None = None) -> list[Run]:
    """The latest of these runs with an id below `before`, newest first."""
    query = select(TABLE).order_by(TABLE.c.id.desc()).limit(limit)
    query = query if before is None else query.where(TABLE.c.id < before)
    query = query if wanted.flow is None else query.where(TABLE.c.flow == wanted.flow)
    query = query if wanted.datasets is None else query.where(_is_one_of(wanted.datasets))
    query = query if wanted.outcome is None else query.where(*_ended_so(wanted.outcome))
    with reading(engine) as connection:
        return [_run(row) for row in connection.execute(query)]


def dataset_names(engine: Engine) -> list[str]:
    """The datasets of all runs; one that an ingest could not create is among them."""
    with reading(engine) as connection:
        return list(connection.scalars(select(TABLE.c.dataset).where(TABLE.c.dataset.is_not(None)).distinct()))


def newest(engine: Engine) -> dict[tuple[str, str | None], Run]:
    """The latest run of each flow and dataset."""
    ids = select(func.max(TABLE.c.id)).group_by(TABLE.c.flow, TABLE.c.dataset)
    with reading(engine) as connection:
        found = (_run(row) for row in connection.execute(select(TABLE).where(TABLE.c.id.in_(ids))))
        return {(run.flow, run.dataset): run for run in found}


def newest_successes(engine: Engine) -> dict[tuple[str, str | None], int]:
    """The id of the last successful run of each flow and dataset: failures before it are made up for."""
    query = select(TABLE.c.flow, TABLE.c.dataset, TABLE.c.id).where(TABLE.c.id.in_(_newest_successes()))
    with reading(engine) as connection:
        return {(row.flow, row.dataset): row.id for row in connection.execute(query)}


def last_success(engine: Engine) -> dict[tuple[str, str | None], int]:
    """The end of the last successful run, by flow and dataset, in microseconds since 1970 UTC."""
    query = select(TABLE.c.flow, TABLE.c.dataset, TABLE.c.ended_at).where(TABLE.c.id.in_(_newest_successes()))
    with reading(engine) as connection:
        return {(row.flow, row.dataset): row.ended_at for row in connection.execute(query)}


def is_slot_done(engine: Engine, flow: str, dataset: str | None, slot: int) -> bool:
    """Whether a scheduled run for `slot` or a later slot, or one that started after `slot`, has succeeded.

    So several missed slots need only one run, and no slot runs twice when the clock jumps or the scheduler repeats it.
    Runs that started in the future do not count; a clock that went back leaves such rows. Slots are compared as well
    as starts because Prefect may start a run a little early.
    """
    same = TABLE.c.dataset.is_(None) if dataset is None else TABLE.c.dataset == dataset
    done = (TABLE.c.outcome == "succeeded", TABLE.c.flow == flow, same, TABLE.c.started_at <= clock.now())
    since = or_(TABLE.c.slot >= slot, and_(TABLE.c.slot.is_not(None), TABLE.c.started_at >= slot))
    with reading(engine) as connection:
        return bool(connection.scalar(select(exists().where(*done, since))))


def prune(engine: Engine, before: int, dry_run: bool = False) -> int:
    """Delete, or only count, runs that ended before a moment; the last success of each flow stays. Returns how many."""
    ended = func.coalesce(TABLE.c.ended_at, TABLE.c.heartbeat_at)
    old = (ended < before, TABLE.c.id.not_in(_newest_successes()))
    if dry_run:
        with reading(engine) as connection:
            return int(connection.scalar(select(func.count()).select_from(TABLE).where(*old)) or 0)
    with writing(engine, RUNS_LOCK) as connection:
        return connection.execute(delete(TABLE).where(*old)).rowcount


def sentence(error: BaseException) -> str:
    """An error in one line; for an exception that is not ours with its class."""
    line = first_line(error, longest=500, empty="no message")
    return line if isinstance(error, RollcastError) else f"{type(error).__name__}: {line}"


def _is_one_of(datasets: Collection[str | None]) -> ColumnElement[bool]:
    named = TABLE.c.dataset.in_([name for name in datasets if name is not None])
    return or_(named, TABLE.c.dataset.is_(None)) if None in datasets else named


def _ended_so(outcome: Outcome) -> tuple[ColumnElement[bool], ...]:
    """A run that has lapsed is stored as running, see `_run`."""
    stored = TABLE.c.outcome == ("running" if outcome == "lapsed" else outcome)
    if outcome not in ("running", "lapsed"):
        return (stored,)
    silent = func.abs(clock.now() - TABLE.c.heartbeat_at) > int(LEASE_S * 1e6)
    return stored, silent if outcome == "lapsed" else ~silent


def _newest_successes() -> Select[tuple[int]]:
    """Ids of the last success of each flow and dataset, by the order of starts and not by the clock."""
    succeeded = select(func.max(TABLE.c.id)).where(TABLE.c.outcome == "succeeded")
    return succeeded.group_by(TABLE.c.flow, TABLE.c.dataset)


def _begin(engine: Engine, flow: str, dataset: str | None, slot: int | None) -> int:
    at = clock.now()
    row = {"flow": flow, "dataset": dataset, "slot": slot, "started_at": at, "heartbeat_at": at}
    with writing(engine, RUNS_LOCK) as connection:
        return int(
            connection.execute(
                insert(TABLE).values(**row, outcome="running", detail="{}").returning(TABLE.c.id)
            ).scalar_one()
        )


def _beat(engine: Engine, run_id: int) -> bool:
    """Write a heartbeat. Returns whether the run still has a row."""
    with writing(engine, RUNS_LOCK) as connection:
        return (
            connection.execute(update(TABLE).where(TABLE.c.id == run_id).values(heartbeat_at=clock.now())).rowcount > 0
        )


def _end(engine: Engine, run_id: int, outcome: Outcome, detail: dict[str, Any]) -> None:
    at = clock.now()
    values = {"heartbeat_at": at, "ended_at": at, "outcome": outcome, "detail": json.dumps(detail)}
    with writing(engine, RUNS_LOCK) as connection:
        connection.execute(update(TABLE).where(TABLE.c.id == run_id).values(values))


@contextmanager
def _log_unavailable() -> Iterator[None]:
    """Log a warning where the store is unavailable, so that the work goes on and its own error is raised."""
    try:
        yield
    except Unavailable as error:
        log.warning("a run could not be recorded: %s", error)


def _run(row: Row[Any]) -> Run:
    silent = abs(clock.now() - row.heartbeat_at) > LEASE_S * 1e6  # also where the clock went back since
    outcome: Outcome = "lapsed" if row.outcome == "running" and silent else row.outcome
    times = (row.slot, row.started_at, row.heartbeat_at, row.ended_at)
    return Run(row.id, row.flow, row.dataset, *times, outcome, json.loads(row.detail))
