"""Registered models: the versions of a dataset, with metrics and artifacts. A version is immutable."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select

from data import clock
from data.errors import UnknownDataset, UnknownModel
from data.store import tables
from data.store.database import reading, writing

MODELS_LOCK = 7_305_004


@dataclass(frozen=True)
class ModelRow:
    """A registered model, without its artifact."""

    dataset_id: int
    version: int  # counts from 1 within a dataset
    kind: str
    digest: str
    metrics: dict[str, Any]
    created_at: int  # microseconds since 1970 UTC


def add_model(
    engine: Engine, dataset_id: int, kind: str, digest: str, metrics: Mapping[str, Any], artifact: bytes
) -> int:
    """Register a model as a candidate. Returns its version. Raises UnknownDataset where the dataset was deleted."""
    table = tables.models.c
    with writing(engine, MODELS_LOCK) as connection:
        deleted = select(tables.datasets.c.deleted_at).where(tables.datasets.c.id == dataset_id)
        if connection.scalar(deleted) is not None:
            raise UnknownDataset(_dataset_name(connection, dataset_id))
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
    """The bytes of a model's artifact. The caller checks the digest before it parses them. Raises UnknownModel."""
    table = tables.models.c
    with reading(engine) as connection:
        query = select(table.artifact).where(table.dataset_id == dataset_id, table.version == version)
        blob = connection.scalar(query)
        if blob is None:
            raise UnknownModel(_dataset_name(connection, dataset_id), version)
    return bytes(blob)


def canonical(value: Any) -> str:
    """The canonical JSON text of a value: sorted keys, no blanks, numbers that are not finite as null."""
    return json.dumps(_json_value(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _json_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if hasattr(value, "tolist"):  # a NumPy scalar or array
        return _json_value(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def require(connection: Connection, dataset_id: int, version: int) -> None:
    """Raises UnknownModel where the dataset has no such version."""
    table = tables.models.c
    query = select(table.version).where(table.dataset_id == dataset_id, table.version == version)
    if connection.scalar(query) is None:
        raise UnknownModel(_dataset_name(connection, dataset_id), version)


def _dataset_name(connection: Connection, dataset_id: int) -> str:
    return connection.scalar(select(tables.datasets.c.name).where(tables.datasets.c.id == dataset_id)) or "?"
