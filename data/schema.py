"""Column names and types of a long frame: one row per series and time step.

A frame has the columns `unique_id`, `ds`, `y`, optionally `split`, and covariates under names of their own. In memory
`ds` is always an int64; the dataset's time kind says what it counts:

- `instant`: microseconds since 1970-01-01 UTC, for steps shorter than a day;
- `date`: the same, at 00:00 UTC of the civil date, never moved by a time zone, for steps of a day and longer;
- `step`: the integer the source counts by.

Where values are symbols, `y` is the code of each: its place in the dataset's vocabulary.

A missing `y` is null in a frame and in JSON, and NaN in an array. No value is beyond ±LARGEST_VALUE.
"""

from typing import Literal, get_args

SERIES = "unique_id"
TIME = "ds"
VALUE = "y"
SPLIT = "split"
CUTOFF = "cutoff"
AVAILABLE_AT = "available_at"

LARGEST_VALUE = 1e30  # larger ones overflow in squares and in float32; no sensor gives them
LONGEST_UNIQUE_ID = 200  # characters

RESERVED = (SERIES, TIME, VALUE, SPLIT, CUTOFF, AVAILABLE_AT)

NUMERIC, SYMBOLS = "numeric", "symbols"  # kinds of a dataset's values
MOST_SYMBOLS, LONGEST_SYMBOL = 4_096, 64  # of a vocabulary; characters of each

TimeKind = Literal["instant", "date", "step"]
TIME_KINDS: tuple[TimeKind, ...] = get_args(TimeKind)

Split = Literal["train", "val", "test", "unused"]
SPLITS: tuple[Split, ...] = get_args(Split)
