"""The queue of trainings: at most one open job for each dataset, and how each job ended.

A job is queued, then running, and then succeeded, failed, refused (by the promotion gate) or cancelled. A worker holds
the lease `WORKER` while it runs jobs. So a job that the next holder finds running belongs to a worker that was killed;
it is queued again, once. Jobs of the monitor are limited by a cool-down and a daily budget; jobs of a person are not.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from data import clock
from data.errors import Conflict, NotFound
from data.grid.durations import DAY, HOUR
from data.store import identities, tables
from data.store.database import reading, writing

JOBS_LOCK = 7_305_015
WORKER = "retrain"  # the name of the lease under which jobs are run
ATTEMPTS = 2  # of a job whose worker is killed, so that a training that runs out of memory is not repeated endlessly

Cause = Literal["hand", "schedule", "drift", "coverage", "volume"]
State = Literal["queued", "running", "succeeded", "failed", "refused", "cancelled"]
OPEN: tuple[State, ...] = ("queued", "running")
TABLE = tables.jobs


class Job(NamedTuple):
    """One training; times in microseconds since 1970 UTC."""

    id: int
    dataset_id: int
    cause: Cause
    state: State
    detail: str  # why it was queued, then how it ended: one sentence
    asked_at: int
    started_at: int | None
    ended_at: int | None
    attempts: int
    version: int | None  # the version that it registered


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
    """Queue a training, unless the dataset has an open job or, where a budget is given, the budget is used up."""
    at = clock.now()
    with writing(engine, JOBS_LOCK) as connection:
        open_job = connection.execute(
            select(TABLE).where(TABLE.c.dataset_id == dataset_id, TABLE.c.state.in_(OPEN))
        ).first()
        if open_job is not None:
            return JobAnswer(_job(open_job), False, f"job {open_job.id} is {open_job.state} already")
        denied = _refusal(connection, dataset_id, budget, at) if budget else None
        if denied:
            return JobAnswer(None, False, denied)
        row: dict[str, Any] = {
            "dataset_id": dataset_id,
            "cause": cause,
            "state": "queued",
            "detail": detail,
            "asked_at": at,
        }
        row["id"] = identities.next_id(connection, TABLE.c.id)
        new = connection.execute(insert(TABLE).values(**row, attempts=0).returning(TABLE)).one()
        return JobAnswer(_job(new), True, f"job {new.id} is queued")


def _refusal(connection: Connection, dataset_id: int, budget: TrainingBudget, at: int) -> str | None:
    """Why the budget allows no job now; None where it does. Cancelled jobs do not count."""
    counted = TABLE.c.state != "cancelled"
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
    query = select(TABLE).order_by(TABLE.c.id.desc()).limit(limit)
    if dataset_id is not None:
        query = query.where(TABLE.c.dataset_id == dataset_id)
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
    """Queue the jobs of killed workers again, then start the oldest queued job. Only for the holder of `WORKER`."""
    with writing(engine, JOBS_LOCK) as connection:
        for row in connection.execute(select(TABLE).where(TABLE.c.state == "running")).all():
            _requeue_or_fail(connection, _job(row))
        first = connection.execute(select(TABLE).where(TABLE.c.state == "queued").order_by(TABLE.c.id).limit(1)).first()
        if first is None:
            return None
        _update_job(
            connection, first.id, ("queued",), state="running", started_at=clock.now(), attempts=first.attempts + 1
        )
        return _job(connection.execute(select(TABLE).where(TABLE.c.id == first.id)).one())


def end(engine: Engine, number: int, state: State, detail: str, version: int | None = None) -> None:
    """Record how a running job ended."""
    with writing(engine, JOBS_LOCK) as connection:
        _update_job(connection, number, ("running",), state=state, detail=detail, version=version, ended_at=clock.now())


def _requeue_or_fail(connection: Connection, lost: Job) -> None:
    if lost.attempts < ATTEMPTS:
        _update_job(connection, lost.id, ("running",), state="queued")
    else:
        reason = f"its worker was killed {lost.attempts} times; find out what kills it, then queue the training again"
        _update_job(connection, lost.id, ("running",), state="failed", detail=reason, ended_at=clock.now())


def _update_job(connection: Connection, number: int, states: Sequence[State], **values: object) -> None:
    connection.execute(update(TABLE).where(TABLE.c.id == number, TABLE.c.state.in_(states)).values(**values))


def _job(row: Row[tuple[object, ...]]) -> Job:
    return Job(**row._mapping)
