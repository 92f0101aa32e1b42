"""SHA-256 of ranges of log rows, to detect later corruption.

A database checks the structure of its pages but not the values in them. Rows of the log never change. So `compact`
records the sha256 of the rows that came since its last run, and the scrub and the hand-off compare it. A deletion of
rows replaces the checksums of their ranges.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, Engine, delete, insert, select, update

from data import clock
from data.changes.log_rows import LogRows
from data.errors import DamagedArtifact
from data.store import observation_log, tables
from data.store.database import reading, writing

CHECKSUMS_LOCK = 7_305_018
BLOCK = 100_000  # rows in one range at most

TABLE = tables.seals
Range = tuple[int, int]  # first and last row, as `seq`


def record_checksums(engine: Engine, dataset_id: int) -> None:
    """Record the sha256 of all rows of a dataset that have none yet, in ranges of at most BLOCK rows."""
    for after, upto in _unrecorded(engine, dataset_id):
        while (last := observation_log.nth(engine, dataset_id, after, upto, BLOCK)) is not None:
            log = observation_log.log(engine, dataset_id, after=after, upto=last)
            row = {
                "first_seq": int(log.seq[0]),
                "last_seq": last,
                "sha256": observation_log.digest(log),
                "sealed_at": clock.now(),
            }
            with writing(engine, CHECKSUMS_LOCK) as connection:
                connection.execute(insert(TABLE).values(dataset_id=dataset_id, **row))
            after = last


def find_changes(engine: Engine, dataset_id: int, upto: int | None = None) -> Iterator[str]:
    """A sentence for each range whose rows have changed; with `upto`, only ranges that begin at that row or before."""
    for (first, last), sha256 in _recorded(engine, dataset_id).items():
        if upto is not None and first > upto:
            return
        if (
            not _matches(engine, dataset_id, first, last, sha256)
            and observation_log.whole_after(engine, dataset_id) < first
        ):
            yield (
                f"rows {first} to {last} of the live log of dataset {dataset_id} are not what was written: "
                "restore a backup"
            )


def checksums_without(engine: Engine, dataset_id: int, gone: LogRows) -> dict[int, str]:
    """First row -> sha256 of each range from which a deletion takes rows, as it will be without them.

    Raises DamagedArtifact where a range is not what was written: a new checksum would hide that."""
    found = {}
    for (first, last), sha256 in _recorded(engine, dataset_id).items():
        log = observation_log.log(engine, dataset_id, after=first - 1, upto=last)
        if not gone.mask(log).any():
            continue
        if observation_log.digest(log) != sha256:
            raise DamagedArtifact(
                f"rows {first} to {last} of the live log of dataset {dataset_id} are not what was written; nothing was "
                "deleted: restore a backup"
            )
        found[first] = observation_log.digest(gone.without(log))
    return found


def replace_checksums(connection: Connection, dataset_id: int, changed: Mapping[int, str]) -> None:
    """Store the sha256 of ranges, named by their first row, in the transaction that deletes rows of them."""
    for first, sha256 in changed.items():
        own = (TABLE.c.dataset_id == dataset_id, TABLE.c.first_seq == first)
        connection.execute(update(TABLE).where(*own).values(sha256=sha256, sealed_at=clock.now()))


def remove_checksums(connection: Connection, dataset_id: int, upto: int) -> None:
    """Delete the checksums of ranges with rows up to `upto`, which leave the log.

    Rows of the last range that stay in the log get a checksum in the next run of `record_checksums`.
    """
    connection.execute(delete(TABLE).where(TABLE.c.dataset_id == dataset_id, TABLE.c.first_seq <= upto))


def _matches(engine: Engine, dataset_id: int, first: int, last: int, sha256: str) -> bool:
    try:
        return observation_log.digest(observation_log.log(engine, dataset_id, after=first - 1, upto=last)) == sha256
    except (TypeError, ValueError):  # a value of another type
        return False


def _unrecorded(engine: Engine, dataset_id: int) -> list[tuple[int, int]]:
    """(after, upto) of the rows without a checksum: before the first recorded range, and after the last one."""
    ranges, begin, end = list(_recorded(engine, dataset_id)), observation_log.whole_after(engine, dataset_id), 2**62
    return [(begin, end)] if not ranges else [(begin, ranges[0][0] - 1), (ranges[-1][1], end)]


def _recorded(engine: Engine, dataset_id: int) -> dict[Range, str]:
    """Recorded ranges and their sha256, oldest first."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.first_seq)
    with reading(engine) as connection:
        return {(row.first_seq, row.last_seq): row.sha256 for row in connection.execute(query)}
