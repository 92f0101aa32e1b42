"""Reads a home without the program's own code, so that the result is comparable between versions."""

import hashlib
import json
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from safetensors.numpy import load


class Block(NamedTuple):
    """Named arrays and their metadata."""

    arrays: dict[str, np.ndarray]
    words: dict[str, str]


def query(store: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows that one statement gives on a SQLite store; what it changes is committed."""
    with closing(sqlite3.connect(store)) as connection, connection:
        return connection.execute(sql).fetchall()


def blobs(store: Path, table: str) -> list[bytes]:
    """Every blob of a table in the order of its key, whatever its columns are called."""
    rows = query(store, f"SELECT * FROM {table}")  # noqa: S608
    ordered = sorted(rows, key=lambda row: [value for value in row if isinstance(value, int)])
    return [value for row in ordered for value in row if isinstance(value, bytes)]


def blocks(store: Path, table: str) -> list[Block]:
    """Every block of arrays of a table, `snapshots` or `contexts`."""
    return [_block(blob) for blob in blobs(store, table)]


def _block(blob: bytes) -> Block:
    """32 bytes of sha256, then safetensors."""
    body = blob[32:]
    if hashlib.sha256(body).digest() != blob[:32]:
        raise ValueError("a block of arrays does not match its checksum")
    size = struct.unpack("<Q", body[:8])[0]
    return Block(load(body), json.loads(body[8 : 8 + size]).get("__metadata__", {}))


def newest_states(store: Path) -> dict[tuple[str, int], Block]:
    """The newest state of each series under each model: (fingerprint, series id) -> arrays without their first axis."""
    found: dict[tuple[str, int], Block] = {}
    for block in sorted(blocks(store, "snapshots"), key=lambda block: int(block.words["seq"])):
        if "series" not in block.arrays:  # the marker, which says how far the snapshots are complete
            continue
        for row, series in enumerate(block.arrays["series"].tolist()):
            own = {name: array[row] for name, array in block.arrays.items() if name != "amendments"}
            found[block.words["fingerprint"], series] = Block(own, block.words)
    return found


def checksum(rows: pl.DataFrame) -> str:
    """sha256 of the columns unique_id, ds and y, rows in their order: UTF-8 lines, int64 and float64 (NaN: missing)."""
    ids = "\n".join(rows["unique_id"].to_list()).encode()
    ds = rows["ds"].to_numpy().astype("<i8").tobytes()
    y = rows["y"].fill_null(float("nan")).to_numpy().astype("<f8").tobytes()
    return hashlib.sha256(ids + b"\0" + ds + y).hexdigest()
