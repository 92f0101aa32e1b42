"""Registered models and the promotion log that the service obeys.

The log is append-only and chained: every row holds the hash of the row before it, so that a decision can neither be
altered nor removed unseen. The newest decision that lets a version serve says what is served; its id is the *epoch*.
A version may also roll in shadow, beside the one that serves, until something takes over or it is told to stop.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Engine, Row, delete, func, insert, select

from data import clock
from data.errors import DamagedArtifact, InvalidInput, UnknownModel
from data.store import tables
from data.store.database import reading, writing

Event = Literal["promoted", "refused", "rolled_back", "reanchored", "shadowed", "shadow_stopped"]
EVENTS: tuple[Event, ...] = get_args(Event)
SERVING: tuple[Event, ...] = ("promoted", "rolled_back", "reanchored")  # those after which the version serves
TURNS: tuple[Event, ...] = ("promoted", "rolled_back", "shadowed", "shadow_stopped")  # the newest rules the shadow
VERDICTS: tuple[Event, ...] = ("promoted", "refused", "rolled_back")  # after one of them a version waits no more
GENESIS = "0" * 64
MODELS_LOCK = 7_305_004


@dataclass(frozen=True)
class ModelRow:
    """A registered model without its bytes."""

    dataset_id: int
    version: int  # counts from 1 within a dataset
    kind: str
    digest: str
    metrics: dict[str, Any]
    created_at: int  # microseconds since 1970 UTC


@dataclass(frozen=True)
class Promotion:
    """One decision about one version."""

    id: int  # counts over all datasets; the epoch, if it was no refusal
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


def add_model(
    engine: Engine, dataset_id: int, kind: str, digest: str, metrics: Mapping[str, Any], artifact: bytes
) -> int:
    """Register a model as a candidate; gives its version. Versions are immutable."""
    table = tables.models.c
    with writing(engine, MODELS_LOCK) as connection:
        newest = connection.scalar(select(func.max(table.version)).where(table.dataset_id == dataset_id)) or 0
        connection.execute(
            insert(tables.models).values(
                dataset_id=dataset_id,
                version=newest + 1,
                kind=kind,
                digest=digest,
                metrics=canonical(metrics),
                artifact=artifact,
                created_at=clock.now(),
            )
        )
        return int(newest) + 1


def models(engine: Engine, dataset_id: int) -> list[ModelRow]:
    """A dataset's models, oldest first."""
    table = tables.models.c
    columns = (table.dataset_id, table.version, table.kind, table.digest, table.metrics, table.created_at)
    query = select(*columns).where(table.dataset_id == dataset_id).order_by(table.version)
    with reading(engine) as connection:
        return [
            ModelRow(r.dataset_id, r.version, r.kind, r.digest, json.loads(r.metrics), r.created_at)
            for r in connection.execute(query)
        ]


def artifact(engine: Engine, dataset_id: int, version: int) -> bytes:
    """A model's bytes as they were registered, or UnknownModel; who parses them checks the digest first."""
    table = tables.models.c
    with reading(engine) as connection:
        query = select(table.artifact).where(table.dataset_id == dataset_id, table.version == version)
        blob = connection.scalar(query)
        if blob is None:
            raise UnknownModel(_name(connection, dataset_id), version)
    return bytes(blob)


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
        if _version(connection, dataset_id, version) is None:
            raise UnknownModel(_name(connection, dataset_id), version)
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
        row = connection.execute(insert(table).values(**values, hash=_link(values)).returning(table)).one()
        if contexts:
            blobs = [{"epoch": row.id, "shard": shard, "blob": blob} for shard, blob in enumerate(contexts)]
            connection.execute(insert(tables.contexts), blobs)
        return _promotion(row)


def promotions(engine: Engine, dataset_id: int | None = None, after: int = 0) -> list[Promotion]:
    """Decisions with an id above `after`, oldest first; of one dataset or of all."""
    table = tables.promotions
    query = select(table).where(table.c.id > after).order_by(table.c.id)
    if dataset_id is not None:
        query = query.where(table.c.dataset_id == dataset_id)
    with reading(engine) as connection:
        return [_promotion(row) for row in connection.execute(query)]


def served(engine: Engine, dataset_id: int) -> Promotion | None:
    """The decision that says what is served now, or None; its id is the epoch."""
    return _newest(engine, dataset_id, SERVING)


