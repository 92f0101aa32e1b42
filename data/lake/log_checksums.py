"""What the live log's rows said when they were young, so that a bit that flips in them later is found.

A database checks its pages' structure and no value in them. Rows of the log never change; so `compact` writes down the
sha256 of those that came since the last time, and whoever scrubs, or moves them into the lake, compares.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, Engine, delete, insert, select

from data import clock
from data.store import observation_log, tables
from data.store.database import reading, writing

CHECKSUMS_LOCK = 7_305_018
BLOCK = 100_000  # rows under one seal at most

TABLE = tables.seals
Span = tuple[int, int]  # first and last row of a seal


def record_checksums(engine: Engine, dataset_id: int) -> None:
    """Write down what every row says that is under no seal yet."""
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
    """A sentence for each seal, of those that begin at row `upto` or before, whose rows say something else now."""
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


def remove_checksums(connection: Connection, dataset_id: int, upto: int) -> None:
    """Let go of seals over rows that leave the log; what stays of the last one is sealed anew the next time."""
    connection.execute(delete(TABLE).where(TABLE.c.dataset_id == dataset_id, TABLE.c.first_seq <= upto))


def _matches(engine: Engine, dataset_id: int, first: int, last: int, sha256: str) -> bool:
    try:
        return observation_log.digest(observation_log.log(engine, dataset_id, after=first - 1, upto=last)) == sha256
    except (TypeError, ValueError):  # a value of another type
        return False


def _unrecorded(engine: Engine, dataset_id: int) -> list[tuple[int, int]]:
    """after, upto of the stretches that are under no seal: before the first one, and beyond the last."""
    sealed, begin, end = list(_recorded(engine, dataset_id)), observation_log.whole_after(engine, dataset_id), 2**62
    return [(begin, end)] if not sealed else [(begin, sealed[0][0] - 1), (sealed[-1][1], end)]


def _recorded(engine: Engine, dataset_id: int) -> dict[Span, str]:
    """Spans and digests, oldest first."""
    query = select(TABLE).where(TABLE.c.dataset_id == dataset_id).order_by(TABLE.c.first_seq)
    with reading(engine) as connection:
        return {(row.first_seq, row.last_seq): row.sha256 for row in connection.execute(query)}
