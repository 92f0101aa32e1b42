"""First and last time of a source, and where its newest times are."""

from dataclasses import dataclass, field, replace

import polars as pl


@dataclass(frozen=True)
class RowPlace:
    """Where a row is in its source, and its time as an integer, in whatever zone."""

    time: int
    source: str
    column: str  # of times
    row: int


@dataclass
class Extent:
    """What is known of the times read so far. Times are integers, in whatever zone."""

    low: int | None = None
    high: int | None = None
    latest_value: RowPlace | None = None  # the row with the latest value
    newest: dict[int, tuple[int, str]] = field(default_factory=dict)  # of each table: as integer and as written

    def copy(self) -> "Extent":
        return replace(self, newest=dict(self.newest))

    def add(self, times: pl.Series, written: pl.Series, table: int) -> None:
        """Take a batch of the table with that number in; `written` are its times as the source has them."""
        micros = times.to_physical()
        low, last = int(micros.min()), int(micros.arg_max() or 0)  # type: ignore[arg-type]
        high = int(micros[last])
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)
        if table not in self.newest or high >= self.newest[table][0]:
            self.newest[table] = (high, str(written[last]))

    def add_values(self, times: pl.Series, values: pl.Series, rows: pl.Series, source: str, column: str) -> None:
        """Find the latest time with a value; `values` are null where there is none, `rows` the rows' numbers."""
        micros = times.to_physical().set(values.is_null(), None)
        index = micros.arg_max()
        if index is not None and (self.latest_value is None or micros[index] > self.latest_value.time):
            self.latest_value = RowPlace(micros[index], source, column, rows[index])
