"""Schedules: one for each flow of a dataset, in the live store; those of the flows for all datasets, in the settings.

These schedules decide what runs; Prefect gets a copy of them. The process that starts flows notes when each is due next
(`next_runs`), so that the service can tell without reading a timetable.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row, delete, insert, select

from data import clock
from data.errors import InvalidInput, NotFound
from data.grid.durations import MINUTE
from data.records.timetable import Timetable, parse
from data.settings import Settings
from data.store import tables
from data.store.database import reading, writing

SCHEDULES_LOCK = 7_305_017
OF_DATASETS = ("ingest", "train", "backtest", "promote", "retrain", "batch-forecast")  # flows for one dataset
HOUSEKEEPING = ("canary", "jobs", "monitor", "compact", "backup", "prune")  # flows for all datasets
TABLE, NEXT_RUNS = tables.schedules, tables.next_runs
NOTED_EVERY = MINUTE  # so that a reader sees whether the process that starts flows still runs


@dataclass(frozen=True)
class Schedule:
    """A flow, and when it runs. `dataset` is None for a flow for all datasets."""

    flow: str
    timetable: Timetable
    dataset: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # beside the dataset
    set_at: int = 0  # microseconds since 1970 UTC; 0 where it comes from the settings

    @property
    def name(self) -> str:
        """Unique name."""
        return self.flow if self.dataset is None else f"{self.flow}/{self.dataset}"

    def overdue(self, last_success: int | None, at: int) -> bool:
        """Whether its last success is too long ago. A flow for all datasets that never succeeded is not overdue."""
        return self.missed_slot(last_success, at) is not None

    def missed_slot(self, last_success: int | None, at: int) -> int | None:
        """The slot that has had no success for too long, if there is one."""
        run = self.next_run(last_success, at)
        return run.due_at if run.is_overdue(last_success, at) else None

    def next_run(self, last_success: int | None, at: int) -> "NextRun":
        """When it is due after a time, and the first slot since its last success."""
        since = max(self.set_at, last_success or 0)
        due_at = self.timetable.after(since) if since > 0 else None
        overdue_at = None if due_at is None else self.timetable.overdue_at(due_at)
        return NextRun(self.flow, self.dataset, str(self.timetable), self.timetable.after(at), due_at, overdue_at, at)


class NextRun(NamedTuple):
    """When a schedule is due, as it was at `noted_at`; times in microseconds since 1970 UTC."""

    flow: str
    dataset: str | None
    timetable: str
    next_at: int
    due_at: int | None  # the first slot after the last success; None where it never succeeded and need not have
    overdue_at: int | None  # after which that slot is overdue
    noted_at: int

    def is_overdue(self, last_success: int | None, at: int) -> bool:
        """Is the slot overdue, and did no run succeed since it was due?"""
        if self.due_at is None or self.overdue_at is None or self.overdue_at >= at:
            return False
        return last_success is None or last_success < self.due_at


def put(engine: Engine, schedule: Schedule) -> Schedule:
    """Store a dataset's schedule, which replaces that of the same flow. Returns it with the time it was set.

    Raises InvalidInput for an unknown flow, or one that serves all datasets.
    """
    if schedule.flow in HOUSEKEEPING:
        raise InvalidInput(f"{schedule.flow} serves all datasets; ROLLCAST_{schedule.flow.upper()}_SCHEDULE says when")
    if schedule.flow not in OF_DATASETS:
        raise InvalidInput(f"there is no flow {schedule.flow!r} to schedule; choose one of {', '.join(OF_DATASETS)}")
    kept = replace(schedule, set_at=clock.now())
    values = {"timetable": str(kept.timetable), "parameters": json.dumps(dict(kept.parameters)), "set_at": kept.set_at}
    own = {"dataset": schedule.dataset, "flow": schedule.flow}
    with writing(engine, SCHEDULES_LOCK) as connection:
        connection.execute(delete(TABLE).filter_by(**own))
        connection.execute(insert(TABLE).values(**own, **values))
    return kept


def remove(engine: Engine, dataset: str, flow: str) -> None:
    """Delete a schedule. Raises NotFound when there is none."""
    with writing(engine, SCHEDULES_LOCK) as connection:
        deleted = connection.execute(delete(TABLE).filter_by(dataset=dataset, flow=flow)).rowcount
    if not deleted:
        raise NotFound(f"{flow} of {dataset!r} has no schedule; `rollcast schedule list` lists the schedules")


def of_datasets(engine: Engine) -> list[Schedule]:
    """The schedules of datasets, by dataset and flow."""
    with reading(engine) as connection:
        return [_schedule(row) for row in connection.execute(select(TABLE).order_by(TABLE.c.dataset, TABLE.c.flow))]


def housekeeping(settings: Settings) -> list[Schedule]:
    """The schedules in the settings; that of backups only with a folder. Raises InvalidInput for a wrong one."""
    found = []
    for flow in HOUSEKEEPING:
        if flow == "backup" and settings.backup_path is None:
            continue
        name = f"{flow}_schedule"
        try:
            timetable = parse(getattr(settings, name))
        except InvalidInput as error:
            raise InvalidInput(str(error), source=f"ROLLCAST_{name.upper()}") from None
        if timetable is not None:
            found.append(Schedule(flow, timetable))
    return found


def all_schedules(engine: Engine, settings: Settings) -> list[Schedule]:
    """The schedules of datasets, then those in the settings."""
    return [*of_datasets(engine), *housekeeping(settings)]


def next_runs(engine: Engine) -> list[NextRun]:
    """When each schedule was due when the process that starts flows noted it last, by flow and dataset."""
    with reading(engine) as connection:
        rows = connection.execute(select(NEXT_RUNS).order_by(NEXT_RUNS.c.flow, NEXT_RUNS.c.dataset))
        return [NextRun(**{**row._mapping, "dataset": row.dataset or None}) for row in rows]


def note_next_runs(engine: Engine, found: Sequence[NextRun]) -> None:
    """Replace the notes where one has changed, or the last ones are older than `NOTED_EVERY`."""
    known = {(run.flow, run.dataset): run for run in next_runs(engine)}
    wanted = {(run.flow, run.dataset): run for run in found}
    same = known.keys() == wanted.keys()
    if same and all(run.noted_at - known[key].noted_at < NOTED_EVERY for key, run in wanted.items()):
        if all(run._replace(noted_at=0) == known[key]._replace(noted_at=0) for key, run in wanted.items()):
            return
    with writing(engine, SCHEDULES_LOCK) as connection:
        connection.execute(delete(NEXT_RUNS))
        if found:
            connection.execute(insert(NEXT_RUNS), [{**run._asdict(), "dataset": run.dataset or ""} for run in found])


def timetables(engine: Engine) -> dict[tuple[str, str | None], str]:
    """The timetables of datasets as text, by flow and dataset."""
    with reading(engine) as connection:
        rows = connection.execute(select(TABLE.c.flow, TABLE.c.dataset, TABLE.c.timetable))
        return {(row.flow, row.dataset): row.timetable for row in rows}


def _schedule(row: Row[Any]) -> Schedule:
    timetable = parse(row.timetable)
    assert timetable is not None  # noqa: S101
    return Schedule(row.flow, timetable, row.dataset, json.loads(row.parameters), row.set_at)
