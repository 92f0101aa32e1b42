"""Answers about the past of one series: its rows, or bins of them for a screen."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import numpy as np
from sqlalchemy import Engine

from data.grid.stamps import format_all
from data.history import overviews, page_table
from data.history.number_blocks import Floats
from data.history.overviews import WIDTH, Bins
from data.history.page_codec import PastRows
from data.history.page_table import HistoryMark
from data.records import quarantine
from data.store import observation_log
from service.forecast.query_params import ObservationsQuery
from service.history.past import BEGIN, Past, Span, read_past
from service.http.errors import FieldFault, ProblemError, not_for_symbols
from service.models.datasets import Target


def etag(engine: Engine, target: Target, mark: HistoryMark | None, query: ObservationsQuery, span: Span) -> str:
    """The ETag: it changes with the dataset's log, its pages and anchor, and with the query."""
    dataset, champion = target.served.dataset, target.served.champion
    seq, version = observation_log.last_seq(engine, dataset.id), 0 if mark is None else mark.version
    words = (target.series, target.label, dataset.grid.mark, champion and champion.anchor_id, span, query)
    return f'"{dataset.id}-{seq}-{version}-{blake2b(repr(words).encode(), digest_size=6).hexdigest()}"'


HeldValues = tuple[float, str, str | None]  # value, rule, and the symbol where it is none of the vocabulary


def answer(engine: Engine, target: Target, query: ObservationsQuery, span: Span, known: str) -> tuple[str, Any]:
    """ETag and body; None in place of the body where the client knows it. Raises ProblemError (410)."""
    mark = page_table.mark(engine, target.served.dataset.id)
    tag = etag(engine, target, mark, query, span)
    if tag in known:
        return tag, None
    if query.points and target.served.dataset.has_symbols:
        raise not_for_symbols("bins: none of them is the least or the largest; ask for rows, without `points`")
    past = read_past(engine, target, mark, span)
    return tag, for_screen(past, target, query) if query.points else observed(past, target, query)


def observed(past: Past, target: Target, query: ObservationsQuery) -> dict[str, Any]:
    """The body of rows. Raises ProblemError (410)."""
    if past.cut and past.available_from is not None and BEGIN < past.first < past.available_from:
        fault = FieldFault("/query/from", "is older than what the service keeps")
        begin = _stamps(target, [past.available_from])[0]
        detail = "Values this old are in the lake alone; `available_from` is the first that is kept."
        raise ProblemError(410, "not_kept", detail, [fault], available_from=begin)
    rows, after = past.rows(query.limit + 1, query.backwards), None
    if len(rows) > query.limit:
        after = int(rows.steps[-query.limit - 1] if query.backwards else rows.steps[query.limit])
    part = slice(-query.limit, None) if query.backwards else slice(query.limit)
    rows = PastRows(rows.steps[part], rows.values[part], rows.corrected[part])
    values, held = _without_held(past.engine, target, rows)
    order = slice(None, None, -1 if query.backwards else 1)
    steps, values, corrected = rows.steps[order], values[order], rows.corrected[order]
    places = {int(step): place for place, step in enumerate(steps.tolist())}
    outside = [places[step] for step in held]
    missing, dataset = np.isnan(values), target.served.dataset
    missing[outside] = False
    return {
        **_head(target),
        "ds": _stamps(target, steps),
        "y": values.copy() if dataset.vocabulary is None else [dataset.shown(y) for y in values.tolist()],
        "imputed": np.flatnonzero(missing),
        "corrected": np.flatnonzero(corrected),
        "quarantined": [
            {"index": place, "y": word or dataset.shown(y), "rule": rule}
            for place, (y, rule, word) in sorted(zip(outside, held.values(), strict=True))
        ],
        **_available(past, target),
        "next": None if after is None else _stamps(target, [after])[0],
    }


