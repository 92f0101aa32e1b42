"""The promotion log: which version serves, which rolls in shadow, and why. The service follows its newest rows.

The log is append-only. Every row has the hash of the row before it, so that an altered or removed decision is noticed.
A version in shadow rolls beside the one that serves until a later decision ends that. Rows `reanchored`, which earlier
versions wrote at each ingest, say only that the states began anew; none is written any more.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

from sqlalchemy import Connection, Engine, Row, func, insert, select

from data import clock
from data.errors import Conflict, DamagedArtifact, InvalidInput
from data.store import anchors, tables
from data.store.anchors import Anchor
from data.store.database import reading, writing
from data.store.registry import MODELS_LOCK, canonical, require

Event = Literal["promoted", "refused", "rolled_back", "reanchored", "shadowed", "shadow_stopped", "shipped"]
EVENTS: tuple[Event, ...] = get_args(Event)
SERVING: tuple[Event, ...] = ("promoted", "rolled_back", "shipped")  # after these the version serves
SHADOW_EVENTS: tuple[Event, ...] = (
    *SERVING,
    "shadowed",
    "shadow_stopped",
)  # the newest of these says whether a version rolls in shadow
NO_LONGER_CANDIDATE: tuple[Event, ...] = (*SERVING, "refused")  # after these a version is decided
GENESIS = "0" * 64


class PromotionMoved(Conflict):
    """Another version serves than the one that was seen before the decision."""


class HistoryMoved(Conflict):
    """Contexts lack rows that were stored since they were cut."""


@dataclass(frozen=True)
class Promotion:
    """A decision about a version."""

    id: int  # counts over all datasets; a promotion_id
    dataset_id: int
    version: int
    event: Event
    evidence: dict[str, Any]
    log_seq: int  # the last row of the log that its first anchor contains
    decided_at: int  # microseconds since 1970 UTC
    prev_hash: str
    hash: str

    @property
    def serves(self) -> bool:
        """Whether the version serves after this decision."""
        return self.event in SERVING


def decide(
    engine: Engine,
    dataset_id: int,
    version: int,
    event: Event,
    evidence: Mapping[str, Any],
    contexts: Sequence[bytes] = (),
    log_seq: int = 0,
    shared: Anchor | None = None,
    lake: int | None = None,
    seen: int | None = None,
) -> Promotion:
    """Add a decision in one transaction, with the first anchor of its states where there are `contexts` of it.

    shared: the contexts of an anchor that is there already, in place of `contexts`; lake: the version of the lake's
    table that the contexts were cut from; seen: the id of the decision by which a version serves, as the caller saw it.

    Raises UnknownModel, HistoryMoved where an ingest was completed after that version, and PromotionMoved where `seen`
    is not the newest such decision any more.
    """
    if event not in EVENTS:
        raise InvalidInput(f"event {event!r} is none of {', '.join(EVENTS)}")
    table = tables.promotions
    with writing(engine, MODELS_LOCK) as connection:
        require(connection, dataset_id, version)
        if lake is not None:
            _require_newest(connection, dataset_id, lake)
        if seen is not None:
            _require_seen(connection, dataset_id, seen)
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
        if contexts or shared:
            anchors.add(connection, dataset_id, row.id, log_seq, contexts, shared.contexts if shared else None)
        return _promotion(row)


def _require_newest(connection: Connection, dataset_id: int, lake: int) -> None:
    """Raises HistoryMoved. An ingest checks in turn that no anchor was made while it wrote to the log."""
    stored = connection.scalar(select(tables.datasets.c.snapshot).where(tables.datasets.c.id == dataset_id))
    if stored is not None and stored > lake:
        raise HistoryMoved(f"version {stored} of the history was stored meanwhile; the contexts are of version {lake}")


def _require_seen(connection: Connection, dataset_id: int, seen: int) -> None:
    table = tables.promotions.c
    newest = select(func.max(table.id)).where(table.dataset_id == dataset_id, table.event.in_(SERVING))
    serving = connection.scalar(newest) or 0
    if serving != seen:
        raise PromotionMoved(f"promotion {serving} serves by now, no longer promotion {seen}")


def decisions(engine: Engine, dataset_id: int | None = None, after: int = 0) -> list[Promotion]:
    """Decisions with an id above `after`, oldest first; of one dataset or of all."""
    table = tables.promotions
    query = select(table).where(table.c.id > after).order_by(table.c.id)
    if dataset_id is not None:
        query = query.where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return [_promotion(row) for row in connection.execute(query)]


class Serving(NamedTuple):
    """A decision by which a version serves, without its evidence."""

    id: int
    version: int
    decided_at: int  # microseconds since 1970 UTC


def serving(engine: Engine, dataset_id: int) -> list[Serving]:
    """The decisions by which versions of a dataset served, oldest first; the last one serves now."""
    table = tables.promotions.c
    query = select(table.id, table.version, table.decided_at)
    query = query.where(table.dataset_id == dataset_id, table.event.in_(SERVING)).order_by(table.id)
    with reading(engine) as connection:
        return [Serving(*row) for row in connection.execute(query)]


def served(engine: Engine, dataset_id: int) -> Promotion | None:
    """The decision by which a version serves now, or None."""
    return _newest(engine, dataset_id, SERVING)


def previous(engine: Engine, dataset_id: int) -> Promotion | None:
    """The newest decision by which another version served than the present one, or None."""
    now_served = served(engine, dataset_id)
    return None if now_served is None else _newest(engine, dataset_id, SERVING, but=now_served.version)


def shadow(engine: Engine, dataset_id: int) -> Promotion | None:
    """The decision that put a version into shadow, or None."""
    turn = _newest(engine, dataset_id, SHADOW_EVENTS)
    return turn if turn is not None and turn.event == "shadowed" else None


def _newest(engine: Engine, dataset_id: int, events: Sequence[Event], but: int | None = None) -> Promotion | None:
    """A dataset's newest decision among these events; decisions about the version `but` are skipped."""
    table = tables.promotions
    query = select(table).where(table.c.dataset_id == dataset_id, table.c.event.in_(events))
    if but is not None:
        query = query.where(table.c.version != but)
    with reading(engine) as connection:
        row = connection.execute(query.order_by(table.c.id.desc()).limit(1)).first()
    return None if row is None else _promotion(row)


def verify_chain(engine: Engine, dataset_id: int) -> None:
    """Recompute every hash of a dataset's log. Raises DamagedArtifact for the first decision that does not match."""
    altered = first_altered(decisions(engine, dataset_id))
    if altered is not None:
        raise DamagedArtifact(
            f"promotion {altered} does not fit the one before it: the log was altered; restore a backup"
        )


def first_altered(chain: Sequence[Promotion]) -> int | None:
    """The id of the first decision of a dataset's whole log, oldest first, whose hash does not match; else None."""
    previous = GENESIS
    for promotion in chain:
        values = {**vars(promotion), "evidence": canonical(promotion.evidence)}
        if promotion.prev_hash != previous or promotion.hash != _row_hash(values):
            return promotion.id
        previous = promotion.hash
    return None


def _row_hash(values: Mapping[str, Any]) -> str:
    """sha256 of the previous hash and of all other columns of the row."""
    content = {key: value for key, value in values.items() if key not in ("prev_hash", "hash")}
    return hashlib.sha256((values["prev_hash"] + canonical(content)).encode()).hexdigest()


def _promotion(row: Row[Any]) -> Promotion:
    return Promotion(**{**row._mapping, "evidence": json.loads(row.evidence)})
