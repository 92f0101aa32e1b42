"""What is known of judged values: those that are held, the end of a series, shifts, and the verdicts on some rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sqlalchemy import Connection

from data.records import quarantine, series_limits
from data.records.series_limits import SeriesLimits
from data.store.observation_log import RELEASED, SHIFTED
from forecasting.rolling.state import FORECASTS_ANEW, GOES_ON, STATE_ANEW
from states.rows import Rows


class HeldValue(NamedTuple):
    """A held value at the end of its series."""

    step: int
    ds: int
    y: float
    rule: str


@dataclass
class SeriesEnd:
    """The end of a series: its held values, by step, that are not older than `newest`, its newest step before them."""

    waiting: dict[int, HeldValue]
    newest: int

    def copy(self) -> "SeriesEnd":
        return SeriesEnd(dict(self.waiting), self.newest)

    def follow(self, held: HeldValue | None, step: int, y: float | None, most: int) -> None:
        """Go on with the next row. A held value waits, of at most `most`; one that counts ends what waits up to its
        step; a missing one takes back what was held for its step."""
        if held is not None:
            if step >= self.newest:
                self.waiting[step] = held
                self.waiting = {known: self.waiting[known] for known in sorted(self.waiting)[-most:]}
            return
        if y is None or y != y:
            self.waiting.pop(step, None)
        else:
            self.waiting = {known: value for known, value in self.waiting.items() if known > step}
            self.newest = max(self.newest, step)
        if not self.waiting:
            self.newest = max(self.newest, step)


@dataclass(frozen=True)
class Shift:
    """A series whose held values are let in: the rows to be stored once more, and its limits from now on."""

    series: int
    place: int  # among the rows: of the value that made the shift
    released: tuple[HeldValue, ...]
    limits: SeriesLimits
    begins: int | None  # step of the first value, where the level is new to the series

    def anew(self, step: int) -> int:
        """What begins anew with its value of a step."""
        return STATE_ANEW if step == self.begins else FORECASTS_ANEW


@dataclass(frozen=True)
class Judged:
    """Rows (k,) with their verdicts.

    rows      as states take them in, with NaN for each held value; the values that a shift releases follow at the end
    ds        (k,) stamp of each row
    values    (k,) as they came, NaN where missing
    verdicts  the rule that a value broke, by its place in the rows
    ends      by series: its end from now on, where it holds a value or held one before
    shifts    the series that shifted
    words     the symbols outside the vocabulary, by the value that stands for each
    """

    rows: Rows
    ds: np.ndarray
    values: np.ndarray
    verdicts: Mapping[int, str] = field(default_factory=dict)
    ends: Mapping[int, SeriesEnd] = field(default_factory=dict)
    shifts: tuple[Shift, ...] = ()
    words: Mapping[float, str] = field(default_factory=dict)

    @property
    def marks(self) -> dict[int, str]:
        """What the log notes of the rows, by place: the rules that were broken, and which values are let in."""
        names = {FORECASTS_ANEW: RELEASED, STATE_ANEW: SHIFTED}
        let_in = np.flatnonzero(self.rows.anew > GOES_ON)
        return {**self.verdicts, **{place: names[int(self.rows.anew[place])] for place in let_in.tolist()}}

    def store(self, connection: Connection, dataset_id: int, seq: int, at: int) -> None:
        """Store in the transaction of the rows, which end at row `seq` of the log, what was held and released.

        at: microseconds since 1970 UTC.
        """
        columns = (self.rows.series, self.ds, self.values)
        held = [(tuple(column[place].item() for column in columns), rule) for place, rule in self.verdicts.items()]
        quarantine.put_live(connection, dataset_id, held, at, self.words)
        if self.shifts:
            released = [(shift.series, value.ds, value.y) for shift in self.shifts for value in shift.released]
            quarantine.release_live(connection, dataset_id, released, at)
            limits = [shift.limits._replace(log_seq=seq) for shift in self.shifts]
            series_limits.put_along(connection, dataset_id, limits)
