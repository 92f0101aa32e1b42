"""Deletes from a live store as a pipeline process does: in one transaction that numbers itself, with new anchors."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete

from data.changes import applied, deletions
from data.store import anchors, catalogue, identities, tables
from data.store.catalogue import Dataset
from data.store.database import LOG_LOCK, hold, writing
from data.store.registry import MODELS_LOCK
from tests.support.service_kit import World

Contexts = Mapping[int, Sequence[bytes]]  # by promotion: the contexts of its new anchor


def delete_rows(
    world: World, dataset: Dataset, unique_id: str, first: int, last: int, contexts: Contexts, bare: bool = False
) -> None:
    """Delete the rows of a series with first <= ds <= last. bare: the contexts of before are deleted at once too."""
    _delete(world, dataset, "rows", {"series": [unique_id], "first": first, "last": last}, contexts, bare)


def delete_series(world: World, dataset: Dataset, unique_id: str, contexts: Contexts) -> None:
    """Delete a series with all its rows."""
    _delete(world, dataset, "series", {"series": [unique_id]}, contexts, bare=False)


def delete_dataset(world: World, dataset: Dataset) -> None:
    """Delete a dataset with all its rows, series and models; the promotion log stays."""
    asked = deletions.ask(world.engine, dataset.id, "dataset", {})
    with writing(world.engine, LOG_LOCK) as connection:
        identities.retire_log(connection)
        identities.retire(connection, tables.series.c.id, tables.anchors.c.anchor_id)
        numbers = [anchor.anchor_id for anchor in anchors.anchors(world.engine, dataset.id)]
        connection.execute(delete(tables.contexts).where(tables.contexts.c.anchor_id.in_(numbers)))
        for table in (
            tables.quarantine,
            tables.observations,
            tables.snapshots,
            tables.anchors,
            tables.limits,
            tables.scores,
            tables.series,
        ):
            connection.execute(delete(table).where(table.c.dataset_id == dataset.id))
        catalogue.bury(connection, dataset.id)
        applied.number(connection, asked.id)


def _delete(
    world: World, dataset: Dataset, kind: deletions.Kind, asked: dict[str, object], contexts: Contexts, bare: bool
) -> None:
    """Delete the rows of one series, or all of it, and add the new anchors."""
    engine, deletion = world.engine, deletions.ask(world.engine, dataset.id, kind, asked)
    number = world.number(dataset, deletion.asked["series"][0])
    before = {promotion_id: anchors.newest(engine, promotion_id) for promotion_id in contexts}
    with writing(engine, LOG_LOCK) as connection:
        hold(connection, MODELS_LOCK)
        identities.retire_log(connection)
        log = tables.observations
        for table in (log, tables.quarantine):
            rows = delete(table).where(table.c.series_id == number)
            if kind == "rows":
                rows = rows.where(table.c.ds.between(asked["first"], asked["last"]))
            connection.execute(rows)
        if kind == "series":
            identities.retire(connection, tables.series.c.id)
            connection.execute(delete(tables.limits).where(tables.limits.c.series_id == number))
            connection.execute(delete(tables.series).where(tables.series.c.id == number))
        for table in (tables.snapshots, tables.scores):
            connection.execute(delete(table).where(table.c.dataset_id == dataset.id))
        for promotion_id, blobs in contexts.items():
            old = before[promotion_id]
            assert old is not None
            anchors.add(connection, dataset.id, promotion_id, old.log_seq, blobs, refold=True)
            if bare:
                connection.execute(delete(tables.contexts).where(tables.contexts.c.anchor_id == old.contexts))
        applied.number(connection, deletion.id)
