"""The queue of jobs: trainings, and promotions and releases that were asked for over HTTP, and how each job ended.

A dataset has at most one open training, and one open promotion; the same release is queued once. Trainings wait for
the others, which take seconds.

A job is queued, then running, and then succeeded, failed, refused (by the promotion gate) or cancelled. A worker holds
the lease `WORKER` while it runs jobs. So a job that the next holder finds running belongs to a worker that was killed;
it is queued again, once. Jobs of the monitor are limited by a cool-down and a daily budget; jobs of a person are not.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, Row, and_, func, insert, select, update

from data import clock
from data.errors import Conflict, NotFound
from data.grid.durations import DAY, HOUR
from data.store import identities, tables
from data.store.database import reading, writing

JOBS_LOCK = 7_305_015
WORKER = "retrain"  # the name of the lease under which jobs are run
ATTEMPTS = 2  # of a job whose worker is killed, so that a training that runs out of memory is not repeated endlessly

Cause = Literal["hand", "schedule", "drift", "coverage", "volume"]
Kind = Literal["train", "promote", "release"]
State = Literal["queued", "running", "succeeded", "failed", "refused", "cancelled"]
OPEN: tuple[State, ...] = ("queued", "running")
TABLE = tables.jobs


class Job(NamedTuple):
    """One job; times in microseconds since 1970 UTC."""

    id: int
    dataset_id: int
    cause: Cause
    state: State
    detail: str  # why it was queued, then how it ended: one sentence
    asked_at: int
    started_at: int | None
    ended_at: int | None
    attempts: int
    version: int | None  # the version that it registered, or is to promote
    kind: Kind = "train"
    asked: Mapping[str, Any] = {}  # who asked for it over HTTP (`by`), and of a release the `ids` of the values


class TrainingBudget(NamedTuple):
    """Limits of jobs that no person asked for: least hours between two of a dataset, most a day of all datasets."""

    cooldown_h: float
    daily: int


class JobAnswer(NamedTuple):
    """The job of a dataset, new or already open; without one, `message` says why."""

    job: Job | None
    new: bool
    message: str


def ask(engine: Engine, dataset_id: int, cause: Cause, detail: str, budget: TrainingBudget | None = None) -> JobAnswer:
    """Queue a training, unless the dataset has an open one or, where a budget is given, the budget is used up."""
    at = clock.now()
    with writing(engine, JOBS_LOCK) as connection:
        if found := _open(connection, dataset_id, "train"):
            return _already(found[0])
        denied = _refusal(connection, dataset_id, budget, at) if budget else None
        if denied:
            return JobAnswer(None, False, denied)
        return _queue(connection, {"dataset_id": dataset_id, "cause": cause, "detail": detail, "asked_at": at})


def ask_promotion(engine: Engine, dataset_id: int, version: int, detail: str, asked: Mapping[str, Any]) -> JobAnswer:
    """Queue the promotion of a version, unless the dataset has an open promotion. That may be of another version."""
    row = {"dataset_id": dataset_id, "cause": "hand", "detail": detail, "version": version, "asked_at": clock.now()}
    with writing(engine, JOBS_LOCK) as connection:
        if found := _open(connection, dataset_id, "promote"):
            return _already(found[0])
        return _queue(connection, {**row, "kind": "promote", "asked": json.dumps(asked)})


def ask_release(engine: Engine, dataset_id: int, detail: str, asked: Mapping[str, Any]) -> JobAnswer:
    """Queue the release of values from quarantine, unless the same one is open."""
    row = {"dataset_id": dataset_id, "cause": "hand", "detail": detail, "asked_at": clock.now()}
    with writing(engine, JOBS_LOCK) as connection:
        for job in _open(connection, dataset_id, "release"):
            if job.asked.get("ids") == asked["ids"]:
                return _already(job)
        return _queue(connection, {**row, "kind": "release", "asked": json.dumps(asked)})


def _open(connection: Connection, dataset_id: int, kind: Kind) -> list[Job]:
    """The open jobs of a dataset."""
    own = (TABLE.c.dataset_id == dataset_id, TABLE.c.kind == kind, TABLE.c.state.in_(OPEN))
    return [_job(row) for row in connection.execute(select(TABLE).where(*own).order_by(TABLE.c.id))]


def _already(job: Job) -> JobAnswer:
    return JobAnswer(job, False, f"job {job.id} is {job.state} already")


def _queue(connection: Connection, row: Mapping[str, Any]) -> JobAnswer:
    values = {**row, "id": identities.next_id(connection, TABLE.c.id), "state": "queued", "attempts": 0}
    new = _job(connection.execute(insert(TABLE).values(values).returning(TABLE)).one())
    return JobAnswer(new, True, f"job {new.id} is queued")


def _refusal(connection: Connection, dataset_id: int, budget: TrainingBudget, at: int) -> str | None:
    """Why the budget allows no job now; None where it does. Cancelled jobs do not count."""
    counted = and_(TABLE.c.state != "cancelled", TABLE.c.kind == "train")
    last = connection.scalar(select(func.max(TABLE.c.asked_at)).where(TABLE.c.dataset_id == dataset_id, counted))
    if last is not None and at - last < budget.cooldown_h * HOUR:
        hours = budget.cooldown_h - (at - last) / HOUR
        return f"the cool-down is not over: the last training was queued recently, the next may be in {hours:.1f} hours"
    spent = connection.scalar(select(func.count()).where(TABLE.c.asked_at > at - DAY, counted)) or 0
    if spent >= budget.daily:
        return f"the budget is spent: {spent} trainings were queued within a day, {budget.daily} are allowed"
    return None


def jobs(engine: Engine, dataset_id: int | None = None, limit: int = 50) -> list[Job]:
    """The latest jobs of one dataset or of all, newest first."""
    return jobs_of(engine, None if dataset_id is None else [dataset_id], limit)


def jobs_of(engine: Engine, datasets: Collection[int] | None, limit: int, before: int | None = None) -> list[Job]:
    """The latest jobs of some datasets, or of all, with an id below `before`, newest first."""
    query = select(TABLE).order_by(TABLE.c.id.desc()).limit(limit)
    query = query if datasets is None else query.where(TABLE.c.dataset_id.in_(datasets))
    query = query if before is None else query.where(TABLE.c.id < before)
    with reading(engine) as connection:
        return [_job(row) for row in connection.execute(query)]


def job(engine: Engine, number: int) -> Job:
    """The job of this number. Raises NotFound."""
    with reading(engine) as connection:
        row = connection.execute(select(TABLE).where(TABLE.c.id == number)).first()
    if row is None:
        raise NotFound(f"there is no job {number}; `rollcast jobs list` shows them")
    return _job(row)


def cancel(engine: Engine, number: int) -> Job:
    """Cancel a queued job. Raises NotFound, or Conflict where it is not queued."""
    with writing(engine, JOBS_LOCK) as connection:
        _update_job(connection, number, ("queued",), state="cancelled", ended_at=clock.now())
    found = job(engine, number)
    if found.state != "cancelled":
        raise Conflict(f"job {number} is {found.state}; only a queued one can be cancelled")
    return found


def take(engine: Engine) -> Job | None:
    """Queue the jobs of killed workers again, then start the next one. Only for the holder of `WORKER`."""
    with writing(engine, JOBS_LOCK) as connection:
        for row in connection.execute(select(TABLE).where(TABLE.c.state == "running")).all():
            _requeue_or_fail(connection, _job(row))
        waiting = select(TABLE).where(TABLE.c.state == "queued").order_by(TABLE.c.kind == "train", TABLE.c.id)
        first = connection.execute(waiting.limit(1)).first()
        if first is None:
            return None
        _update_job(
            connection, first.id, ("queued",), state="running", started_at=clock.now(), attempts=first.attempts + 1
        )
        return _job(connection.execute(select(TABLE).where(TABLE.c.id == first.id)).one())


def end(engine: Engine, number: int, state: State, detail: str, version: int | None = None) -> None:
    """Record how a running job ended, and the version that it registered."""
    values = {"state": state, "detail": detail, "ended_at": clock.now()} | ({"version": version} if version else {})
    with writing(engine, JOBS_LOCK) as connection:
        _update_job(connection, number, ("running",), **values)


def _requeue_or_fail(connection: Connection, lost: Job) -> None:
    if lost.attempts < ATTEMPTS:
        _update_job(connection, lost.id, ("running",), state="queued")
    else:
        reason = f"its worker was killed {lost.attempts} times; find out what kills it, then ask for it again"
        _update_job(connection, lost.id, ("running",), state="failed", detail=reason, ended_at=clock.now())


def _update_job(connection: Connection, number: int, states: Sequence[State], **values: object) -> None:
    connection.execute(update(TABLE).where(TABLE.c.id == number, TABLE.c.state.in_(states)).values(**values))


def _job(row: Row[Any]) -> Job:
    asked = json.loads(row.asked) if row.asked else {}
    return Job(**{**row._mapping, "asked": asked})
