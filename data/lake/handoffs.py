"""The live store's part of the hand-off: numbered batches of the log's oldest rows, each moved into the lake once.

A batch is first recorded, with the range of its rows and their sha256. The rows are then appended to the Delta table
under the batch's number, and synced. After that, one transaction marks the batch as done and deletes its rows from the
log. A batch that a killed process left unfinished is found and finished by the next run.
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
BATCH = 20_000  # rows; deleting them from the log blocks its writers for a tenth of a second

TABLE, ROWS = tables.handoffs, tables.observations


@dataclass(frozen=True)
class HandoffBatch:
    """All rows of a dataset's log with first_seq <= seq <= last_seq."""

    dataset_id: int
    number: int  # counts from 1 within a dataset
    first_seq: int
    last_seq: int
    rows: int
    sha256: str  # of the rows


def begin(lease: Lease, dataset_id: int, upto: int) -> HandoffBatch | None:
    """The unfinished batch if there is one, else a new one: the log's oldest rows up to row `upto`, at most `BATCH`.

    Returns None where no row may move. The newest row of a dataset always stays in the log, because the next row gets
    the number after it.
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
    """The rows of a batch. Raises DamagedArtifact where their sha256 is not the recorded one."""
    log = observation_log.log(engine, batch.dataset_id, after=batch.first_seq - 1, upto=batch.last_seq)
    if observation_log.digest(log) != batch.sha256:
        raise DamagedArtifact(
            f"rows {batch.first_seq} to {batch.last_seq} of the live log changed while batch {batch.number} of dataset "
            f"{batch.dataset_id} was handed to the lake; nothing was deleted: restore a backup"
        )
    return log


def finish(lease: Lease, batch: HandoffBatch, snapshot: int | None) -> None:
    """Delete the rows of a batch from the log, after they were synced as table version `snapshot` of the lake.

    Raises LeaseLost, and DamagedArtifact where the log does not have all rows of the batch; then nothing is deleted.
    """
    table = ROWS.c
    inside = (table.dataset_id == batch.dataset_id, table.seq.between(batch.first_seq, batch.last_seq))
    with writing(lease.engine, HANDOFFS_LOCK) as connection:
        lease.require(connection)
        own = (TABLE.c.dataset_id == batch.dataset_id, TABLE.c.number == batch.number)
        connection.execute(update(TABLE).where(*own).values(snapshot=snapshot, done_at=clock.now()))
        log_checksums.remove_checksums(connection, batch.dataset_id, batch.last_seq)
        deleted = connection.execute(delete(ROWS).where(*inside)).rowcount
        if deleted != batch.rows:
            raise DamagedArtifact(
                f"batch {batch.number} has {batch.rows} rows and the log has {deleted}; restore a backup"
            )


def unfinished(engine: Engine, dataset_id: int) -> HandoffBatch | None:
    """The batch that is not done yet, if there is one."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id, TABLE.c.done_at.is_(None))
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return (
        None
        if row is None
        else HandoffBatch(row.dataset_id, row.number, row.first_seq, row.last_seq, row.rows, row.sha256)
    )


def handed_off(engine: Engine, dataset_id: int) -> int:
    """How many rows were handed off from a dataset's log so far."""
    query = select(func.sum(TABLE.c.rows)).where(TABLE.c.dataset_id == dataset_id, TABLE.c.done_at.is_not(None))
    with reading(engine) as connection:
        return int(connection.scalar(query) or 0)
