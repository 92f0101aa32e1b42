"""Runs and jobs as they are listed: those of datasets that the caller reaches.

A run of a flow for all datasets, which has no dataset, is shown to keys for all series alone: it may tell of any.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from data.grid.stamps import format_moment
from data.records import jobs, runs
from data.records.jobs import Job
from data.records.runs import Run, WantedRuns
from data.store.series_patterns import Patterns
from service.forecast.query_params import NewestQuery, RunsQuery
from service.models.datasets import Served
from service.operations.moments import moment_or_none

PATHS = ("report", "out", "source")  # of a run's detail: places on the machine that ran it
Ids = Mapping[tuple[str, str | None], int]


def runs_page(engine: Engine, reach: Patterns, query: RunsQuery) -> dict[str, Any]:
    """A page of runs, newest first."""
    wanted = WantedRuns(query.flow, _datasets(engine, reach, query.dataset), query.outcome)
    found = runs.find(engine, wanted, query.limit + 1, query.before)
    successes = runs.newest_successes(engine)
    return _page("runs", [run_line(run, successes) for run in found], query.limit)


def run_line(run: Run, successes: Ids) -> dict[str, Any]:
    """One run. successes: the id of the last success of each flow and dataset."""
    recovered = run.outcome in ("failed", "lapsed") and successes.get((run.flow, run.dataset), 0) > run.id
    return {
        "id": run.id,
        "flow": run.flow,
        "dataset": run.dataset,
        "scheduled_for": moment_or_none(run.slot),
        "started_at": format_moment(run.started_at),
        "ended_at": moment_or_none(run.ended_at),
        "seconds": round(((run.ended_at or run.heartbeat_at) - run.started_at) / 1e6, 1),
        "outcome": run.outcome,
        "recovered": recovered,
        "detail": {name: value for name, value in run.detail.items() if name not in PATHS},
    }


def jobs_page(engine: Engine, datasets: Sequence[Served], query: NewestQuery) -> dict[str, Any]:
    """A page of the jobs of some datasets, newest first."""
    names = {served.dataset.id: served.name for served in datasets}
    found = jobs.jobs_of(engine, names.keys(), query.limit + 1, query.before)
    return _page("jobs", [job_line(job, names[job.dataset_id]) for job in found], query.limit)


def job_line(job: Job, dataset: str) -> dict[str, Any]:
    """One job as answers show it."""
    moments = {name: moment_or_none(getattr(job, name)) for name in ("asked_at", "started_at", "ended_at")}
    told = {name: getattr(job, name) for name in ("kind", "cause", "state", "detail", "version", "attempts")}
    return {"id": job.id, "dataset": dataset, **told, "by": job.asked.get("by"), **moments}


def _datasets(engine: Engine, reach: Patterns, dataset: str | None) -> list[str | None] | None:
    """Of which datasets runs are listed; None: of all."""
    if dataset is not None:
        return [dataset]
    return None if reach.unlimited else [name for name in runs.dataset_names(engine) if reach.reaches_into(name)]


def _page(name: str, lines: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """The first `limit` lines of one more, and where the next page begins."""
    return {name: lines[:limit], "next": lines[limit - 1]["id"] if len(lines) > limit else None}
