"""What a user says about a source."""

from dataclasses import dataclass
from typing import get_args

from data.errors import InvalidInput
from data.formats.dialect import Dialect, make_dialect
from data.grid.grid import Snap


@dataclass(frozen=True)
class SourceOptions:
    """What a user says about a source. What is None is inferred, and the quality report shows it."""

    id_col: str | None = None
    time_col: str | None = None  # several with commas: the date first
    target_col: str | None = None
    date_format: str | None = None  # strftime's letters; s, ms, us or ns since 1970; excel for days of a spreadsheet
    tz: str | None = None  # IANA zone of stamps without an offset, and of days
    freq: str | None = None
    series: str | None = None  # the id, for a source of one series
    season: int | None = None  # steps
    horizon: int | None = None  # steps
    since: str | None = None  # watermark of the first run, as the source writes times
    overlap: int | None = None  # steps before the watermark that are read again, for late rows; default 1
    rename: str | None = None  # the dataset's name of the target, where this source has another
    snap: str | None = None  # which step a stamp belongs to: nearest, floor or no
    keep: str | None = None  # of several values of one step: last, first, mean, sum, max, min or count
    every: str | None = None  # a coarser frequency, to which `keep` aggregates
    skip_lines: str | None = None  # lines of the file to leave out, such as 2-3
    separator: str | None = None
    decimal: str | None = None  # the decimal sign: , or .
    na: tuple[str, ...] = ()  # words for a missing value, beside the usual ones
    wide: str | None = None  # columns that are series of their own: names with commas, or * for all
    kind: str | None = None  # of the values: numeric or symbols
    by: str | None = None  # how a text becomes symbols: by character or word
    low: float | None = None  # quality rules, as `rollcast quality set` takes them
    high: float | None = None
    max_jump: float | None = None
    max_stale: int | None = None

    @property
    def dialect(self) -> Dialect:
        """How its text is written. Raises InvalidInput for an option that cannot be read."""
        return make_dialect(self.separator, self.decimal, self.skip_lines, self.na, self.by)


def snap_of(options: SourceOptions) -> Snap | None:
    """The rule that the user names for stamps between steps; None for none. Raises InvalidInput for another word."""
    known: tuple[Snap, ...] = get_args(Snap)
    found = next((rule for rule in known if rule == options.snap), None)
    if options.snap is not None and found is None:
        raise InvalidInput(f"--snap is {options.snap!r}; give one of {', '.join(known)}")
    return found
