"""The contexts of every anchor in use as they are without the deleted rows: as of the same moment as before.

The contexts of a promotion are cut from lake and log again. Those of a later anchor also carry over what the states
before it had learnt. Rows of that past may have left the log, so that it cannot be folded again: for the series whose
rows are deleted, the intervals and the cycle memory start anew there. Their score sums go on.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.errors import DamagedArtifact, Unavailable
from data.lake.erase import Erasure
from data.schema import SERIES
from data.store import anchors, observation_log, promotions, registry
from data.store.anchors import Anchor
from data.store.observation_log import Log
from forecasting.kinds import model_of
from forecasting.rolling import bundle as bundles
from pipelines.console import say
from pipelines.deletion import context_changes
from pipelines.deletion.context_changes import ChangedContexts
from pipelines.deletion.plan import Plan
from pipelines.history.ends import NEVER, Ends
from pipelines.history.history import find_tails
from pipelines.history.moment import WRITTEN, Moment, parse_moment
from pipelines.workspace import Workspace
from states import anchors_in_use

NEWEST = int(np.iinfo(np.int64).max)  # a row, or a time, that is after all others
FEW = 200  # series that are looked for in the lake by name; for more of them all are read
KEPT = ("rival",)  # of the carried arrays: chosen when the model was trained


@dataclass(frozen=True)
class ChangedAnchor:
    """An anchor in use, and its contexts without the deleted rows; `carries`: states went over to it."""

    old: Anchor
    blobs: list[bytes]
    carries: bool


def changed_anchors(workspace: Workspace, plan: Plan) -> list[ChangedAnchor]:
    """The newest anchor of every promotion that a service may run. To be called when the lake is without the rows."""
    remaining = remaining_log(workspace, plan)
    in_use = {anchor.promotion_id for anchor in anchors_in_use.wanted(workspace.engine, plan.dataset.id)}
    made: dict[int, ChangedAnchor] = {}  # by the contexts that anchors share
    found = []
    for promotion_id in sorted(in_use):
        anchor = anchors.newest(workspace.engine, promotion_id)
        if anchor is None or not (shards := anchors.shards(workspace.engine, anchor)):
            continue
        if anchor.contexts not in made:
            try:
                blobs = [anchors.read(workspace.engine, anchor, shard) for shard in shards]
                made[anchor.contexts] = change(workspace, plan, anchor, blobs, remaining)
            except DamagedArtifact as error:
                say(f"promotion {promotion_id} of {plan.dataset.name!r} cannot be used any more: {error}")
                continue
        shared = made[anchor.contexts]
        found.append(ChangedAnchor(anchor, shared.blobs, shared.carries))
    return found


def remaining_log(workspace: Workspace, plan: Plan) -> Log:
    """What stays in the log of the series whose past changes."""
    log = observation_log.log(workspace.engine, plan.dataset.id)
    return plan.logged.without(log.select(np.isin(log.series_id, list(plan.series))))


def change(workspace: Workspace, plan: Plan, anchor: Anchor, blobs: list[bytes], remaining: Log) -> ChangedAnchor:
    """The contexts of one anchor without the rows."""
    carries, length = context_changes.carries(blobs), context_changes.length_of(blobs)
    moment = moment_of(workspace, plan, context_changes.snapshot_of(blobs), anchor.log_seq)
    series = np.array(sorted(set(plan.series) - set(plan.dropped)), np.int64)
    before = context_changes.last_values(blobs, series)
    ends = ends_at(workspace, plan, series, moment, remaining, before)
    values, last = find_tails(workspace, plan.dataset, moment, ends, length, released_later=True, gone=plan.logged)
    everyone = np.array(sorted(plan.series), np.int64)
    rows = np.searchsorted(everyone, ends.series)
    new_values, origin = np.full((len(everyone), length), np.nan), np.zeros(len(everyone), np.int64)
    valued = last != NEVER
    new_values[rows[valued]], origin[rows[valued]] = values[valued], last[valued]
    carried = fresh_arrays(workspace, plan, anchor) if carries else {}
    return ChangedAnchor(
        anchor, context_changes.change(blobs, ChangedContexts(everyone, new_values, origin, carried)), carries
    )


def moment_of(workspace: Workspace, plan: Plan, snapshot: str, log_seq: int) -> Moment:
    """The moment that contexts are of: the one that they name, or the position of the log that they were made at."""
    if WRITTEN.fullmatch(snapshot):
        with suppress(Unavailable):  # of an earlier version of Rollcast
            return parse_moment(workspace, plan.dataset, snapshot)
    return moment_after(workspace, plan.dataset.id, log_seq)


def moment_after(workspace: Workspace, dataset_id: int, log_seq: int) -> Moment:
    """The moment at which the log had reached a row: later rows, and later ingests, came with later stamps."""
    later = observation_log.nth(workspace.engine, dataset_id, log_seq, NEWEST, 1)
    stamp = None if later is None else observation_log.stamp(workspace.engine, dataset_id, later)
    known_at = NEWEST if stamp is None else stamp - 1
    return Moment(workspace.lake.snapshot(dataset_id), log_seq, known_at)


def ends_at(
    workspace: Workspace,
    plan: Plan,
    series: np.ndarray,
    moment: Moment,
    remaining: Log,
    before: dict[int, tuple[int, int]],
) -> Ends:
    """Where the series (n,) begin and end without the rows, those that have rows left.

    before: the last value and the end of their contexts until now. A missing step that came live after a value moves
    the end; where it has left the log by now, its row in the lake says so.
    """
    grid, names, count = plan.dataset.grid, plan.series, len(series)
    logged = remaining.select((remaining.seq <= moment.log_seq) & np.isin(remaining.series_id, series))
    first, last, live = np.full(count, NEWEST), np.full(count, NEVER), np.full(count, NEVER)
    own, steps = np.searchsorted(series, logged.series_id), grid.steps(logged.ds)
    np.minimum.at(first, own, steps)
    np.maximum.at(live, own, steps)
    stored = stored_ends(workspace, plan, [names[number] for number in series.tolist()])
    numbers = {names[number]: row for row, number in enumerate(series.tolist())}
    rows = np.array([numbers[name] for name in stored[SERIES].to_list()], np.int64)
    last[rows] = grid.steps(stored["last"].to_numpy())
    first[rows] = np.minimum(first[rows], grid.steps(stored["first"].to_numpy()))
    for number, (valued, origin) in before.items():
        row = int(np.searchsorted(series, number))
        if valued < origin <= last[row] and not plan.takes(int(grid.stamps([origin])[0])):
            live[row] = max(live[row], origin)
    last = np.maximum(last, live)
    found = np.flatnonzero(last != NEVER)
    kept = series[found]
    return Ends(kept, tuple(names[n] for n in kept.tolist()), first[found], last[found], live[found])


def stored_ends(workspace: Workspace, plan: Plan, names: list[str]) -> pl.DataFrame:
    """Series, `first` and `last` `ds` of its rows in the lake, of those of `names` that have any."""
    if len(names) <= FEW:
        return workspace.lake.matching(plan.dataset.id, Erasure(series=tuple(names))).select(SERIES, "first", "last")
    return workspace.lake.spans(plan.dataset.id)[0].filter(pl.col(SERIES).is_in(names))


def fresh_arrays(workspace: Workspace, plan: Plan, anchor: Anchor) -> dict[str, np.ndarray]:
    """Name -> value of each carried array as a state without a past has it. Raises DamagedArtifact."""
    engine, dataset_id = workspace.engine, plan.dataset.id
    version = next(d.version for d in promotions.decisions(engine, dataset_id) if d.id == anchor.promotion_id)
    digest = next((row.digest for row in registry.models(engine, dataset_id) if row.version == version), "")
    roller = model_of(bundles.from_bytes(registry.artifact(engine, dataset_id, version), digest))
    empty = roller.empty(1).arrays
    return {name: empty[name][0] for name in roller.carried if name not in KEPT}
