"""What shall run when: one schedule for each flow of a dataset, in the live store; house-keeping from the settings.

This is the truth. An orchestrator is told of it and may be wrong, late or gone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, Row, delete, insert, select

from data import clock
from data.errors import InvalidInput, NotFound
from data.records.timetable import Timetable, parse
from data.settings import Settings
from data.store import tables
from data.store.database import reading, writing

SCHEDULES_LOCK = 7_305_017
OF_DATASETS = ("ingest", "train", "backtest", "promote", "retrain", "batch-forecast")  # flows that work on one dataset
HOUSEKEEPING = ("canary", "jobs", "monitor", "compact", "backup", "prune")  # flows that serve all datasets at once
TABLE = tables.schedules


@dataclass(frozen=True)
class Schedule:
    """One flow, and when it runs. `dataset` is None for house-keeping."""

    flow: str
    timetable: Timetable
    dataset: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)  # besides the dataset
    set_at: int = 0  # microseconds since 1970 UTC; 0 where it comes from the settings

    @property
    def name(self) -> str:
        """Unlike that of every other schedule."""
        return self.flow if self.dataset is None else f"{self.flow}/{self.dataset}"

    def overdue(self, last_success: int | None, at: int) -> bool:
        """Has it not succeeded for too long? Nobody expects house-keeping where it never ran."""
        return self.missed_slot(last_success, at) is not None

    def missed_slot(self, last_success: int | None, at: int) -> int | None:
        """The slot that no success has answered for too long, if there is one."""
        since = max(self.set_at, last_success or 0)
        return self.timetable.after(since) if since > 0 and self.timetable.overdue(since, at) else None


def put(engine: Engine, schedule: Schedule) -> Schedule:
    """Store a dataset's schedule in place of the one that its flow had. Returns it with the moment it was set.

    Raises InvalidInput for a flow that does not exist, or that is not for one dataset.
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
    """Raises NotFound when there is none."""
    with writing(engine, SCHEDULES_LOCK) as connection:
        gone = connection.execute(delete(TABLE).filter_by(dataset=dataset, flow=flow)).rowcount
    if not gone:
        raise NotFound(f"{flow} of {dataset!r} has no schedule; `rollcast schedule list` shows those there are")


def of_datasets(engine: Engine) -> list[Schedule]:
    """What was asked for, by dataset and flow."""
    with reading(engine) as connection:
        return [_schedule(row) for row in connection.execute(select(TABLE).order_by(TABLE.c.dataset, TABLE.c.flow))]


def housekeeping(settings: Settings) -> list[Schedule]:
    """What runs by itself, backups where they have a folder. Raises InvalidInput for a setting that says no time."""
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
    """Datasets first, then house-keeping."""
    return [*of_datasets(engine), *housekeeping(settings)]


def _schedule(row: Row[Any]) -> Schedule:
    timetable = parse(row.timetable)
    assert timetable is not None  # noqa: S101
    return Schedule(row.flow, timetable, row.dataset, json.loads(row.parameters), row.set_at)
