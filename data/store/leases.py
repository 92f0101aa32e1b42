"""Leases: names that one process at a time may hold, on all machines that share the store.

A holder renews its lease every few seconds. The lease of a killed process expires, and another process may take the
name. A process that was only suspended, and continues after its lease expired, may find another token in the store:
`Lease.require`, called before or better inside the transaction that matters, keeps it from writing.
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
UPKEEP = "upkeep of the lake"  # held by compact, prune, backup and deletions, so that one of them runs at a time
RENEWALS = 3  # within the time after which a lease expires

TABLE = tables.leases
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lease:
    """A name that is held. `token` counts the holders of the name, so that each has another one."""

    engine: Engine
    name: str
    token: int

    def require(self, connection: Connection | None = None) -> None:
        """Raises LeaseLost when another process took the name. Inside a `writing` transaction pass its connection."""
        if connection is None:
            with reading(self.engine) as own:
                return self.require(own)
        if connection.scalar(select(TABLE.c.token).where(TABLE.c.name == self.name)) != self.token:
            raise LeaseLost(self.name)
        return None


@contextmanager
def held(engine: Engine, name: str, seconds: float = 60.0) -> Iterator[Lease]:
    """Hold a name while the block runs. The lease expires `seconds` after it was last renewed.

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
    """End every lease at once: in a store that was copied while leases were held."""
    with writing(engine, LEASES_LOCK) as connection:
        connection.execute(update(TABLE).values(renewed_at=0))


def _take(engine: Engine, name: str, lasts: int) -> int:
    """Take a name. Returns the token of the new holder. Raises Busy."""
    own = {"holder": f"{socket.gethostname()}, process {os.getpid()}", "renewed_at": clock.now(), "lasts_us": lasts}
    with writing(engine, LEASES_LOCK) as connection:
        row = connection.execute(select(TABLE).where(TABLE.c.name == name)).first()
        if row is None:
            connection.execute(insert(TABLE).values(name=name, token=1, **own))
            return 1
        # The absolute difference: where the clock went back, a lease was renewed in the future.
        if abs(clock.now() - row.renewed_at) < row.lasts_us:
            raise Busy(name, row.holder)
        connection.execute(update(TABLE).where(TABLE.c.name == name).values(token=row.token + 1, **own))
        return int(row.token) + 1


def _renew(lease: Lease) -> bool:
    """Renew a lease. Returns whether it still holds the name."""
    own = (TABLE.c.name == lease.name, TABLE.c.token == lease.token)
    with writing(lease.engine, LEASES_LOCK) as connection:
        return connection.execute(update(TABLE).where(*own).values(renewed_at=clock.now())).rowcount > 0


def _release(lease: Lease) -> None:
    """End a lease. The token stays, so that the next one differs. If the store does not answer, the lease expires."""
    own = (TABLE.c.name == lease.name, TABLE.c.token == lease.token)
    try:
        with writing(lease.engine, LEASES_LOCK) as connection:
            connection.execute(update(TABLE).where(*own).values(renewed_at=0))
    except Unavailable as error:
        log.warning("the lease %s was not released and will expire: %s", lease.name, error)
