"""Names a moment of a dataset's history, so that the same values can be read again after any hand-off or ingest."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data.errors import InvalidInput, Unavailable
from data.store import observation_log
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

WRITTEN = re.compile(r"lake:(None|\d+)\+log:(\d+)(?:@(-?\d+))?", re.ASCII)


@dataclass(frozen=True)
class Moment:
    """The rows that were known at one moment, written `lake:V+log:S@T`.

    lake     version of the Delta table; None before its first commit
    log_seq  the newest row of the live log; 0 where it had none
    at       `available_at` of the newest row of both, in microseconds since 1970 UTC. Rows up to `log_seq` that have
             moved to the lake since are among its rows up to `at`, because no later row has an earlier stamp.
    """

    lake: int | None
    log_seq: int
    at: int

    def __str__(self) -> str:
        return f"lake:{self.lake}+log:{self.log_seq}@{self.at}"


def newest_moment(workspace: Workspace, dataset: Dataset) -> Moment:
    """The present moment."""
    # The log first: rows that are handed off meanwhile are in the lake's newer version, and no row is missed.
    seq = observation_log.last_seq(workspace.engine, dataset.id)
    version = workspace.lake.snapshot(dataset.id)
    return Moment(version, seq, newest_stamp(workspace, dataset, version, seq))


def parse_moment(workspace: Workspace, dataset: Dataset, text: str) -> Moment:
    """The moment that a text names. The form without `@T`, which earlier versions wrote, is read as well.

    Raises InvalidInput for another text, and Unavailable where rows of an old form have moved to the lake since.
    """
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise InvalidInput(f"{text!r} names no snapshot; one looks like lake:3+log:120@1700000000000000")
    version = None if found[1] == "None" else int(found[1])
    seq = int(found[2])
    if found[3] is not None:
        return Moment(version, seq, int(found[3]))
    if observation_log.whole_after(workspace.engine, dataset.id) >= seq > 0:
        raise Unavailable(
            f"snapshot {text} of {dataset.name!r} is of an earlier version of Rollcast, and its live values have moved "
            "to the lake since; train again"
        )
    return Moment(version, seq, newest_stamp(workspace, dataset, version, seq))


def newest_stamp(workspace: Workspace, dataset: Dataset, version: int | None, seq: int) -> int:
    """The newest `available_at` of a version of the lake and of the log up to row `seq`; 0 where there is no row."""
    stored = None if version is None else workspace.lake.stamp(dataset.id, version)
    return max(stored or 0, observation_log.stamp(workspace.engine, dataset.id, seq) or 0)
