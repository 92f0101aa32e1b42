"""Reads of a table that are limited to some spans of time."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

import numpy as np
import numpy.typing as npt
import polars as pl
from deltalake import DeltaTable

from data.lake.changed_rows import KEY
from data.schema import TIME

MOST_SPANS = 8  # disjoint spans of `ds` of one read; a row group outside of all of them is skipped


def spans_of(low: npt.ArrayLike, high: npt.ArrayLike) -> list[tuple[int, int]]:
    """At most MOST_SPANS disjoint spans, ascending, that hold each low[i] to high[i]; the smallest gaps are closed."""
    order = np.argsort(np.asarray(low))
    low, reach = np.asarray(low)[order], np.maximum.accumulate(np.asarray(high)[order])
    gaps = low[1:] - reach[:-1]
    cuts = np.flatnonzero(gaps > 1)
    cuts = np.sort(cuts[np.argsort(gaps[cuts])[::-1][: MOST_SPANS - 1]])
    begins, stops = np.append(0, cuts + 1), np.append(cuts, len(low) - 1)
    return [(int(low[a]), int(reach[b])) for a, b in zip(begins, stops, strict=True)]


def inside(spans: Sequence[tuple[int, int]]) -> pl.Expr:
    """Whether a row's time is in one of the spans."""
    return reduce(or_, (pl.col(TIME).is_between(*span) for span in spans))


def stored_for(table: DeltaTable | None, rows: pl.DataFrame) -> pl.DataFrame:
    """The lake's rows, replaced ones too, about the series and times of `rows`."""
    if table is None:
        return rows.clear()
    stored = pl.scan_delta(table).filter(inside(spans_of(rows[TIME], rows[TIME])))
    return stored.join(rows.lazy(), on=KEY, how="semi").collect(engine="streaming")
