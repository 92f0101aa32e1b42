"""One write: the rows of all requests that waited, what becomes of each row, and the answer of each request."""

import logging
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import Connection, Engine

from data.errors import DamagedArtifact
from data.records import idempotency, quarantine
from data.records.idempotency import StoredAnswer
from data.records.quarantine import CLOCK, Held
from data.store import catalogue, observation_log
from service.base.outcomes import Outcome, SeriesStep, decide_outcomes
from service.http.errors import ProblemError
from service.models.datasets import Served
from service.models.judged_rows import Judged
from service.observe import clock_rows
from service.observe.arrivals import Arrivals
from service.observe.idempotency import KeyedRequest
from service.observe.receipts import Receipt
from states.champion import Champion
from states.out_of_order import BEGINNING
from states.rows import Rows

log = logging.getLogger("rollcast.service")

Along = Callable[[Connection, int], None]  # what is stored in the rows' own transaction


@dataclass(frozen=True)
class ObserveRequest:
    """Observations on their way in. `future` belongs to `loop` and is given a Receipt or an exception."""

    arrivals: Sequence[Arrivals]
    rows: int  # all of them; those that are in no part were rejected or ignored
    errors: list[dict[str, str]]  # why the first rejected rows were
    ignored: Sequence[int]  # places of rows of closed days that say nothing new
    keyed: KeyedRequest | None
    future: "Future[Receipt]"
    loop: AbstractEventLoop


@dataclass(frozen=True)
class WriteBatch:
    """The rows of several requests that belong to one dataset, in order of arrival."""

    served: Served
    request: np.ndarray  # (k,) which request each row came with
    place: np.ndarray  # (k,) the position of each row in its request
    rows: Rows
    clock: np.ndarray  # (k,) how the clock of each row was, as far as its stamp tells
    words: Mapping[float, str] = field(default_factory=dict)  # see `Arrivals`

    @classmethod
    def of(cls, parts: Sequence[tuple[int, Arrivals]]) -> "WriteBatch":
        request = np.repeat([number for number, _ in parts], [len(part.place) for _, part in parts])
        place = np.concatenate([part.place for _, part in parts])
        clock = np.concatenate([part.clock for _, part in parts])
        words = {number: word for _, part in parts for number, word in part.words.items()}
        return cls(parts[0][1].served, request, place, Rows.joined([part.rows for _, part in parts]), clock, words)

    def select(self, kept: np.ndarray) -> "WriteBatch":
        """The rows that `kept` names by position."""
        request, place, clock = self.request[kept], self.place[kept], self.clock[kept]
        return WriteBatch(self.served, request, place, self.rows.select(kept), clock, self.words)

    @property
    def ds(self) -> np.ndarray:
        """(k,) int64, the stamp of each row's step."""
        return self.served.dataset.grid.stamps(self.rows.steps)


def batches_of(requests: Sequence[ObserveRequest]) -> list[WriteBatch]:
    """The rows of the requests, by dataset; numbered by its grid of now."""
    parts: dict[int, list[tuple[int, Arrivals]]] = {}
    for number, request in enumerate(requests):
        for part in request.arrivals:
            parts.setdefault(part.served.dataset.id, []).append((number, renumbered(part)))
    return [WriteBatch.of(part) for part in parts.values()]


def deleted_series() -> ProblemError:
    """409 for rows whose series, or dataset, was deleted a moment ago; nothing of the request is stored."""
    detail = "A series of this request was deleted a moment ago; nothing was stored. Send the request again."
    return ProblemError(409, "series_deleted", detail, headers={"Retry-After": "1"})


def of_deleted(engine: Engine, requests: Sequence[ObserveRequest]) -> list[bool]:
    """Of each request: does it have rows of a dataset, or of a series, that the store has no more?"""
    parts = [part for request in requests for part in request.arrivals]
    series = np.unique(np.concatenate([part.rows.series for part in parts])).tolist()
    datasets, gone = catalogue.missing(engine, {part.served.dataset.id for part in parts}, series)
    dead = np.array(sorted(gone), np.int64)
    return [
        any(part.served.dataset.id in datasets or np.isin(part.rows.series, dead).any() for part in request.arrivals)
        for request in requests
    ]


