"""Changes of the live store's tables from one schema version to the next, in one transaction of `database.migrate`."""

from sqlalchemy import Connection, func, insert, inspect, select, text
from sqlalchemy.schema import CreateColumn

from data import clock
from data.sql_views import create_views, drop_views
from data.store import tables

UNJUDGED = "live log of before"  # watermark: rows of a dataset's log up to which values have no verdict yet
RENAMED = (  # version 5: table, name before, name since
    ("snapshots", "epoch", "anchor_id"),
    ("contexts", "epoch", "anchor_id"),
    ("scores", "epoch", "promotion_id"),
    ("trials", "shadow_epoch", "shadow_promotion_id"),
    ("trials", "champion_epoch", "champion_promotion_id"),
    ("issues", "epoch", "promotion_id"),
)
ADDED = (  # versions 6 to 9
    tables.datasets.c.auto_create,
    tables.datasets.c.max_series,
    tables.series.c.first_ds,
    tables.series.c.last_ds,
    tables.observations.c.verdict,
    tables.datasets.c.memory,
    tables.datasets.c.deleted_at,
    tables.series.c.label,
    tables.anchors.c.refold,
    tables.idempotency.c.datasets,
    tables.jobs.c.kind,
    tables.jobs.c.asked,
    tables.datasets.c.kind,
    tables.datasets.c.vocabulary,
    tables.quarantine.c.word,
)


def migrate_tables(connection: Connection) -> None:
    """Bring the tables of any earlier version to the present one."""
    drop_views(connection)
    tables.metadata.create_all(connection)  # missing tables: `first_rules`, `history`, `vintages` in version 8
    _order_by_time(connection)
    _rename_columns(connection)
    _add_columns(connection)
    _free_contexts(connection)
    _make_anchors(connection)
    _note_unjudged(connection)
    create_views(connection)


def _order_by_time(connection: Connection) -> None:
    """Version 4: an index by time replaces the one by series, with which each row of a batch rewrote its own page."""
    connection.execute(text("DROP INDEX IF EXISTS observations_by_key"))
    for index in tables.observations.indexes:
        index.create(connection, checkfirst=True)


def _rename_columns(connection: Connection) -> None:
    """Version 5: columns `epoch` are called `anchor_id` or `promotion_id`."""
    for table, old, new in RENAMED:
        if old in _columns(connection, table):
            connection.execute(text(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}"))


def _add_columns(connection: Connection) -> None:
    """Versions 6 to 9: columns that older tables do not have; existing rows get the default, or null."""
    for column in ADDED:
        if column.name not in _columns(connection, column.table.name):
            described = CreateColumn(column).compile(connection)
            connection.execute(text(f"ALTER TABLE {column.table.name} ADD COLUMN {described}"))


def _free_contexts(connection: Connection) -> None:
    """Version 6: an anchor need not be a promotion, so contexts refer to no promotion any more."""
    if not inspect(connection).get_foreign_keys("contexts"):
        return
    connection.execute(text("ALTER TABLE contexts RENAME TO contexts_before"))
    if connection.dialect.name == "postgresql":  # its index keeps the name of the primary key
        connection.execute(text("ALTER TABLE contexts_before DROP CONSTRAINT contexts_pkey"))
    tables.contexts.create(connection)
    columns = "anchor_id, shard, blob"
    connection.execute(text(f"INSERT INTO contexts ({columns}) SELECT {columns} FROM contexts_before"))  # noqa: S608
    connection.execute(text("DROP TABLE contexts_before"))


def _make_anchors(connection: Connection) -> None:
    """Version 6: each decision that has contexts was an anchor; one called `reanchored` is an anchor of the promotion
    before it."""
    decisions, anchors = tables.promotions, tables.anchors
    if connection.execute(select(anchors.c.anchor_id).limit(1)).first() is not None:
        return
    with_contexts = set(connection.scalars(select(tables.contexts.c.anchor_id).distinct()))
    promoted: dict[int, int] = {}  # by dataset
    found = []
    for row in connection.execute(select(decisions).order_by(decisions.c.id)):
        if row.event in ("promoted", "rolled_back"):
            promoted[row.dataset_id] = row.id
        if row.id not in with_contexts:
            continue
        found.append(
            {
                "anchor_id": row.id,
                "dataset_id": row.dataset_id,
                "promotion_id": promoted.get(row.dataset_id, row.id) if row.event == "reanchored" else row.id,
                "log_seq": row.log_seq,
                "contexts": row.id,
                "made_at": row.decided_at,
            }
        )
    if found:
        connection.execute(insert(anchors), found)


def _note_unjudged(connection: Connection) -> None:
    """Version 6: live values get their verdict when they are stored. Up to which row of the log they have none."""
    log, marks = tables.observations.c, tables.watermarks
    if connection.execute(select(marks.c.value).where(marks.c.source == UNJUDGED).limit(1)).first() is not None:
        return
    known = log.dataset_id.in_(select(tables.datasets.c.id))
    newest = connection.execute(select(log.dataset_id, func.max(log.seq)).where(known).group_by(log.dataset_id)).all()
    rows = [
        {"dataset_id": dataset_id, "source": UNJUDGED, "value": str(seq), "updated_at": clock.now()}
        for dataset_id, seq in newest
    ]
    if rows:
        connection.execute(insert(marks), rows)


def _columns(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}
