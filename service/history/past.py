"""What the service knows of the past of one series: pages of history, and over them the live log's later rows.

Before the pages of a dataset were first made there are the values of the series' context in their place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import Engine

from data.grid.grid import Grid, Ints
from data.history import log_rows, overviews, page_table
from data.history.number_blocks import Floats
from data.history.overviews import Bins
from data.history.page_codec import NO_ROWS, STEPS, PastRows, decode
from data.history.page_table import HistoryMark, StoredPage
from service.models.datasets import Target

BEGIN, END = -(2**62), 2**62  # before and after every stamp
TOGETHER = 16  # pages that are read at once


@dataclass(frozen=True)
class Span:
    """From one time to another, both included."""

    first: int  # ds
    last: int

    def steps(self, grid: Grid) -> tuple[int, int]:
        """The first and the last step that begin within it."""
        first, last = BEGIN, END
        if self.first > BEGIN:
            first = int(grid.steps([self.first])[0])
            first += int(grid.stamps([first])[0] < self.first)
        if self.last < END:
            last = int(grid.steps([self.last])[0])
        return first, last


@dataclass(frozen=True)
class Past:
    """The past of one series within a span.

    first, last     its steps
    available_from  the first step of which every row is known; None where nothing is known
    cut             whether there were rows before, which are not kept
    """

    engine: Engine
    series: int
    first: int
    last: int
    available_from: int | None
    cut: bool
    paged: bool  # are there pages?
    base: PastRows = field(repr=False)  # the context, where there are none
    seq: Ints = field(repr=False)  # of the log's rows, ascending
    steps: Ints = field(repr=False)
    values: Floats = field(repr=False)

    def rows(self, most: int | None = None, backwards: bool = False) -> PastRows:
        """Its rows; with `most` only so many from its begin, or backwards from its end. More may come with them."""
        parts, count = [], 0
        for part in self._parts(backwards):
            parts.append(part)
            count += len(part)
            if most is not None and count >= most:
                break
        return _joined(parts[::-1] if backwards else parts)

    def _parts(self, backwards: bool) -> Iterator[PastRows]:
        """Rows in parts that follow one another."""
        if not self.paged:
            yield self._over(self.base, self.first, self.last, {})
            return
        low, high = self.first, self.last
        while low <= high:
            stored = page_table.pages(self.engine, self.series, low // STEPS, high // STEPS, TOGETHER, backwards)
            first, last = low, high
            if len(stored) == TOGETHER:  # more follow
                first, last = (stored[-1].page * STEPS, high) if backwards else (low, (stored[-1].page + 1) * STEPS - 1)
                first, last = max(first, low), min(last, high)
            ordered = stored[::-1] if backwards else stored
            kept = [decode(page.rows, page.page) for page in ordered if page.rows is not None]
            yield self._over(_joined(kept), first, last, {page.page: page.log_seq for page in stored})
            low, high = (low, first - 1) if backwards else (last + 1, high)

    def _over(self, rows: PastRows, first: int, last: int, known: dict[int, int]) -> PastRows:
        """Rows from one step to another, with those of the log that are not in their page. known: by page, the row of
        the log up to which it has them."""
        inside = (self.steps >= first) & (self.steps <= last)
        later = inside & (self.seq > _known(self.steps, known))
        return rows.within(first, last).over(self.steps[later], self.values[later])

    def bins(self) -> Bins:
        """Its bins of 64 steps, whole ones also at its ends. Those of rows that are not kept are in them."""
        if not self.paged:
            return overviews.bins_of(self.rows())
        stored = page_table.overviews(self.engine, self.series, self.first // STEPS, self.last // STEPS)
        later = self.seq > _known(self.steps, {page.page: page.log_seq for page in stored})
        touched = set(np.unique(self.steps[later] // STEPS).tolist())
        parts = [overviews.decode_bins(page.overview, page.page) for page in stored if page.page not in touched]
        if touched:
            parts += self._touched_bins(touched)
        width = overviews.WIDTH
        return overviews.joined(parts or [overviews.bins_of(NO_ROWS)]).within(self.first // width, self.last // width)

    def _touched_bins(self, touched: set[int]) -> Iterator[Bins]:
        """The bins of pages over which rows of the log lie."""
        found = page_table.pages(self.engine, self.series, min(touched), max(touched))
        stored: dict[int, StoredPage] = {page.page: page for page in found}
        for number in sorted(touched):
            page = stored.get(number)
            rows = NO_ROWS if page is None or page.rows is None else decode(page.rows, number)
            if page is not None and page.rows is None:
                yield overviews.decode_bins(page.overview, number)
            known = {} if page is None else {number: page.log_seq}
            yield overviews.bins_of(self._over(rows, number * STEPS, (number + 1) * STEPS - 1, known))


def read_past(engine: Engine, target: Target, mark: HistoryMark | None, span: Span) -> Past:
    """The past of a series within a span. mark: of its dataset. The log is read before the pages: a row that leaves it
    meanwhile is in its page already."""
    dataset, grid = target.served.dataset, target.served.dataset.grid
    first, last = span.steps(grid)
    paged = mark is not None and mark.whole
    base, after = (NO_ROWS, 0) if paged else _context(target)
    log = log_rows.rows_of(engine, dataset.id, target.series, span.first, span.last, len(target.served.series))
    steps = grid.steps(log.ds)
    if not paged and len(base):  # the context has what the log had until it was made
        own = (log.seq > after) | (steps < base.steps[0])
        log, steps = log_rows.LoggedRows(log.seq[own], log.ds[own], log.values[own]), steps[own]
    available, cut = _available(engine, target.series, steps) if paged else _available_of(base, steps)
    return Past(engine, target.series, first, last, available, cut, paged, base, log.seq, steps, log.values)


def _available(engine: Engine, series: int, steps: Ints) -> tuple[int | None, bool]:
    """The first step of which every row is known, and whether there were rows before. steps: of the log's rows."""
    kept = page_table.kept(engine, series)
    if kept.first is None or kept.last is None:
        return (int(steps.min()) if len(steps) else None), False
    if kept.kept != kept.first:
        return (kept.last + 1 if kept.kept is None else kept.kept) * STEPS, True
    rows = [
        decode(page.rows, page.page)
        for page in page_table.pages(engine, series, kept.first, kept.first, 1)
        if page.rows
    ]
    return (int(rows[0].steps[0]) if rows and len(rows[0]) else kept.first * STEPS), False