def renumbered(part: Arrivals) -> Arrivals:
    """The same rows by the grid that their dataset has by now; those of days that it has closed meanwhile are left out,
    and so count as rejected."""
    grid = part.served.dataset.grid
    if part.grid == grid:
        return part
    placed = grid.place(part.grid.stamps(part.rows.steps))
    moved = replace(part, rows=replace(part.rows, steps=placed.steps), grid=grid)
    return moved.select(~placed.refused)


def outcomes_of(engine: Engine, batch: WriteBatch) -> tuple[list[Outcome], np.ndarray]:
    """The outcome of each row (k,) without its verdict, and the newest step of its series.

    The states of the batch's series must have reached the log's end.
    """
    champion, rows = batch.served.champion, batch.rows
    if champion is None:  # no model yet: only the log says whether a row is known
        keys = zip(rows.series.tolist(), batch.ds.tolist(), strict=True)
        stored = {
            key: _float(value) for key, value in observation_log.current(engine, batch.served.dataset.id, keys).items()
        }
        never = np.full(len(rows), np.iinfo(np.int64).max)
        outcomes = decide_outcomes(rows.series, batch.ds, rows.values, never, stored, unknown=Outcome.APPLIED)
        return outcomes, np.full(len(rows), BEGINNING)
    origins = champion.states.origins(rows.series)
    known = _known(engine, champion, rows.select(rows.steps <= origins))
    return decide_outcomes(rows.series, rows.steps, rows.values, origins, known), origins


def _known(engine: Engine, champion: Champion, rows: Rows) -> dict[SeriesStep, float]:
    """Values that the log, or else the context, holds at the steps of these rows, by (series, step)."""
    if not len(rows):
        return {}
    keys = list(zip(rows.series.tolist(), champion.grid.stamps(rows.steps).tolist(), strict=True))
    held = observation_log.current(engine, champion.dataset_id, keys)
    known = {}
    for key, step in zip(keys, rows.steps.tolist(), strict=True):
        series = key[0]
        value = _float(held[key]) if key in held else _context_value(champion, series, step)
        if key in held or value == value:
            known[series, step] = value
    return known


def _context_value(champion: Champion, series: int, step: int) -> float:
    """The value of the context; NaN where a deletion has replaced the contexts and their states follow in a moment."""
    try:
        return champion.contexts.value(series, step)
    except DamagedArtifact:
        return float("nan")


@dataclass(frozen=True)
class JudgedBatch:
    """A batch whose rows have an outcome and a verdict.

    chosen    (k,) places, in the batch, of the rows that are stored: all but duplicates and rows of unset clocks
    outcomes  of all rows of the batch
    unset     values of clocks that were not set: series, `ds`, y
    """

    served: Served
    chosen: np.ndarray
    judged: Judged
    outcomes: list[Outcome]
    unset: Sequence[Held] = ()

    @property
    def dataset_id(self) -> int:
        return self.served.dataset.id


def judge(engine: Engine, batch: WriteBatch) -> JudgedBatch:
    """The outcome and the verdict of each row. The states of the batch's series must have reached the log's end."""
    if batch.clock.any():
        return _judge_beside_unset(engine, batch)
    outcomes, newest = outcomes_of(engine, batch)
    chosen = np.flatnonzero([outcome is not Outcome.DUPLICATE for outcome in outcomes])
    judged = batch.served.judge.judge(engine, batch.rows.select(chosen), batch.ds[chosen], newest[chosen])
    for place in judged.verdicts:
        outcomes[chosen[place]] = Outcome.QUARANTINED
    judged = replace(judged, words=batch.words) if batch.words else judged
    return JudgedBatch(batch.served, chosen, judged, outcomes)


def _judge_beside_unset(engine: Engine, batch: WriteBatch) -> JudgedBatch:
    """As `judge`, for a batch with stamps that may be of a clock that was not set."""
    served, columns = batch.served, (batch.rows.series, batch.ds, batch.rows.values)
    origins = served.champion.states.origins(batch.rows.series) if served.champion else None
    unset = clock_rows.of_unset_clocks(engine, served.dataset.id, served.dataset.grid, columns, batch.clock, origins)
    right = np.flatnonzero(~unset)
    rest = batch.select(right)
    found = judge(engine, replace(rest, clock=np.zeros_like(rest.clock)))
    outcomes = [Outcome.QUARANTINED] * len(unset)
    for place, outcome in zip(right.tolist(), found.outcomes, strict=True):
        outcomes[place] = outcome
    held = clock_rows.held_of(columns, np.flatnonzero(unset))
    return replace(found, chosen=right[found.chosen], outcomes=outcomes, unset=held)


