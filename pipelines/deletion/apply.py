"""The transaction with which the live store loses the rows: log, states, quarantine, limits, scores and records.

It comes after the lake lost them. What it needs is read before; where an anchor was made meanwhile, it is read again.
States are not stored anew: the new anchors say `refold`, and services fold them from contexts and log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, delete, select, update

from data import failpoints
from data.changes import applied, deletions, ingests
from data.changes.deletions import DeletionRecord
from data.history import page_table, vintage_table
from data.history.page_codec import STEPS
from data.history.page_table import PendingPages
from data.lake import log_checksums
from data.records import quarantine, scores, series_ends, series_limits
from data.records.series_limits import SeriesLimits
from data.store import anchors, catalogue, database, identities, keys, tables
from data.store.database import LOG_LOCK
from data.store.registry import MODELS_LOCK
from pipelines.deletion.contexts import (
    ChangedAnchor,
    changed_anchors,
    ends_at,
    moment_after,
    remaining_log,
    stored_ends,
)
from pipelines.deletion.ingest_records import restore_records
from pipelines.deletion.plan import Plan
from pipelines.history.ends import NEVER
from pipelines.history.history import find_tails
from pipelines.workspace import Workspace

LOCKS = (
    MODELS_LOCK,
    quarantine.QUARANTINE_LOCK,
    catalogue.CATALOGUE_LOCK,
    page_table.HISTORY_LOCK,
    vintage_table.VINTAGE_LOCK,
)  # in this order, as an ingest takes them
CHUNK = 500


class _Anchored(Exception):
    """A version was promoted meanwhile, whose contexts have the rows."""


@dataclass(frozen=True)
class Prepared:
    """What the transaction writes, read before it. `ends` are `ds` of first and last row in the lake, None without."""

    anchors: list[ChangedAnchor]
    limits: list[SeriesLimits]
    limited: list[int]
    ends: dict[int, tuple[int, int] | None]
    checksums: dict[int, str]
    version: int


def apply(workspace: Workspace, deletion: DeletionRecord, plan: Plan, detail: dict[str, Any]) -> dict[str, Any]:
    """Take the rows out of the live store; returns `detail` with what was done."""
    while True:
        newest = anchors.last_id(workspace.engine)
        prepared = prepare(workspace, plan)
        failpoints.hit("deletion.prepared")
        try:
            with database.writing(workspace.engine, LOG_LOCK) as connection:
                for lock in LOCKS:
                    database.hold(connection, lock)
                if anchors.newest_id(connection) != newest:
                    raise _Anchored
                done = store(connection, deletion, plan, prepared, detail)
        except _Anchored:
            continue
        failpoints.hit("deletion.applied")
        return done


def prepare(workspace: Workspace, plan: Plan) -> Prepared:
    """Read everything that changes. The lake is without the rows by now; of the log they are left out."""
    engine, dataset = workspace.engine, plan.dataset
    spans = {name: (first, last) for name, first, last in stored_ends(workspace, plan, list(plan.names)).rows()}
    limits, limited = changed_limits(workspace, plan)
    return Prepared(
        changed_anchors(workspace, plan),
        limits,
        limited,
        {number: spans.get(name) for number, name in plan.series.items()},
        log_checksums.checksums_without(engine, dataset.id, plan.logged),
        workspace.lake.snapshot(dataset.id) or 0,
    )


def changed_limits(workspace: Workspace, plan: Plan) -> tuple[list[SeriesLimits], list[int]]:
    """The limits of the series that have some, made again from the values before the same row of the log, and the ids
    of these series. One that has too few values left gets none."""
    old = [own for own in series_limits.read(workspace.engine, plan.dataset.id) if own.series_id in plan.series]
    steps, remaining, made = series_limits.reference_steps(plan.dataset.season), remaining_log(workspace, plan), []
    dropped = set(plan.dropped)
    kept = [own for own in old if own.series_id not in dropped]
    for log_seq in sorted({own.log_seq for own in kept}):
        series = np.array(sorted(own.series_id for own in kept if own.log_seq == log_seq), np.int64)
        moment = moment_after(workspace, plan.dataset.id, log_seq)
        ends = ends_at(workspace, plan, series, moment, remaining, {})
        values, last = find_tails(workspace, plan.dataset, moment, ends, steps, gone=plan.logged)
        valued = last != NEVER
        made += series_limits.limits_of(ends.series[valued], values[valued], last[valued], log_seq)
    return made, [own.series_id for own in old]


def store(
    connection: Connection, deletion: DeletionRecord, plan: Plan, new: Prepared, detail: dict[str, Any]
) -> dict[str, Any]:
    """Write all of it in a running transaction."""
    dataset_id = plan.dataset.id
    identities.retire_log(connection)
    identities.retire(connection, tables.series.c.id, tables.anchors.c.anchor_id, tables.quarantine.c.id)
    logged = plan.logged.delete(connection)
    log_checksums.replace_checksums(connection, dataset_id, new.checksums)
    series_ends.replace(connection, dataset_id, new.ends, new.version)
    series_limits.replace_along(connection, dataset_id, new.limited, new.limits)
    held = quarantined(connection, plan)
    quarantine.remove(connection, held)
    marks = replace_anchors(connection, plan, new.anchors)
    page_table.take_away(connection, dataset_id, pages_of(plan), new.version)
    delete_vintages(connection, plan)
    dropped = drop_series(connection, plan)
    restore_records(connection, plan)
    stored = (tables.datasets.c.id == dataset_id, tables.datasets.c.snapshot.is_not(None))
    connection.execute(update(tables.datasets).where(*stored).values(snapshot=new.version))  # refuses older contexts
    if plan.ingest is not None:
        ingests.mark_undone(connection, plan.ingest.id)
    done = dict(detail["deleted"]) | {"log_rows": logged, "quarantined": len(held), "series": len(dropped)}
    carries = sorted(anchor.old.promotion_id for anchor in new.anchors if anchor.carries)
    detail = detail | {
        "deleted": done,
        "tallies": marks,
        "carried": carries,
        "dropped": [plan.series[n] for n in dropped],
    }
    applied.number(connection, deletion.id)
    deletions.note(connection, deletion, detail)
    return detail


def pages_of(plan: Plan) -> PendingPages:
    """The pages of history that have the rows, or may have them."""
    ends = (plan.erasure.first, plan.erasure.last) if plan.kind == "rows" else (None, None)
    first, last = (None if ds is None else int(plan.dataset.grid.steps([ds])[0]) // STEPS for ds in ends)
    return PendingPages(tuple(plan.series), first, last)


def quarantined(connection: Connection, plan: Plan) -> list[int]:
    """Ids of the values in quarantine that go with the rows."""
    if plan.ingest is not None:
        after, upto = plan.ingest.before.get("quarantined", (0, 0))
        return quarantine.of_source(connection, plan.dataset.id, plan.ingest.source, after, upto)
    erasure = plan.erasure
    return quarantine.of_deletion(connection, plan.dataset.id, tuple(plan.series), erasure.first, erasure.last)


def with_quarantine(engine: Engine, dataset_id: int, series: list[int], without: list[int]) -> set[int]:
    """Those of some series that have a value in quarantine beside the values `without`."""
    table, gone = tables.quarantine.c, set(without)
    query = select(table.id, table.series_id).where(table.dataset_id == dataset_id)
    with database.reading(engine) as connection:
        return {number for value, number in connection.execute(query) if value not in gone} & set(series)


def replace_anchors(
    connection: Connection, plan: Plan, changed: list[ChangedAnchor]
) -> dict[str, list[tuple[int, int]]]:
    """Add the new anchors, and delete the contexts, snapshots and score sums that know the rows.

    Returns, by promotion, when each of its sums was stored and after which row of the log, so that they can be made
    again. Sums of before a later anchor stay, unless series go: those cannot be told apart in them.
    """
    dataset_id, made, marks = plan.dataset.id, dict[int, int](), dict[str, list[tuple[int, int]]]()
    for anchor in changed:
        shared = made.get(anchor.old.contexts)
        blobs = anchor.blobs if shared is None else ()
        new = anchors.add(
            connection, dataset_id, anchor.old.promotion_id, anchor.old.log_seq, blobs, shared, refold=True
        )
        made.setdefault(anchor.old.contexts, new.contexts)
        after = -1 if plan.kind == "series" or not anchor.carries else anchor.old.log_seq
        taken = scores.take_away(connection, dataset_id, anchor.old.promotion_id, after)
        marks[str(anchor.old.promotion_id)] = [mark for mark in taken if mark[1] >= anchor.old.log_seq]
    drop_states(connection, dataset_id, list(made.values()))
    pairs, promotions = tables.trials, [anchor.old.promotion_id for anchor in changed]
    connection.execute(delete(pairs).where(pairs.c.shadow_promotion_id.in_(promotions)))
    return marks


def drop_states(connection: Connection, dataset_id: int, kept: list[int]) -> None:
    """Delete every snapshot of a dataset, and its contexts but the `kept` ones."""
    connection.execute(delete(tables.snapshots).where(tables.snapshots.c.dataset_id == dataset_id))
    own = select(tables.anchors.c.anchor_id).where(tables.anchors.c.dataset_id == dataset_id)
    contexts = tables.contexts.c.anchor_id
    connection.execute(delete(tables.contexts).where(contexts.in_(own), contexts.not_in(kept)))


def delete_vintages(connection: Connection, plan: Plan) -> None:
    """Delete the stored forecasts from and for the deleted rows. Those of an ingest stay, as issued forecasts do."""
    for start in range(0, len(plan.series) if plan.kind == "rows" else 0, CHUNK):
        part = list(plan.series)[start : start + CHUNK]
        vintage_table.delete_rows(connection, part, plan.erasure.first, plan.erasure.last)


def drop_series(connection: Connection, plan: Plan) -> list[int]:
    """Delete the series that go: those that were named, and those that an ingest brought and nothing else has."""
    chosen = list(plan.dropped)
    if plan.ingest is not None:
        chosen = [number for number in plan.ingest.before.get("series", ()) if number in plan.series]
        chosen = without_rows(connection, plan.dataset.id, chosen)
    for start in range(0, len(chosen), CHUNK):
        part = chosen[start : start + CHUNK]
        connection.execute(delete(tables.limits).where(tables.limits.c.series_id.in_(part)))
        vintage_table.delete_series(connection, part)
        connection.execute(delete(tables.series).where(tables.series.c.id.in_(part)))
    keys.forget(connection, [f"{plan.dataset.name}/{plan.series[number]}" for number in chosen])
    return chosen


def without_rows(connection: Connection, dataset_id: int, series: list[int]) -> list[int]:
    """Those of the series of which neither lake nor log has a row, nor quarantine a value."""
    stored, log, held = tables.series.c, tables.observations.c, tables.quarantine.c
    queries = (
        select(stored.id).where(stored.dataset_id == dataset_id, stored.last_ds.is_not(None)),
        select(log.series_id).where(log.dataset_id == dataset_id).distinct(),
        select(held.series_id).where(held.dataset_id == dataset_id).distinct(),
    )
    used = {number for query in queries for number in connection.scalars(query)}
    return [number for number in series if number not in used]
