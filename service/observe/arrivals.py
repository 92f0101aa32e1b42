"""Checks every observation that a client sent, and turns them into arrays.

There are two kinds of errors. A row of the wrong *shape* (not an object, a field too many or too few, a value of
another type) means that the client's program is wrong: a JSON body with such a row is refused as a whole. A row of the
right shape may still be *rejected*: an unknown series that no dataset creates, an impossible stamp, a value out of
range. Such rows are counted and reported with pointers, and the others are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from data.grid.closed import why_closed
from data.grid.durations import DAY, SECOND
from data.grid.grid import Grid
from service.base.request_limits import MAX_ERRORS
from service.http.errors import FieldFault, ProblemError, unprocessable
from service.models.datasets import Directory, Served, Target
from service.observe.clock_rows import RIGHT, UNSET, look
from service.observe.closed_rows import ClosedRow, ClosedRows, sort_out
from service.observe.observe_body import ObserveBody
from service.observe.row_reader import NEW, RefusedRow, RowReader
from service.observe.series_creation import CreatedSeries, UnbornSeries
from states.out_of_order import BEGINNING
from states.rows import Rows

FURTHEST_STEPS = 1_000_000  # from a series' origin, back and, for integer time, which has no clock, ahead
NEAR_STEPS, NEAR_TIME = 100_000, 366 * DAY  # back by clock time: a year, or so many steps where that is more
BEYOND_QUOTA = 0  # in place of the id of a series that was not created; ids begin at 1
AHEAD = "is too far in the future, and has no value"
OVER_QUOTA = "is not a series, and its dataset's quota is used up"
QUOTA_RETRY_S = 60  # a person has to raise a quota


@dataclass(frozen=True)
class Arrivals:
    """The rows of one request that belong to one dataset, in ascending order of time within each series.

    place    (k,) position of each row in the request
    ds       (k,) the stamps as they were sent
    clock    (k,) how the clock of each row was, as far as its stamp tells (see `clock_rows`)
    snapped  how many of them are not those of the step that took them
    grid     by which the steps are numbered
    words    symbols outside the vocabulary, by the value that stands for each
    """

    served: Served
    place: np.ndarray
    ds: np.ndarray
    rows: Rows
    clock: np.ndarray
    snapped: int
    grid: Grid
    words: Mapping[float, str] = field(default_factory=dict)

    def select(self, kept: np.ndarray) -> "Arrivals":
        """The rows where `kept` (k,) bool holds."""
        columns = {name: getattr(self, name)[kept] for name in ("place", "ds", "clock")}
        return replace(self, rows=self.rows.select(kept), **columns)


@dataclass(frozen=True)
class ReceivedRows:
    """A request's rows: those to be stored, by dataset, and the first faults of the rejected ones, by their place.

    new_series: series that are yet to be created, or whose label is yet to be stored; until `with_ids` the rows of the
    i-th have the series id -1 - i. ignored: places of rows of closed days that say nothing new; closed: other such
    rows, until `with_values_before`.
    """

    rows: int
    parts: list[Arrivals]
    refused: list[tuple[int, FieldFault]]
    new_series: list[UnbornSeries]
    ignored: list[int]
    closed: list[ClosedRow]

    @property
    def faults(self) -> list[FieldFault]:
        return [fault for _, fault in self.refused]


def unknown_series(faults: Sequence[FieldFault]) -> ProblemError:
    return ProblemError(404, "unknown_series", "There is no such series; GET /v1/series lists what there is.", faults)


def ambiguous_series(faults: Sequence[FieldFault], candidates: Sequence[str]) -> ProblemError:
    detail = "Several datasets have a series of this id; say which with `dataset`."
    return ProblemError(409, "ambiguous_series", detail, faults, candidates=list(candidates)[:MAX_ERRORS])


def too_many_series(faults: Sequence[FieldFault]) -> ProblemError:
    detail = "The dataset has as many series as its quota allows; `rollcast dataset set NAME --max-series N` raises it."
    return ProblemError(429, "too_many_series", detail, faults, headers={"Retry-After": str(QUOTA_RETRY_S)})


def read(body: ObserveBody, directory: Directory, now: int, tolerance: int, only: Target | None = None) -> ReceivedRows:
    """Check every row of a body.

    now: µs since 1970 UTC; tolerance: µs that a stamp may be ahead of it, which else is of a clock that was not set;
    only: the one series that the path named.

    Raises:
        ProblemError: 422 with the pointers of up to MAX_ERRORS rows at fault, when one has another shape or none can
            be stored.
    """
    reader = RowReader(directory, only)
    kept: dict[str, list[tuple[int, int, int, float]]] = {}
    new_series: dict[UnbornSeries, int] = {}
    refused: list[tuple[int, FieldFault]] = []
    misshapen: list[FieldFault] = []
    for place, row in enumerate(body.rows):
        try:
            target, ds, value = reader.row(row)
        except RefusedRow as refusal:
            fault = FieldFault(body.pointer(place) + refusal.member, refusal.message)
            if refusal.shape and not body.by_line:
                misshapen.append(fault)
                if len(misshapen) == MAX_ERRORS:
                    break
            elif len(refused) < MAX_ERRORS:
                refused.append((place, fault))
        else:
            series = target.series if target.series != NEW else _number(new_series, target)
            kept.setdefault(target.served.name, []).append((place, series, ds, value))
    if misshapen:
        raise unprocessable("invalid_observation", misshapen)
    parts: list[Arrivals] = []
    ignored, closed = list[int](), list[ClosedRow]()
    found: dict[int, int] = {}  # labels, by the number of a new series
    for name, rows in kept.items():
        columns = _columns(directory.datasets[name], rows, now, tolerance)
        labels = _new_labels(columns)
        part, off_grid, off = _on_steps(columns, labels)
        part, valueless = _with_value_if_unset(part)
        ignored, closed = ignored + off.ignored, closed + [row for row in off.valued if not row.decided]
        refused += [_closed_fault(body, row) for row in off.valued if row.decided]
        part, strayed = _not_too_far(part)
        faults = off_grid + valueless + strayed
        refused += [(place, FieldFault(f"{body.pointer(place)}/ds", message)) for place, message in faults]
        parts += [replace(part, words=reader.words)] if len(part.place) else []
        found |= labels
    unborn = [series._replace(label=found.get(number)) for series, number in new_series.items()]
    refused = sorted(refused)[:MAX_ERRORS]
    received = ReceivedRows(len(body.rows), parts, refused, unborn, ignored, closed)
    if not (parts or ignored or closed):
        raise unprocessable("every_row_rejected", received.faults)
    return received


def with_values_before(received: ReceivedRows, body: ObserveBody, values: Sequence[float]) -> ReceivedRows:
    """The same rows, where `values` are those before each of `received.closed`: rows that repeat them are ignored, and
    the others rejected.

    Raises ProblemError (422) where every row is rejected.
    """
    pairs = list(zip(received.closed, values, strict=True))
    ignored = [*received.ignored, *(row.place for row, before in pairs if row.value == before)]
    refused = [*received.refused, *(_closed_fault(body, row) for row, before in pairs if row.value != before)]
    refused = sorted(refused)[:MAX_ERRORS]
    if not (received.parts or ignored):
        raise unprocessable("every_row_rejected", [fault for _, fault in refused])
    return replace(received, refused=refused, ignored=ignored, closed=[])


def _closed_fault(body: ObserveBody, row: ClosedRow) -> tuple[int, FieldFault]:
    """Why a row of a closed day is rejected, by its place."""
    return row.place, FieldFault(f"{body.pointer(row.place)}/ds", why_closed(row.served.dataset.grid, row.ds))


def with_ids(
    received: ReceivedRows, body: ObserveBody, created: Sequence[CreatedSeries | None], only: Target | None = None
) -> ReceivedRows:
    """The same rows under the ids of their series; rows of a series beyond the quota are rejected.

    created: one for each of `received.new_series`, None beyond the quota; only: the one series that the path named.

    Raises ProblemError (429) where no row is left.
    """
    if only is not None and created == [None]:
        raise too_many_series([FieldFault("/path/unique_id", OVER_QUOTA)])
    ids = np.array([BEYOND_QUOTA if series is None else series.series for series in created])
    parts, refused = [], list(received.refused)
    for part in received.parts:
        series = part.rows.series.copy()
        new = series < 0
        series[new] = ids[-1 - series[new]]
        kept = series != BEYOND_QUOTA
        refused += [(int(place), beyond_quota(body, int(place))) for place in part.place[~kept][:MAX_ERRORS]]
        if kept.any():
            named = replace(part, rows=replace(part.rows, series=series))
            part, off_grid = _with_stored_labels(named.select(kept))
            refused += [(place, FieldFault(f"{body.pointer(place)}/ds", message)) for place, message in off_grid]
            parts += [part] if len(part.place) else []
    refused = sorted(refused)[:MAX_ERRORS]
    if not (parts or received.ignored or received.closed):
        raise too_many_series([fault for _, fault in refused])
    return replace(received, parts=parts, refused=refused, new_series=[])


def _number(new_series: dict[UnbornSeries, int], target: Target) -> int:
    """The number of a series that is yet to be created: -1 for the first."""
    return new_series.setdefault(UnbornSeries(target.served, target.unique_id), -1 - len(new_series))


def beyond_quota(body: ObserveBody, place: int) -> FieldFault:
    return FieldFault(f"{body.pointer(place)}/unique_id", OVER_QUOTA)


class _Columns(NamedTuple):
    """The rows of one dataset in the order of the request; every array is (k,)."""

    served: Served
    place: np.ndarray
    series: np.ndarray
    ds: np.ndarray
    values: np.ndarray
    clock: np.ndarray


def _columns(served: Served, kept: list[tuple[int, int, int, float]], now: int, tolerance: int) -> _Columns:
    place, series, ds, values = (np.array(column) for column in zip(*kept, strict=True))
    clock = look(served.dataset.grid, ds, now, tolerance)
    return _Columns(served, place, series, ds, values.astype(np.float64), clock)


def _new_labels(columns: _Columns) -> dict[int, int]:
    """The labels that the rows of new series show, by the series' negative number; see `data.grid.labels`."""
    if not columns.served.dataset.grid.labelled:
        return {}
    new = columns.series < 0
    if not new.any():
        return {}
    series, groups = np.unique(columns.series[new], return_inverse=True)
    labels = columns.served.dataset.grid.find_labels(groups, columns.ds[new])
    return dict(zip(series.tolist(), labels.tolist(), strict=True))


