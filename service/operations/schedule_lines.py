"""Schedules as they are listed: when each is due, by how much it is overdue, and how its last run went.

When a schedule is due is noted by the process that starts flows, which can read timetables; while it does not run,
nothing is due.
"""

from typing import Any

from sqlalchemy import Engine

from data.grid.durations import MINUTE
from data.grid.stamps import format_moment
from data.records import runs, schedules
from data.records.schedules import NextRun
from data.store.series_patterns import Patterns
from service.operations.moments import moment_or_none
from service.operations.run_lines import run_line

ALIVE_WITHIN = 3 * MINUTE  # the worker notes something every minute


def listing(engine: Engine, reach: Patterns, dataset: str | None, at: int) -> dict[str, Any]:
    """The schedules of datasets, then, for a key to all series, those of the flows for all datasets.

    at: microseconds since 1970 UTC.
    """
    noted = {(run.flow, run.dataset): run for run in schedules.next_runs(engine)}
    stored = schedules.timetables(engine)
    everyone = {key: run.timetable for key, run in noted.items() if run.dataset is None and reach.unlimited}
    wanted = {key: text for key, text in {**stored, **everyone}.items() if _is_wanted(key[1], reach, dataset)}
    times, newest, ids = runs.last_success(engine), runs.newest(engine), runs.newest_successes(engine)
    seen_at = max((run.noted_at for run in noted.values()), default=None)
    lines = [
        {
            "flow": key[0],
            "dataset": key[1],
            "timetable": text,
            **_due(noted.get(key), times.get(key), at),
            "last_success": moment_or_none(times.get(key)),
            "last_run": run_line(newest[key], ids) if key in newest else None,
        }
        for key, text in sorted(wanted.items(), key=lambda item: (item[0][1] is None, item[0][1] or "", item[0][0]))
    ]
    alive = seen_at is not None and at - seen_at < ALIVE_WITHIN
    return {"schedules": lines, "worker": {"seen_at": moment_or_none(seen_at), "alive": alive}}


def _is_wanted(name: str | None, reach: Patterns, dataset: str | None) -> bool:
    if dataset is not None:
        return name == dataset
    return name is None or reach.reaches_into(name)


def _due(run: NextRun | None, last_success: int | None, at: int) -> dict[str, Any]:
    """When a schedule is due next, and since when it is overdue."""
    if run is None:
        return {"next_at": None, "overdue": False, "overdue_since": None}
    overdue = run.is_overdue(last_success, at)
    return {
        "next_at": format_moment(run.next_at),
        "overdue": overdue,
        "overdue_since": moment_or_none(run.overdue_at) if overdue else None,
    }
