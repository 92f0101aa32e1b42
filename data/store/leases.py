"""Leases: names that one process at a time may hold, however many machines share the store.

A holder says every few seconds that it lives; one that was killed is lapsed when its time is over, and somebody else
may take the name. Whoever was merely stopped, and wakes up after its lease lapsed, finds another token in the store:
`Lease.require` before, or better inside, the transaction that matters keeps it from writing what is no longer its own.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert, select, update

from data import clock
from data.errors import Busy, LeaseLost, Unavailable
from data.store import tables
from data.store.database import reading, writing
from data.store.heartbeat import heartbeat

LEASES_LOCK = 7_305_012
RENEWALS = 3  # in the time after which a lease lapses

TABLE = tables.leases
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """A name that is held; `token` counts its holders, so that a later one is told from an earlier one."""

    engine: Engine
    name: str
    token: int

    def require(self, connection: Connection | None = None) -> None:
        """Raises LeaseLost when somebody else took the name. Inside a `writing` transaction pass its connection."""
        if connection is None:
            with reading(self.engine) as own:
                return self.require(own)
        if connection.scalar(select(TABLE.c.token).where(TABLE.c.name == self.name)) != self.token:
            raise LeaseLost(self.name)
        return None


@contextmanager
def held(engine: Engine, name: str, seconds: float = 60.0) -> Iterator[Lease]:
    """Hold a name while the block lasts; it lapses `seconds` after the last sign of life.

    Raises:
        Busy: another process holds it.
        StoreUnavailable: the store does not answer.
    """
    lease = Lease(engine, name, _take(engine, name, int(seconds * 1e6)))
    try:
        with heartbeat(f"lease-{name}", seconds / RENEWALS, lambda: _renew(lease)):
            yield lease
    finally:
        _release(lease)


def end_all(engine: Engine) -> None:
    """Let every lease lapse at once: of a store that was copied while somebody held one."""
    with writing(engine, LEASES_LOCK) as connection:
        connection.execute(update(TABLE).values(renewed_at=0))


def _take(engine: Engine, name: str, lasts: int) -> int:
    """The token of a new holder."""
    own = {"holder": f"{socket.gethostname()}, process {os.getpid()}", "renewed_at": clock.now(), "lasts_us": lasts}
    with writing(engine, LEASES_LOCK) as connection:
        row = connection.execute(select(TABLE).where(TABLE.c.name == name)).first()
        if row is None:
            connection.execute(insert(TABLE).values(name=name, token=1, **own))
            return 1
        if (
            abs(clock.now() - row.renewed_at) < row.lasts_us
        ):  # the distance: a clock that went back leaves signs of the future
            raise Busy(name, row.holder)
        connection.execute(update(TABLE).where(TABLE.c.name == name).values(token=row.token + 1, **own))
        return int(row.token) + 1


def _renew(lease: Lease) -> bool:
    """Say that the holder lives; whether the name is its own still."""
    own = (TABLE.c.name == lease.name, TABLE.c.token == lease.token)
    with writing(lease.engine, LEASES_LOCK) as connection:
        return connection.execute(update(TABLE).where(*own).values(renewed_at=clock.now())).rowcount > 0


def _release(lease: Lease) -> None:
    """The token stays, so that the next one differs. A store that does not answer lets it lapse."""
    own = (TABLE.c.name == lease.name, TABLE.c.token == lease.token)
    try:
        with writing(lease.engine, LEASES_LOCK) as connection:
            connection.execute(update(TABLE).where(*own).values(renewed_at=0))
    except Unavailable as error:
        log.warning("the lease %s was not given back and will lapse: %s", lease.name, error)