def _without_held(engine: Engine, target: Target, rows: PastRows) -> tuple[Floats, dict[int, HeldValues]]:
    """The values without those in quarantine; and value, rule and word of these, by step."""
    values, held = rows.values.copy(), dict[int, HeldValues]()
    if not len(rows):
        return values, held
    dataset = target.served.dataset
    first, last = dataset.grid.stamps(rows.steps[[0, -1]]).tolist()
    found = quarantine.of_series(engine, dataset.id, target.series, first, last)
    steps = dataset.grid.steps([one.ds for one in found]).tolist() if found else []
    for step, (_, y, rule, word) in zip(steps, found, strict=True):
        place = int(np.searchsorted(rows.steps, step))
        if rows.steps[place] == step and (np.isnan(values[place]) or values[place] == y):
            values[place] = np.nan
            held[step] = (y, rule, word)
    return values, held


def for_screen(past: Past, target: Target, query: ObservationsQuery) -> dict[str, Any]:
    """The body of at most `points` rows, or bins where there are more."""
    begin = past.available_from is None or not past.cut or not BEGIN < past.first < past.available_from
    if begin and len(past.rows(query.points + 1)) <= query.points and not _has_older_bins(past):
        return observed(past, target, replace(query, limit=query.points))
    return thinned(past, target, query.points)


def _has_older_bins(past: Past) -> bool:
    """Are there bins of rows that are not kept any more?"""
    if not past.paged or not past.cut or past.available_from is None:
        return False
    bins = past.bins()
    return bool(len(bins)) and int(bins.numbers[0]) * WIDTH + WIDTH <= past.available_from


def thinned(past: Past, target: Target, points: int) -> dict[str, Any]:
    """The body of at most `points` bins. From 64 steps on, bins are whole multiples of 64 steps."""
    bins, width = past.bins(), WIDTH
    if len(bins):
        first = max(past.first, int(bins.numbers[0]) * WIDTH)
        last = min(past.last, int(bins.numbers[-1]) * WIDTH + WIDTH - 1)
        old = past.paged and past.cut and past.available_from is not None and first < past.available_from
        if old or last - first + 1 > (WIDTH - 1) * points:
            times = max(1, -(-(last - first + 1) // (WIDTH * points)))
            while len(wide := bins.wider(times)) > points:
                times += 1
            bins, width = wide, times * WIDTH
        else:
            bins, width = _fine(past, target, points)
    low = past.first if width < WIDTH else BEGIN
    newest = past.rows(1, backwards=True).steps[-1:]
    high = min(past.last, int(newest[0])) if len(newest) else past.last
    return {**_head(target), "bins": _columns(target, bins, width, low, high), **_available(past, target)}


def _fine(past: Past, target: Target, points: int) -> tuple[Bins, int]:
    """At most `points` bins of less than 64 steps, and how many steps they have."""
    rows = past.rows()
    values, _ = _without_held(past.engine, target, rows)
    rows = PastRows(rows.steps, values, rows.corrected)
    width = max(1, -(-int(rows.steps[-1] - rows.steps[0] + 1) // points)) if len(rows) else 1
    while len(bins := overviews.bins_of(rows, width)) > points:
        width += 1
    return bins, width


def _columns(target: Target, bins: Bins, width: int, low: int, high: int) -> dict[str, Any]:
    """Bins as answers show them, with the first and the last step of each, which lie between `low` and `high`."""
    first, last = np.maximum(bins.numbers * width, low), np.minimum(bins.numbers * width + width - 1, high)
    stamps = {"ds": _stamps(target, first), "last_ds": _stamps(target, last)}
    return {**stamps, "low": bins.low.copy(), "high": bins.high.copy(), "last": bins.last.copy()}


def _head(target: Target) -> dict[str, Any]:
    dataset = target.served.dataset
    names = {"dataset": dataset.name, "unique_id": target.unique_id}
    return {**names, "freq": dataset.grid.freq, "kind": dataset.kind}


def _available(past: Past, target: Target) -> dict[str, Any]:
    found = past.available_from
    return {"available_from": None if found is None else _stamps(target, [found])[0]}


def _stamps(target: Target, steps: Any) -> Sequence[str] | Sequence[int]:
    grid = target.served.dataset.grid
    return format_all(grid.label_stamps(np.asarray(steps, np.int64), target.label), grid.kind)
