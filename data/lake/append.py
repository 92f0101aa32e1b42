"""Appends rows to a Delta table, and finds the version in which a batch of the live log was appended."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import CommitProperties, DeltaTable, WriterProperties

from data.errors import Unavailable
from data.lake import deltalog
from data.lake.handoffs import HandoffBatch

ROW_GROUP = 131_072  # rows of a Parquet row group: few enough that those of one spell of time are read alone
APPLICATION = "rollcast-handoff"  # the name of batch numbers, and of their digests, in Delta's log
WRITER = WriterProperties(max_row_group_size=ROW_GROUP)


def is_moved(entry: Sequence[Mapping[str, Any]]) -> bool:
    """Is a log entry a batch that moved here from the live log?"""
    return any(APPLICATION in action.get("commitInfo", {}) for action in entry)


def version_of(path: Path, table: DeltaTable, batch: HandoffBatch) -> int | None:
    """The version in which a batch was appended, if it was."""
    if (table.transaction_version(APPLICATION) or 0) < batch.number:
        return None
    for version in reversed(deltalog.versions(path)):
        for action in deltalog.entry(path, version):
            if action.get("commitInfo", {}).get(APPLICATION) == batch.sha256:
                return version
    raise Unavailable(
        f"the lake has another batch {batch.number} than the live store: they are from different times; restore both "
        "from one backup"
    )


def append_rows(path: Path, rows: pl.LazyFrame, properties: CommitProperties | None = None) -> int:
    """Append to the table, or create it. Returns the version that has the rows. Only under the lock."""
    options = {
        "schema_mode": "merge",
        "configuration": {"delta.appendOnly": "true"},
        "commit_properties": properties,
        "writer_properties": WRITER,
    }
    rows.sink_delta(path, mode="append", delta_write_options=options)
    return int(DeltaTable(path).version())
