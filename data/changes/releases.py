"""Releases of values from quarantine whose time is in the live log, by the pipelines and by the service alike.

A release is a new row of the log, which counts, and the mark of the value in the quarantine, in one transaction. Values
of a file lie in the lake: `pipelines.history.quarantine` looks there whether their time has another value by now.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from data import clock
from data.records import quarantine
from data.records.quarantine import QuarantinedValue
from data.store import observation_log
from data.store.observation_log import RELEASED, LoggedValue

Values = list[QuarantinedValue]


def held_in_log(engine: Engine, dataset_id: int, held: Sequence[QuarantinedValue]) -> tuple[Values, Values]:
    """Those whose time has no other value in the log, and those whose time is not in the log."""
    keys = [(value.series_id, value.ds) for value in held]
    current = observation_log.current(engine, dataset_id, keys)
    own = [value for key, value in zip(keys, held, strict=True) if key in current and current[key] in (None, value.y)]
    return own, [value for key, value in zip(keys, held, strict=True) if key not in current]


def store_released(
    engine: Engine, dataset_id: int, chosen: Sequence[QuarantinedValue], logged: Sequence[QuarantinedValue]
) -> None:
    """Add rows of the log that count, and mark the chosen values as released, in one transaction."""
    at = clock.now()
    rows = [LoggedValue(dataset_id, value.series_id, value.ds, value.y, at) for value in logged]

    def mark(connection: Connection, _seq: int) -> None:
        released = [(value.series_id, value.ds, value.y) for value in chosen]
        quarantine.release_live(connection, dataset_id, released, at)

    observation_log.append(engine, rows, mark, dict.fromkeys(range(len(rows)), RELEASED))
