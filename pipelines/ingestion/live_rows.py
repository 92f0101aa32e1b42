"""Which rows of an ingest go into the live log too: those that a state may still take in, and does not know yet.

A state is the context of its anchor, folded with the later rows of the log. So a row matters to it when it is newer
than the first step of its series' context. It is new when neither the log nor the context has its value. That is
decided against log and contexts, not against the lake: the next run mends a kill between the two.

A series without a context, such as one that this ingest brings, has its last values in the log, as many as a context
holds. Older ones are in the lake alone. What comes with a new series is its history: no forecast is scored on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from sqlalchemy import Engine

from data.errors import DamagedArtifact
from data.schema import SERIES, TIME, VALUE
from data.spill import Spill
from data.store import anchors, catalogue, observation_log, registry
from data.store.anchors import Anchor
from data.store.catalogue import Dataset
from forecasting.rolling import bundle as bundles
from pipelines.console import say
from states import anchors_in_use
from states.contexts import Contexts
from states.rows import Rows

FEW = 20_000  # rows that are looked up in the log one by one; for more the log is read from the first to the last time


@dataclass(frozen=True)
class Start:
    """An anchor in use, with its contexts of `length` steps."""

    anchor: Anchor
    contexts: Contexts
    length: int


@dataclass(frozen=True)
class NewRows:
    """Rows that the log does not have, in the order of time; every array is (k,). `values` are NaN where missing, and
    `history` says which came with a series that was not known before."""

    series: np.ndarray
    ds: np.ndarray
    values: np.ndarray
    history: np.ndarray

    def __len__(self) -> int:
        return len(self.series)

    def slices(self, size: int) -> Iterator[NewRows]:
        """The rows in parts of at most `size`."""
        for at in range(0, len(self), size):
            part = slice(at, at + size)
            yield NewRows(self.series[part], self.ds[part], self.values[part], self.history[part])


def starts(engine: Engine, dataset: Dataset) -> list[Start]:
    """Every anchor from which states may be folded now; one whose model or contexts cannot be read is left out."""
    found: list[Start] = []
    digests = {row.version: row.digest for row in registry.models(engine, dataset.id)}
    for version, anchor in anchors_in_use.versions(engine, dataset.id):
        shards, fetch = anchors.shards(engine, anchor), partial(anchors.read, engine, anchor)
        try:
            model = bundles.from_bytes(registry.artifact(engine, dataset.id, version), digests[version])
            length = model.config.context
            found += [Start(anchor, Contexts(shards, fetch, model.fingerprint, length), length)] if shards else []
        except DamagedArtifact as error:
            say(f"version {version} of {dataset.name!r} cannot be used, and takes in nothing: {error}")
    return found


def new_rows(
    engine: Engine,
    dataset: Dataset,
    parts: Spill,
    numbers: dict[str, int],
    begins: Sequence[Start],
    born: Sequence[int] = (),
) -> NewRows:
    """The rows of an ingest that the states of `begins` need and do not know.

    parts: conformed rows; numbers: surrogate id of each series; born: of those that were not known before.
    """
    ids = pl.DataFrame({SERIES: list(numbers), "number": list(numbers.values())}, schema_overrides={"number": pl.Int64})
    found = []
    for _, frame in parts.parts() if begins else ():
        rows = _rows(frame.select(SERIES, TIME, VALUE).join(ids, on=SERIES, maintain_order="left"), dataset)
        found.append(_unknown(engine, dataset, rows, begins))
    rows = Rows.joined(found) if found else _rows(pl.DataFrame(), dataset)
    rows = rows.select(np.lexsort((rows.series, rows.steps)))
    return NewRows(rows.series, dataset.grid.stamps(rows.steps), rows.values, np.isin(rows.series, born))


def live_values(engine: Engine, dataset: Dataset, span: tuple[int, int]) -> pl.DataFrame:
    """`unique_id, ds, y` of the current values of the live log between two times; the lake may not have them yet."""
    current = Rows.of_log(observation_log.between(engine, dataset.id, *span), dataset.grid).current()
    names = dict(catalogue.series(engine, dataset.id)) if len(current) else {}
    ids = pl.Series(SERIES, [names.get(number) for number in current.series.tolist()], pl.String)
    values = pl.Series(VALUE, current.values).fill_nan(None)
    return pl.DataFrame([ids, pl.Series(TIME, dataset.grid.stamps(current.steps)), values]).drop_nulls()


def _rows(frame: pl.DataFrame, dataset: Dataset) -> Rows:
    if frame.is_empty():
        none = np.zeros(0, np.int64)
        return Rows.arrived(none, none, np.zeros(0))
    values = frame[VALUE].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return Rows.arrived(frame["number"].to_numpy(), dataset.grid.steps(frame[TIME].to_numpy()), values)


def _unknown(engine: Engine, dataset: Dataset, rows: Rows, begins: Sequence[Start]) -> Rows:
    """Those of the rows of whole series, one for each step, that some state needs and does not know."""
    reached = np.zeros(len(rows), bool)
    inside = [_within_reach(engine, dataset, rows, begin) for begin in begins]
    for reach in inside:
        reached |= reach
    rows, inside = rows.select(reached), [reach[reached] for reach in inside]
    if not len(rows):
        return rows
    logged_at, logged = _in_log(engine, dataset, rows)
    wanted = np.zeros(len(rows), bool)
    for begin, reach in zip(begins, inside, strict=True):
        known = begin.contexts.values(rows.series, np.where(logged_at > begin.anchor.log_seq, NOWHERE, rows.steps))
        known = np.where(logged_at > begin.anchor.log_seq, logged, known)
        same = (known == rows.values) | (np.isnan(known) & np.isnan(rows.values))
        wanted |= reach & ~same
    return rows.select(wanted)


NOWHERE = -(2**62)  # a step that no context holds


def _within_reach(engine: Engine, dataset: Dataset, rows: Rows, begin: Start) -> np.ndarray:
    """(k,) bool: is a row newer than the first step of its series' context, or than what stands for it?"""
    reach = ~begin.contexts.before(rows.series, rows.steps)
    born = reach & ~begin.contexts.has(rows.series)
    if born.any():
        reach[born] = rows.steps[born] > _newest_steps(engine, dataset, rows.select(born)) - begin.length
    return reach