def _labels(columns: _Columns, new: Mapping[int, int]) -> np.ndarray | int:
    """(k,) the label of each row's series; 0 where the dataset has none."""
    if not columns.served.dataset.grid.labelled:
        return 0
    known = columns.served.labels
    return np.array([new[number] if number < 0 else known.get(number, 0) for number in columns.series.tolist()])


def _on_steps(columns: _Columns, new_labels: Mapping[int, int]) -> tuple[Arrivals, list[tuple[int, str]], ClosedRows]:
    """The rows on the steps that take them, why those between steps are refused, by their place, and those of closed
    days."""
    served, place, series, ds, values, clock = columns
    grid, off = served.dataset.grid, "is off the grid"
    placed = grid.place(ds, _labels(columns, new_labels))
    if served.dataset.memory.get("every"):  # its rows are values of whole steps
        placed, off = replace(placed, refused=placed.refused | placed.moved), f"must begin a step of {grid.freq}"
    if (unset := clock == UNSET).any():  # whatever day it is, it goes to the quarantine
        placed = replace(placed, refused=placed.refused & ~unset, closed=placed.closed & ~unset)
    order = np.lexsort((placed.steps, series))  # stable: of one step sent twice the later row counts
    faults: list[tuple[int, str]] = []
    closed = ClosedRows([], [])
    if placed.refused.any():
        order = order[~placed.refused[order]]
        faults = [(int(at), off) for at in place[placed.refused & ~placed.closed][:MAX_ERRORS]]
        closed = sort_out(served, place, series, ds, values, placed)
    rows = Rows.arrived(series[order], placed.steps[order], values[order])
    snapped = int(np.count_nonzero(placed.moved & ~placed.refused))
    return Arrivals(served, place[order], ds[order], rows, clock[order], snapped, grid), faults, closed


