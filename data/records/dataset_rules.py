"""The quality rules that were set for a dataset. What each rule means is in `data/quality/quality_rules.py`."""

import json
import math
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, Engine, Select, delete, insert, select

from data import clock
from data.errors import InvalidInput
from data.store import tables
from data.store.database import joining, reading

RULES_LOCK = 7_305_021
SPIKE = 100.0  # times the reach of the series
ACCEPT_AFTER = 8  # held values in a row that are let in where they agree


@dataclass(frozen=True)
class QualityRules:
    """The limits of a dataset, in its unit; None is no limit."""

    low: float | None = None
    high: float | None = None
    max_jump: float | None = None
    max_stale: int | None = None  # equal values in a row
    unit: str | None = None
    spike: float | None = SPIKE
    accept_after: int = ACCEPT_AFTER  # spikes or jumps in a row that agree with each other count; 0: never

    def __post_init__(self) -> None:
        numbers = [value for value in (self.low, self.high, self.max_jump, self.spike) if value is not None]
        if not all(map(math.isfinite, numbers)):
            raise InvalidInput("a limit of a quality rule must be a finite number")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InvalidInput(f"--min {self.low} is above --max {self.high}; no value can meet both")
        for word, value in (("--max-jump", self.max_jump), ("--max-stale", self.max_stale), ("--spike", self.spike)):
            if value is not None and value <= 0:
                raise InvalidInput(f"{word} is {value}; give a number above 0")
        if self.accept_after < 0 or self.accept_after == 1:
            raise InvalidInput(f"--accept-after is {self.accept_after}; give 2 or more, or 0 to let no value in")


def of_symbols() -> dict[str, float | None]:
    """The rules that every dataset of symbols has: codes are no quantities, and one below 0 stands for no symbol."""
    return {"spike": None, "low": 0.0}


def rules(engine: Engine, dataset_id: int) -> QualityRules:
    """The rules of a dataset; the default ones where it has none of its own."""
    return own_rules(engine, dataset_id) or QualityRules()


def own_rules(engine: Engine, dataset_id: int) -> QualityRules | None:
    """The rules that were set for a dataset; None without any."""
    return _read(engine, select(tables.rules.c.rules).where(tables.rules.c.dataset_id == dataset_id))


def first_rules(engine: Engine, name: str) -> QualityRules | None:
    """The rules that wait for the first ingest of a dataset; None without any."""
    return _read(engine, select(tables.first_rules.c.rules).where(tables.first_rules.c.name == name))


def _read(engine: Engine, query: Select[tuple[str]]) -> QualityRules | None:
    with reading(engine) as connection:
        text = connection.scalar(query)
    return QualityRules(**json.loads(text)) if text else None


def put(engine: Engine, dataset_id: int, chosen: QualityRules | None, connection: Connection | None = None) -> None:
    """Set the rules of a dataset, or with None delete them. They apply to later values only.

    connection: of a transaction that this becomes a part of.
    """
    with joining(engine, RULES_LOCK, connection) as connection:
        connection.execute(delete(tables.rules).where(tables.rules.c.dataset_id == dataset_id))
        if chosen is not None:
            row = {"dataset_id": dataset_id, "rules": json.dumps(asdict(chosen)), "updated_at": clock.now()}
            connection.execute(insert(tables.rules).values(row))


def put_first_rules(
    engine: Engine, name: str, chosen: QualityRules | None, connection: Connection | None = None
) -> None:
    """Set the rules that wait for the first ingest of a dataset, or with None delete them.

    connection: of a transaction that this becomes a part of.
    """
    with joining(engine, RULES_LOCK, connection) as connection:
        connection.execute(delete(tables.first_rules).where(tables.first_rules.c.name == name))
        if chosen is not None:
            row = {"name": name, "rules": json.dumps(asdict(chosen)), "updated_at": clock.now()}
            connection.execute(insert(tables.first_rules).values(row))


def all_rules(engine: Engine) -> dict[int, QualityRules]:
    """The rules of every dataset that has some of its own, by its id."""
    with reading(engine) as connection:
        found = connection.execute(select(tables.rules.c.dataset_id, tables.rules.c.rules)).all()
    return {dataset_id: QualityRules(**json.loads(text)) for dataset_id, text in found}