def _newest_steps(engine: Engine, dataset: Dataset, rows: Rows) -> np.ndarray:
    """(k,) the newest step with a value of each row's series, among these rows and in the log."""
    series, own = np.unique(rows.series, return_inverse=True)
    newest, valued = np.full(len(series), NOWHERE), ~np.isnan(rows.values)
    np.maximum.at(newest, own[valued], rows.steps[valued])
    earliest = int(dataset.grid.stamps(np.array([newest.min() if valued.all() else rows.steps.min()]))[0])
    logged = observation_log.newest_stamps(engine, dataset.id, series.tolist(), earliest)
    known = [place for place, number in enumerate(series.tolist()) if number in logged]
    later = dataset.grid.steps(np.array([logged[int(series[place])] for place in known], np.int64))
    newest[known] = np.maximum(newest[known], later)
    return newest[own]


def _in_log(engine: Engine, dataset: Dataset, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """(k,) the position of the newest row of the log for each row's series and step, 0 where there is none, and its
    value."""
    stamps = dataset.grid.stamps(rows.steps)
    if len(rows) <= FEW:
        keys = zip(rows.series.tolist(), stamps.tolist(), strict=True)
        log = observation_log.at(engine, dataset.id, list(keys))
    else:
        log = observation_log.between(engine, dataset.id, int(stamps.min()), int(stamps.max()))
    current = Rows.of_log(log, dataset.grid).current()
    place = _find(current.series, current.steps, rows.series, rows.steps)
    found = place >= 0
    seq, value = np.zeros(len(rows), np.int64), np.full(len(rows), np.nan)
    seq[found], value[found] = current.sequence[place[found]], current.values[place[found]]
    return seq, value


def _find(series: np.ndarray, steps: np.ndarray, wanted: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(k,) for each (wanted, at) its place among (series, steps), which ascend; -1 where it is none of them."""
    if not len(series):
        return np.full(len(wanted), -1)
    low, width = min(steps.min(), at.min()), max(steps.max(), at.max()) - min(steps.min(), at.min()) + 1
    numbers = np.union1d(series, wanted)
    have = np.searchsorted(numbers, series) * width + (steps - low)
    want = np.searchsorted(numbers, wanted) * width + (at - low)
    place = np.minimum(np.searchsorted(have, want), len(have) - 1)
    return np.where(have[place] == want, place, -1)