def _with_stored_labels(part: Arrivals) -> tuple[Arrivals, list[tuple[int, str]]]:
    """The same rows on the steps that they have by the labels that are stored: another request may have been first."""
    if not part.served.dataset.grid.labelled:
        return part, []
    sent = np.argsort(part.place)
    rows = part.rows.select(sent)
    columns = part.place[sent], rows.series, part.ds[sent], rows.values, part.clock[sent]
    placed, off_grid, _ = _on_steps(_Columns(part.served, *columns), {})  # where series have labels, no day is closed
    return replace(placed, words=part.words), off_grid


def _with_value_if_unset(part: Arrivals) -> tuple[Arrivals, list[tuple[int, str]]]:
    """The rows without those ahead of the clock that have no value to quarantine, and why these are refused."""
    without = (part.clock == UNSET) & np.isnan(part.rows.values)
    if not without.any():
        return part, []
    return part.select(~without), [(int(place), AHEAD) for place in part.place[without][:MAX_ERRORS]]


def _not_too_far(part: Arrivals) -> tuple[Arrivals, list[tuple[int, str]]]:
    """The rows whose distance from their series a gap can explain, and why the others are refused, by their place.

    A stamp such as an unset clock's year 1 would be part of every history from then on. A stamp too far ahead matters
    for integer time alone, which has no clock: it would silence the series for ever.
    """
    champion, rows = part.served.champion, part.rows
    if champion is None:
        return part, []
    reach = champion.states.origins(rows.series)
    known = reach != BEGINNING
    behind = known & (rows.steps < reach - NEAR_STEPS) & (part.clock == RIGHT)
    if behind.any():
        behind &= rows.steps < reach - _furthest_back(part.grid, reach)
    ahead = known & (rows.steps > reach + FURTHEST_STEPS) & (part.grid.kind == "step")
    if not (behind | ahead).any():
        return part, []
    strayed = [
        (int(place), f"is too far {side} the series' last step")
        for side, wrong in (("behind", behind), ("ahead of", ahead))
        for place in part.place[wrong][:MAX_ERRORS]
    ]
    return part.select(~(behind | ahead)), strayed


def _furthest_back(grid: Grid, reach: np.ndarray) -> np.ndarray | int:
    """Steps before an origin (n,) beyond which a row is refused: from its first value on every step is history, and
    each that is missing is padded, scored at and stored."""
    if grid.kind == "step":
        return FURTHEST_STEPS
    return np.clip(reach - grid.steps(grid.stamps(reach) - NEAR_TIME), NEAR_STEPS, FURTHEST_STEPS)


def tolerance_us(seconds: int) -> int:
    return seconds * SECOND