def _available_of(base: PastRows, steps: Ints) -> tuple[int | None, bool]:
    """The same where there are no pages."""
    known = base.steps if len(base) else steps
    return (int(known.min()) if len(known) else None), True


def _context(target: Target) -> tuple[PastRows, int]:
    """The values of a series' context, and the row of the log up to which it has them."""
    champion, series = target.served.champion, np.array([target.series])
    if champion is None or not champion.contexts.has(series)[0]:
        return NO_ROWS, 0
    values, origin, _ = champion.contexts.take(series)
    steps = int(origin[0]) - values.shape[1] + 1 + np.arange(values.shape[1])
    there = ~np.isnan(values[0])
    return PastRows(steps[there], values[0, there], np.zeros(int(there.sum()), bool)), champion.anchor_seq


def _joined(parts: Sequence[PastRows]) -> PastRows:
    """Rows of parts that follow one another."""
    every = (NO_ROWS, *parts)
    steps, values = (np.concatenate([getattr(part, name) for part in every]) for name in ("steps", "values"))
    return PastRows(steps, values, np.concatenate([part.corrected for part in every]))


def _known(steps: Ints, known: dict[int, int]) -> Ints:
    """(k,) the row of the log up to which the page of each step has them; -1 where there is no page."""
    if not known:
        return np.full(len(steps), -1)
    pages, own = np.unique(steps // STEPS, return_inverse=True)
    return np.array([known.get(page, -1) for page in pages.tolist()], np.int64)[own]
