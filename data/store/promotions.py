"""The promotion log: which version serves, which rolls in shadow, and why. The service obeys its newest rows.

The log is append-only and chained: every row holds the hash of the row before it, so that a decision can neither be
altered nor removed unseen. A version in shadow rolls beside the one that serves, until another decision ends that.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Engine, Row, func, insert, select

from data import clock
from data.errors import DamagedArtifact, InvalidInput
from data.store import tables
from data.store.database import reading, writing
from data.store.registry import MODELS_LOCK, canonical, require

Event = Literal["promoted", "refused", "rolled_back", "reanchored", "shadowed", "shadow_stopped"]
EVENTS: tuple[Event, ...] = get_args(Event)
SERVING: tuple[Event, ...] = ("promoted", "rolled_back", "reanchored")  # those after which the version serves
SHADOW_EVENTS: tuple[Event, ...] = (
    "promoted",
    "rolled_back",
    "shadowed",
    "shadow_stopped",
)  # the newest rules the shadow
NO_LONGER_CANDIDATE: tuple[Event, ...] = (
    "promoted",
    "refused",
    "rolled_back",
)  # after one of them a version waits no more
GENESIS = "0" * 64


@dataclass(frozen=True)
class Promotion:
    """One decision about one version."""

    id: int  # counts over all datasets; what contexts, states and scores belong to
    dataset_id: int
    version: int
    event: Event
    evidence: dict[str, Any]
    log_seq: int  # the contexts hold everything of the live log up to here
    decided_at: int  # microseconds since 1970 UTC
    prev_hash: str
    hash: str

    @property
    def serves(self) -> bool:
        """Does its version serve from then on?"""
        return self.event in SERVING


def decide(
    engine: Engine,
    dataset_id: int,
    version: int,
    event: Event,
    evidence: Mapping[str, Any],
    contexts: Sequence[bytes] = (),
    log_seq: int = 0,
) -> Promotion:
    """Add a decision to the log, with the contexts from which its states start, in one transaction."""
    if event not in EVENTS:
        raise InvalidInput(f"event {event!r} is none of {', '.join(EVENTS)}")
    table = tables.promotions
    with writing(engine, MODELS_LOCK) as connection:
        require(connection, dataset_id, version)
        chain = select(table.c.hash).where(table.c.dataset_id == dataset_id).order_by(table.c.id.desc()).limit(1)
        values: dict[str, Any] = {
            "id": (connection.scalar(select(func.max(table.c.id))) or 0) + 1,
            "dataset_id": dataset_id,
            "version": version,
            "event": event,
            "evidence": canonical(evidence),
            "log_seq": log_seq,
            "decided_at": clock.now(),
            "prev_hash": connection.scalar(chain) or GENESIS,
        }
        row = connection.execute(insert(table).values(**values, hash=_row_hash(values)).returning(table)).one()
        if contexts:
            blobs = [{"anchor_id": row.id, "shard": shard, "blob": blob} for shard, blob in enumerate(contexts)]
            connection.execute(insert(tables.contexts), blobs)
        return _promotion(row)


def decisions(engine: Engine, dataset_id: int | None = None, after: int = 0) -> list[Promotion]:
    """Decisions with an id above `after`, oldest first; of one dataset or of all."""
    table = tables.promotions
    query = select(table).where(table.c.id > after).order_by(table.c.id)
    if dataset_id is not None:
        query = query.where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return [_promotion(row) for row in connection.execute(query)]


def served(engine: Engine, dataset_id: int) -> Promotion | None:
    """The decision that says what is served now, or None."""
    return _newest(engine, dataset_id, SERVING)


def previous(engine: Engine, dataset_id: int) -> Promotion | None:
    """The newest decision by which another version served than the one that serves now, or None."""
    now_served = served(engine, dataset_id)
    return None if now_served is None else _newest(engine, dataset_id, SERVING, but=now_served.version)


def shadow(engine: Engine, dataset_id: int) -> Promotion | None:
    """The decision that put a version into shadow, or None."""
    turn = _newest(engine, dataset_id, SHADOW_EVENTS)
    return turn if turn is not None and turn.event == "shadowed" else None


def _newest(engine: Engine, dataset_id: int, events: Sequence[Event], but: int | None = None) -> Promotion | None:
    """A dataset's newest decision of these kinds; `but` leaves a version out."""
    table = tables.promotions
    query = select(table).where(table.c.dataset_id == dataset_id, table.c.event.in_(events))
    if but is not None:
        query = query.where(table.c.version != but)
    with reading(engine) as connection:
        row = connection.execute(query.order_by(table.c.id.desc()).limit(1)).first()
    return None if row is None else _promotion(row)


def verify_chain(engine: Engine, dataset_id: int) -> None:
    """Recompute every hash of a dataset's log; DamagedArtifact names the first decision that does not fit."""
    previous = GENESIS
    for promotion in decisions(engine, dataset_id):
        values = {**vars(promotion), "evidence": canonical(promotion.evidence)}
        if promotion.prev_hash != previous or promotion.hash != _row_hash(values):
            raise DamagedArtifact(
                f"promotion {promotion.id} does not fit the one before it: the log was altered; restore a backup"
            )
        previous = promotion.hash


def _row_hash(values: Mapping[str, Any]) -> str:
    """sha256 of the previous hash and of everything the row says."""
    said = {key: value for key, value in values.items() if key not in ("prev_hash", "hash")}
    return hashlib.sha256((values["prev_hash"] + canonical(said)).encode()).hexdigest()


def _promotion(row: Row[Any]) -> Promotion:
    return Promotion(**{**row._mapping, "evidence": json.loads(row.evidence)})