def before(engine: Engine, dataset_id: int) -> Promotion | None:
    """The newest decision by which another version served than the one that serves now, or None."""
    now_served = served(engine, dataset_id)
    return None if now_served is None else _newest(engine, dataset_id, SERVING, but=now_served.version)


def shadow(engine: Engine, dataset_id: int) -> Promotion | None:
    """The decision that put a version into shadow, or None; its id is the epoch of the shadow's states."""
    turn = _newest(engine, dataset_id, TURNS)
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


def contexts(engine: Engine, epoch: int) -> tuple[int, list[bytes]]:
    """(log_seq, blobs by shard) of an epoch: states start from the blobs and fold the log's rows after log_seq."""
    table = tables.contexts.c
    with reading(engine) as connection:
        log_seq = connection.scalar(select(tables.promotions.c.log_seq).where(tables.promotions.c.id == epoch))
        blobs = connection.scalars(select(table.blob).where(table.epoch == epoch).order_by(table.shard)).all()
    return int(log_seq or 0), [bytes(blob) for blob in blobs]


def context_shards(engine: Engine, epoch: int) -> tuple[int, list[int]]:
    """(log_seq, numbers of the shards) of an epoch, for who reads the blobs one at a time; see `contexts`."""
    table = tables.contexts.c
    with reading(engine) as connection:
        log_seq = connection.scalar(select(tables.promotions.c.log_seq).where(tables.promotions.c.id == epoch))
        shards = connection.scalars(select(table.shard).where(table.epoch == epoch).order_by(table.shard)).all()
    return int(log_seq or 0), list(shards)


def context(engine: Engine, epoch: int, shard: int) -> bytes:
    """One shard of an epoch's contexts. Raises DamagedArtifact when it is gone."""
    table = tables.contexts.c
    with reading(engine) as connection:
        blob = connection.scalar(select(table.blob).where(table.epoch == epoch, table.shard == shard))
    if blob is None:
        raise DamagedArtifact(f"context {shard} of promotion {epoch} is gone; promote again")
    return bytes(blob)


def old_contexts(engine: Engine, dataset_id: int, kept: Collection[int]) -> list[int]:
    """Epochs of a dataset, beside those kept, whose contexts are still stored; ascending."""
    epochs = select(tables.contexts.c.epoch).distinct()
    table = tables.promotions.c
    query = select(table.id).where(table.dataset_id == dataset_id, table.id.in_(epochs), table.id.not_in(kept))
    with reading(engine) as connection:
        return list(connection.scalars(query.order_by(table.id)))


def drop_contexts(engine: Engine, epochs: Sequence[int]) -> None:
    """Let the contexts of epochs go, an epoch at a time: no state can start from their promotions any more."""
    for epoch in epochs:
        with writing(engine, MODELS_LOCK) as connection:
            connection.execute(delete(tables.contexts).where(tables.contexts.c.epoch == epoch))


def verify_chain(engine: Engine, dataset_id: int) -> None:
    """Recompute every hash of a dataset's log; DamagedArtifact names the first decision that does not fit."""
    previous = GENESIS
    for promotion in promotions(engine, dataset_id):
        values = {**vars(promotion), "evidence": canonical(promotion.evidence)}
        if promotion.prev_hash != previous or promotion.hash != _link(values):
            raise DamagedArtifact(
                f"promotion {promotion.id} does not fit the one before it: the log was altered; restore a backup"
            )
        previous = promotion.hash


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks, a number that is not finite as null."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # a NumPy scalar or array
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _link(values: Mapping[str, Any]) -> str:
    """sha256 of the previous hash and of everything the row says."""
    said = {key: value for key, value in values.items() if key not in ("prev_hash", "hash")}
    return hashlib.sha256((values["prev_hash"] + canonical(said)).encode()).hexdigest()


def _promotion(row: Row[Any]) -> Promotion:
    return Promotion(**{**row._mapping, "evidence": json.loads(row.evidence)})


def _version(connection: Connection, dataset_id: int, version: int) -> int | None:
    table = tables.models.c
    query = select(table.version).where(table.dataset_id == dataset_id, table.version == version)
    return connection.scalar(query)


def _name(connection: Connection, dataset_id: int) -> str:
    return connection.scalar(select(tables.datasets.c.name).where(tables.datasets.c.id == dataset_id)) or "?"