def receipts_of(
    requests: Sequence[ObserveRequest], batches: Sequence[WriteBatch], judged: Sequence[JudgedBatch]
) -> list[Receipt]:
    """The receipt of each request, without its sequence."""
    outcomes = [[Outcome.REJECTED] * request.rows for request in requests]
    for own, request in zip(outcomes, requests, strict=True):
        for place in request.ignored:
            own[place] = Outcome.IGNORED
    shifts = [0] * len(requests)
    for batch, result in zip(batches, judged, strict=True):
        columns = (batch.request.tolist(), batch.place.tolist(), result.outcomes)
        for number, place, outcome in zip(*columns, strict=True):
            outcomes[number][place] = outcome
        for shift in result.judged.shifts:
            shifts[batch.request[result.chosen[shift.place]]] += 1
    snapped = [sum(part.snapped for part in request.arrivals) for request in requests]
    errors = [request.errors for request in requests]
    return [
        Receipt(own, faults, off, 0, shifted)
        for own, faults, off, shifted in zip(outcomes, errors, snapped, shifts, strict=True)
    ]


def along(answers: Along | None, judged: Sequence[JudgedBatch], stamp: int) -> Along | None:
    """Stores the answers of requests that have a key, and what was held and released, in the rows' own transaction."""
    results = [result for result in judged if result.judged.verdicts or result.judged.shifts or result.unset]
    if not results:
        return answers

    def store(connection: Connection, seq: int) -> None:
        for result in results:
            result.judged.store(connection, result.dataset_id, seq, stamp)
            unset = [(held, CLOCK) for held in result.unset]
            quarantine.put_live(connection, result.dataset_id, unset, stamp, result.judged.words)
        if answers is not None:
            answers(connection, seq)

    return store


class CalendarReplaced(Exception):
    """Rows were about to be stored by the numbers of calendars that these datasets have no more."""

    def __init__(self, served: Sequence[Served]):
        self.served = served
        super().__init__(", ".join(one.name for one in served))


def checked_along(engine: Engine, answers: Along | None, judged: Sequence[JudgedBatch]) -> Along | None:
    """The same, and for datasets with a calendar a check that it is still theirs. Raises CalendarReplaced there."""
    dated = [result.served for result in judged if result.served.dataset.grid.sessions and len(result.judged.ds)]
    if not dated:
        return answers

    def store(connection: Connection, seq: int) -> None:
        replaced = [
            served
            for served in dated
            if not catalogue.is_grid_of(engine, served.dataset.id, served.dataset.grid, connection)
        ]
        if replaced:
            raise CalendarReplaced(replaced)
        if answers is not None:
            answers(connection, seq)

    return store


def kept(requests: Sequence[ObserveRequest], receipts: Sequence[Receipt], stamp: int) -> Along | None:
    """Stores the answers of requests that have a key, in the rows' own transaction; None where no request has one."""
    answers = [
        (request.keyed, receipt.packed(), [part.served.dataset.id for part in request.arrivals])
        for request, receipt in zip(requests, receipts, strict=True)
        if request.keyed
    ]
    if not answers:
        return None

    def store(connection: Connection, seq: int) -> None:
        idempotency.keep(
            connection,
            [
                StoredAnswer(keyed.key, keyed.fingerprint, answer, seq, stamp, datasets)
                for keyed, answer, datasets in answers
            ],
        )

    return store


def answer(requests: Iterable[ObserveRequest], results: Iterable[Receipt | Exception]) -> None:
    """Give every request its result in its own event loop; each loop is woken once."""
    waiting: dict[AbstractEventLoop, list[tuple[Future[Receipt], Receipt | Exception]]] = {}
    for request, result in zip(requests, results, strict=False):
        waiting.setdefault(request.loop, []).append((request.future, result))
    for loop, pairs in waiting.items():
        try:
            loop.call_soon_threadsafe(_deliver, pairs)
        except RuntimeError:  # the loop has ended
            log.info("the event loop ended before its requests were answered")


def _deliver(pairs: Iterable[tuple["Future[Receipt]", Receipt | Exception]]) -> None:
    for future, result in pairs:
        if future.done():  # the client went away
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)


def _float(value: float | None) -> float:
    return float("nan") if value is None else value
