"""Refuses a source of which rows would be lost: rows that clash, and rejected rows that have a value.

A few are counted in the report. From five on, and above one in a hundred rows, the source is refused, with what the
user can say about it.
"""

from typing import Any

from data.errors import InvalidInput, quoted
from data.grid.grid import Grid
from data.grid.stamps import format_ds
from data.quality.clashes import Clash, Clashes
from data.quality.keep_rules import KEEP
from data.quality.rejections import CLOSED, NO_LOCAL_TIME, OFF_GRID, Rejection
from data.reading.intake import Intake

FEWEST, SHARE = 5, 100  # lost rows, and rows for each of them, from which on a source is refused
WAYS_OUT = {
    NO_LOCAL_TIME: "give the zone in which the times were written with --tz, or write them with their offset",
    CLOSED: "give another calendar or 1d with --freq, or leave these rows out",
    OFF_GRID: "give the frequency of the rows with --freq, or --snap nearest",
}


def too_many(lost: int, rows: int) -> bool:
    """Whether so many lost rows are no side note."""
    return lost >= FEWEST and SHARE * lost > rows


def refuse_clashes(clashes: Clashes, grid: Grid, intake: Intake, aggregated: bool) -> None:
    """Raises InvalidInput, which names the first two rows that clash, where too many do."""
    first = clashes.first
    if first is None or not too_many(clashes.rows, intake.read):
        return
    assert intake.roles is not None  # noqa: S101 the intake has at least one row
    value, other = _shown(first.value, intake), _shown(first.other_value, intake)
    raise InvalidInput(
        f"{clashes.rows:,} of {intake.read:,} rows have another value than a later row {_same(first, grid)}, such as "
        f"{value} in row {first.row} and {other} in row {first.other_row} of {first.series!r} at "
        f"{format_ds(first.ds, grid.kind)}; {_way_out(first, intake, aggregated)}",
        source=intake.pieces[first.piece],
        column=intake.roles.target,
        row=first.row,
    )


def _same(first: Clash, grid: Grid) -> str:
    return "of the same series and time" if first.one_stamp else f"of the same series and step of {grid.freq}"


def _value(value: float, intake: Intake) -> float | str:
    """A value as the source writes it."""
    return value if intake.symbols is None else intake.symbols.vocabulary[int(value)]


def _shown(value: float, intake: Intake) -> str:
    written = _value(value, intake)
    return quoted(written) if isinstance(written, str) else f"{written:g}"


def _way_out(first: Clash, intake: Intake, aggregated: bool) -> str:
    ways = []
    if not first.one_stamp and not aggregated:
        ways += ["take --snap nearest"] if intake.options.snap == "floor" else []
        ways.append("give a finer --freq")
    elif intake.roles is not None and not intake.roles.ids:
        ways.append("name the series with --id-col")
    rules = KEEP if intake.symbols is None else KEEP[:2]
    ways.append(f"say with --keep which value counts: {', '.join(rules[:-1])} or {rules[-1]}")
    return ", or ".join(ways)


def refuse_rejected(rejections: dict[str, Rejection], intake: Intake) -> None:
    """Raises InvalidInput, which names the reason of most of them, where too many rows with a value are rejected."""
    lost = sum(rejection.valued for rejection in rejections.values())
    if not too_many(lost, intake.read):
        return
    assert intake.roles is not None  # noqa: S101 the intake has at least one row
    reason, worst = max(rejections.items(), key=lambda found: found[1].valued)
    raise InvalidInput(
        f"{lost:,} of {intake.read:,} rows have a value and cannot be stored; {worst.valued:,} of them because: "
        f"{reason} (first in series {worst.series!r}); {WAYS_OUT.get(reason, 'correct them')}",
        source=intake.pieces[worst.piece],
        column=intake.roles.time,
        row=worst.row,
    )


def first_clash(clashes: Clashes, grid: Grid, intake: Intake) -> dict[str, Any] | None:
    """The first clash for the report."""
    first = clashes.first
    if first is None:
        return None
    return {
        "source": intake.pieces[first.piece],
        "rows": [first.row, first.other_row],
        "series": first.series,
        "ds": format_ds(first.ds, grid.kind),
        "values": [_value(first.value, intake), _value(first.other_value, intake)],
    }
