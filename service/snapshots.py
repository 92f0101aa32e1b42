"""State snapshots: what makes a restart read the log's end instead of all of it.

Derived data, one block of bytes for each shard of rows, written by the writer between two batches so that a shard is
always the fold of the log up to one position. After a pass over all shards that had moved, a marker says up to which
position the snapshots are complete; a crash in the middle of a pass leaves the older marker standing.
"""

import logging
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from data import live
from data.errors import DamagedArtifact
from forecasting.packing import pack, unpack
from forecasting.rolling import RollingState
from service.champion import Champion

log = logging.getLogger("rollcast.service")

SHARD = 1024  # rows in one block
MARKER = -1  # the shard number under which the marker is kept
OWN = ("series", "sequence", "stale")  # arrays beside those of the state


class Pass:
    """One round over the shards that moved since they were last written. Writer only."""

    def __init__(self, champion: Champion) -> None:
        self.champion = champion
        self._complete = champion.seq
        self._pending = sorted({row // SHARD for row in champion.states.dirty}, reverse=True)

    def step(self, engine: Engine) -> bool:
        """Write one shard, or the marker when none is left. Returns whether there is more to do."""
        if not self._pending:
            _put(engine, self.champion, MARKER, self._complete, {"none": np.zeros(0)})
            return False
        _put_shard(engine, self.champion, self._pending.pop())
        return True


def _put_shard(engine: Engine, champion: Champion, shard: int) -> None:
    states = champion.states
    rows = np.arange(shard * SHARD, min((shard + 1) * SHARD, len(states)))
    state, sequence = states.copy(rows)
    arrays = {**state.arrays, "series": states.series[rows], "sequence": sequence, "stale": states.stale_rows(rows)}
    states.dirty.difference_update(rows.tolist())
    try:
        _put(engine, champion, shard, champion.seq, arrays)
    except BaseException:
        states.dirty.update(rows.tolist())
        raise


def _put(engine: Engine, champion: Champion, shard: int, seq: int, arrays: dict[str, np.ndarray]) -> None:
    blob = pack(arrays, {"fingerprint": champion.roller.fingerprint, "epoch": str(champion.epoch), "seq": str(seq)})
    live.put_snapshot(engine, champion.dataset_id, champion.epoch, shard, seq, blob)


@dataclass(frozen=True)
class Restored:
    """Rows out of snapshots: each series once, from the newest block that holds it.

    position (n,) is the position of the log that each row's block was written at; `complete` says up to which
    position nothing is missing, for any series, or is None where that cannot be said.
    """

    series: np.ndarray
    state: RollingState
    sequence: np.ndarray
    stale: np.ndarray
    position: np.ndarray
    complete: int | None


def restore(engine: Engine, dataset_id: int, epoch: int, fingerprint: str) -> Restored | None:
    """What the snapshots of one epoch hold; blocks that are damaged or of another model are left out."""
    blocks, complete, whole = [], None, True
    for kept in live.snapshots(engine, dataset_id, epoch):
        try:
            arrays, metadata = unpack(kept.blob)
        except DamagedArtifact:
            log.warning("snapshot %d of dataset %d is damaged; its series are folded anew", kept.shard, dataset_id)
            whole = False
            continue
        if metadata.get("fingerprint") != fingerprint or metadata.get("epoch") != str(epoch):
            log.warning("snapshot %d of dataset %d is of another model; ignored", kept.shard, dataset_id)
            whole = False
        elif kept.shard == MARKER:
            complete = int(metadata["seq"])
        else:
            blocks.append((int(metadata["seq"]), arrays))
    return _newest(blocks, complete if whole else None) if blocks else None


def _newest(blocks: list[tuple[int, dict[str, np.ndarray]]], complete: int | None) -> Restored:
    blocks.sort(key=lambda block: -block[0])
    joined = {name: np.concatenate([arrays[name] for _, arrays in blocks]) for name in blocks[0][1]}
    position = np.repeat([seq for seq, _ in blocks], [len(arrays["series"]) for _, arrays in blocks])
    _, first = np.unique(joined["series"], return_index=True)  # np.unique takes the first: the newest block
    state = RollingState({name: array[first] for name, array in joined.items() if name not in OWN})
    series, sequence, stale = (joined[name][first] for name in OWN)
    return Restored(series, state, sequence, stale, position[first], complete)
