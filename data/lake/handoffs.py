"""The live log's side of the hand-off to the lake: numbered batches of the log's oldest rows, each moved exactly once.

A batch is first written down, with the rows it holds and the sha256 of what they say. Its rows are then appended to the
Delta table under its number and put on the disk; only after that one transaction marks it done and takes them out of
the log. Whoever dies in between leaves a batch that the next sweeper finds and finishes.
"""

from dataclasses import dataclass

from sqlalchemy import Engine, delete, func, insert, select, update

from data import clock
from data.errors import DamagedArtifact
from data.lake import log_checksums
from data.store import observation_log, tables
from data.store.database import reading, writing
from data.store.leases import Lease
from data.store.observation_log import Log

HANDOFFS_LOCK = 7_305_014
BATCH = 20_000  # rows; leaving the log they hold up who writes to it for a tenth of a second

TABLE, ROWS = tables.handoffs, tables.observations


@dataclass(frozen=True)
class HandoffBatch:
    """All rows of a dataset's log with first_seq <= seq <= last_seq."""

    dataset_id: int
    number: int  # counts from 1 within a dataset
    first_seq: int
    last_seq: int
    rows: int
    sha256: str  # of what they say


def begin(lease: Lease, dataset_id: int, upto: int) -> HandoffBatch | None:
    """The batch that somebody left unfinished, or else the log's oldest rows up to row `upto`; None where none are.

    The newest row of a dataset always stays: its number is what the next one counts on from.
    """
    found = unfinished(lease.engine, dataset_id)
    if found is not None:
        return found
    last = observation_log.nth(
        lease.engine, dataset_id, 0, min(upto, observation_log.last_seq(lease.engine, dataset_id) - 1), BATCH
    )
    if last is None:
        return None
    log = observation_log.log(lease.engine, dataset_id, upto=last)
    with writing(lease.engine, HANDOFFS_LOCK) as connection:
        lease.require(connection)
        number = (connection.scalar(select(func.max(TABLE.c.number)).where(TABLE.c.dataset_id == dataset_id)) or 0) + 1
        batch = HandoffBatch(
            dataset_id, number, int(log.seq[0]), int(log.seq[-1]), len(log), observation_log.digest(log)
        )
        connection.execute(insert(TABLE).values(**vars(batch), begun_at=clock.now()))
    return batch


def rows(engine: Engine, batch: HandoffBatch) -> Log:
    """The rows of a batch. Raises DamagedArtifact where they are not those that were written down."""
    log = observation_log.log(engine, batch.dataset_id, after=batch.first_seq - 1, upto=batch.last_seq)
    if observation_log.digest(log) != batch.sha256:
        raise DamagedArtifact(
            f"rows {batch.first_seq} to {batch.last_seq} of the live log changed while batch {batch.number} of dataset "
            f"{batch.dataset_id} was handed to the lake; nothing was taken out: restore a backup"
        )
    return log


def finish(lease: Lease, batch: HandoffBatch, snapshot: int | None) -> None:
    """Take the rows of a batch, which are on the disk as the lake's version `snapshot`, out of the log."""
    table = ROWS.c
    inside = (table.dataset_id == batch.dataset_id, table.seq.between(batch.first_seq, batch.last_seq))
    with writing(lease.engine, HANDOFFS_LOCK) as connection:
        lease.require(connection)
        own = (TABLE.c.dataset_id == batch.dataset_id, TABLE.c.number == batch.number)
        connection.execute(update(TABLE).where(*own).values(snapshot=snapshot, done_at=clock.now()))
        log_checksums.remove_checksums(connection, batch.dataset_id, batch.last_seq)
        gone = connection.execute(delete(ROWS).where(*inside)).rowcount
        if gone != batch.rows:
            raise DamagedArtifact(
                f"batch {batch.number} has {batch.rows} rows and the log has {gone}; restore a backup"
            )


def unfinished(engine: Engine, dataset_id: int) -> HandoffBatch | None:
    """The batch under way, if there is one."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id, TABLE.c.done_at.is_(None))
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return (
        None
        if row is None
        else HandoffBatch(row.dataset_id, row.number, row.first_seq, row.last_seq, row.rows, row.sha256)
    )


def handed_off(engine: Engine, dataset_id: int) -> int:
    """Rows that were ever taken out of a dataset's log."""
    query = select(func.sum(TABLE.c.rows)).where(TABLE.c.dataset_id == dataset_id, TABLE.c.done_at.is_not(None))
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)
