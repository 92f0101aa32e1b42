"""The rule `clock`: rows of a clock that was not set are quarantined, and enter neither lake nor log.

A row with a value breaks it where its stamp lies beyond the running step and the tolerance. Any row breaks it within
two days of 1970-01-01, 1980-01-06 or 2000-01-01, if the rest of its series, in the source and in the dataset, is more
than a year away. A source most of whose values break the rule has another form or zone than was read, and is refused.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.grid.durations import DAY
from data.grid.grid import Grid
from data.grid.stamps import format_ds
from data.grid.unset_clock import Mask, distance, farthest, is_ahead, is_near_start, may_be_near_start
from data.quality.rejections import UNSET_CLOCK
from data.reading.columns import CODE
from data.reading.intake import PIECE, Intake
from data.records.quarantine import CLOCK, Breach
from data.schema import SERIES, TIME, VALUE

MOST = 100_000  # rows that one source may bring into quarantine by this rule
STAMP, AHEAD, PLACE = "__at", "__ahead", "__place"
KEY = [SERIES, TIME, VALUE]


@dataclass(frozen=True)
class KnownRows:
    """What is stored of a dataset, as far as the check of a source needs it; nothing for a new one.

    ends      unique_id, first_stored, last_stored: `ds` of the first and the last row of each series
    released  unique_id, ds, y of values that were released from quarantine
    """

    ends: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={SERIES: pl.String, "first_stored": pl.Int64, "last_stored": pl.Int64}
        )
    )
    released: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={SERIES: pl.String, TIME: pl.Int64, VALUE: pl.Float64})
    )


class ClockRule:
    """Finds the rows of one source that break the rule. `broken` collects those that have a value."""

    def __init__(self, intake: Intake, grid: Grid, latest: int, known: KnownRows):
        """latest: the last time, in microseconds, that is not ahead of the clock."""
        self._intake, self._grid, self._latest, self._known = intake, grid, latest, known
        newest = intake.latest_value
        dated = grid.kind != "step"
        # In most sources no row can break the rule, which costs nothing then.
        self._some_ahead = dated and newest is not None and newest.time > self._latest - DAY
        self._some_near = dated and may_be_near_start(*intake.span)
        self.broken: list[pl.DataFrame] = []

    def right_rows(self, frame: pl.DataFrame) -> Mask | None:
        """(n,) which of the rows of whole series break no rule; None: all of them. They are not on their steps yet."""
        if not self._some_ahead and not self._some_near:
            return None
        stamps, valued = frame[TIME].to_numpy(), frame[VALUE].is_not_null().to_numpy()
        ahead = is_ahead(self._grid, stamps, self._latest)
        wrong = ahead & valued
        if self._some_near:
            wrong |= self._unset(frame, stamps, ahead)
        if not wrong.any():
            return None
        begins = pl.Series(TIME, self._grid.stamps(self._grid.place(stamps[wrong]).steps))
        marks = begins, pl.Series(STAMP, stamps[wrong]), pl.Series(AHEAD, ahead[wrong])
        rows = frame.filter(pl.Series(wrong)).select(*KEY, PIECE, ROW).with_columns(marks)
        released = self._released(rows)
        wrong[np.flatnonzero(wrong)[released]] = False
        self.broken.append(rows.filter(pl.Series(~released) & pl.col(VALUE).is_not_null()))
        self._refuse_most()
        return ~wrong

    @property
    def breaches(self) -> list[Breach]:
        """The rows for the table `quarantine`."""
        return [Breach(name, ds, y, CLOCK) for rows in self.broken for name, ds, y in rows.select(KEY).iter_rows()]

    def _unset(self, frame: pl.DataFrame, stamps: np.ndarray, ahead: np.ndarray) -> Mask:
        """(n,) whether a row is near the start of a clock, and far from the other rows of its series."""
        near = is_near_start(self._grid, stamps)
        if not near.any():
            return near
        rows = frame.select(SERIES, CODE).with_columns(pl.Series(STAMP, stamps), pl.Series(PLACE, np.arange(len(near))))
        suspects = rows.filter(pl.Series(near)).sort(STAMP)
        rest = rows.filter(pl.Series(~near & ~ahead)).join(suspects, on=CODE, how="semi").sort(STAMP)
        found = suspects.join_asof(
            rest.select(CODE, pl.col(STAMP).alias("nearest"), pl.col(STAMP)), on=STAMP, by=CODE, strategy="nearest",
            check_sortedness=False,
        ).join(self._known.ends, on=SERIES, how="left", maintain_order="left")  # fmt: skip
        at, nowhere = found[STAMP].to_numpy(), np.iinfo(np.int64).max
        others = np.abs(found["nearest"].fill_null(nowhere // 2).to_numpy() - at)
        none = found["nearest"].is_null().to_numpy() & found["first_stored"].is_null().to_numpy()
        ends = (found[name].fill_null(nowhere // 2).to_numpy() for name in ("first_stored", "last_stored"))
        first, last = ends
        stored = np.where(first == nowhere // 2, nowhere // 2, distance(at, first, last))
        unset = np.zeros(len(near), np.bool_)
        unset[found[PLACE].to_numpy()] = (np.minimum(others, stored) > farthest(self._grid)) & ~none
        return unset

    def _released(self, frame: pl.DataFrame) -> Mask:
        """(n,) whether a row's value was released: it passes."""
        if self._known.released.is_empty():
            return np.zeros(len(frame), np.bool_)
        passes = self._known.released.unique(KEY).with_columns(pl.lit(True).alias("passes"))
        found = frame.select(KEY).join(passes, on=KEY, how="left", maintain_order="left")
        return found["passes"].is_not_null().to_numpy()

    def _refuse_most(self) -> None:
        """Raises InvalidInput, which names the first such row, where more than half of the values break the rule."""
        intake = self._intake
        count, valued = sum(map(len, self.broken)), intake.read - intake.nulls - intake.non_finite
        if 2 * count <= valued and count <= MOST:
            return
        first = pl.concat(self.broken).sort(PIECE, ROW).row(0, named=True)
        stamp = format_ds(first[STAMP], self._grid.kind)
        others = "and the row has a value" if count == 1 else f"and so are others: {count:,} of {valued:,} values"
        what = f"{stamp} is ahead of the clock" if first[AHEAD] else f"{stamp} is of a clock that was not set"
        planned = ", or leave the value empty if only covariates are planned" if first[AHEAD] else ""
        assert intake.roles is not None  # noqa: S101 the intake has at least one row
        raise InvalidInput(
            f"{what}, {others}; correct the stamp, --date-format or --tz{planned}",
            source=intake.pieces[first[PIECE]],
            column=intake.roles.time,
            row=first[ROW],
        )


def without_value(frame: pl.DataFrame, right: Mask) -> tuple[pl.DataFrame, str]:
    """The rows that break the rule and have no value to quarantine, and the reason that they are rejected."""
    return frame.filter(pl.Series(~right)).filter(pl.col(VALUE).is_null()), UNSET_CLOCK
