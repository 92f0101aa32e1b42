"""State snapshots: what makes a restart read the log's end instead of all of it, and a correction its own tail.

Derived data, one block of bytes for each shard of series, written by the writer between two batches so that a shard is
always the fold of the log up to one position, and its scores are of the very same rows: reading on from there neither
loses nor doubles a settled target. After a pass over all shards that had moved, a marker says up to which position the
snapshots are complete; a crash in the middle of a pass leaves the older marker standing.
"""

import logging
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from data.errors import DamagedArtifact
from data.store import snapshot_store
from data.store.snapshot_store import LAYOUT, MARKER, OWN
from forecasting.kernel.packing import pack, unpack
from forecasting.rolling.roller import RollingState
from states import scores
from states.champion import Champion
from states.checkpoints import shards_of

log = logging.getLogger("rollcast.service")

ROOM = 1 << 18  # rows that a restart makes room for at first


class Pass:
    """One round over the shards that moved since they were last written. Writer only."""

    def __init__(self, champion: Champion) -> None:
        self.champion = champion
        self._complete = champion.seq
        moved = champion.states.series[np.array(sorted(champion.states.dirty), np.int64)]
        self._pending = np.unique(shards_of(moved))[::-1].tolist()

    def step(self, engine: Engine) -> bool:
        """Write one shard, or the marker when none is left. Returns whether there is more to do."""
        if not self._pending:
            _put(engine, self.champion, MARKER, self._complete, {"none": np.zeros(0)})
            scores.write_down(engine, self.champion)
            return False
        _put_shard(engine, self.champion, self._pending.pop())
        return True


def _put_shard(engine: Engine, champion: Champion, shard: int) -> None:
    states = champion.states
    rows = np.flatnonzero(shards_of(states.series) == shard)
    state, sequence = states.copy(rows)
    series = states.series[rows]
    own = (
        series,
        sequence,
        states.stale_rows(rows),
        champion.checkpoints.amendments.pack(series),
        *states.settled(rows),
    )
    states.dirty.difference_update(rows.tolist())
    try:
        _put(engine, champion, shard, champion.seq, {**state.arrays, **dict(zip(OWN, own, strict=True))})
    except BaseException:
        states.dirty.update(rows.tolist())
        raise


def _put(engine: Engine, champion: Champion, shard: int, seq: int, arrays: dict[str, np.ndarray]) -> None:
    words = {
        "fingerprint": champion.roller.fingerprint,
        "layout": LAYOUT,
        "epoch": str(champion.anchor_id),
        "seq": str(seq),
    }
    blob = pack(arrays, words)
    kept = snapshot_store.put(engine, champion.dataset_id, champion.anchor_id, shard, seq, blob)
    champion.checkpoints.replaced(shard, kept)


@dataclass(frozen=True)
class Restored:
    """Rows out of snapshots: each series once, from the newest block of its shard.

    position (n,) is the position of the log that each row's block was written at; `complete` says up to which
    position nothing is missing, for any series, or is None where that cannot be said.
    """

    series: np.ndarray
    state: RollingState
    sequence: np.ndarray
    stale: np.ndarray
    position: np.ndarray
    amendments: np.ndarray
    settled: np.ndarray
    unit: np.ndarray
    complete: int | None


def restore(engine: Engine, dataset_id: int, anchor_id: int, fingerprint: str) -> Restored | None:
    """What the snapshots of one anchor hold; blocks that are damaged or of another model are left out."""
    joined, complete, whole = _Joined(), None, True
    for kept in snapshot_store.newest(engine, dataset_id, anchor_id):
        try:
            arrays, metadata = unpack(kept.blob)
        except DamagedArtifact:
            log.warning("snapshot %d of dataset %d is damaged; its series are folded anew", kept.shard, dataset_id)
            whole = False
            continue
        if {"fingerprint": fingerprint, "layout": LAYOUT, "epoch": str(anchor_id)}.items() - metadata.items():
            log.warning("snapshot %d of dataset %d is of another model; ignored", kept.shard, dataset_id)
            whole = False
        elif kept.shard == MARKER:
            complete = int(metadata["seq"])
        else:
            joined.add({**arrays, "position": np.full(len(arrays["series"]), int(metadata["seq"]))})
    if not joined.rows:
        return None
    arrays = joined.arrays()
    series, sequence, stale, amendments, settled, unit = (arrays.pop(name) for name in OWN)
    position, state = arrays.pop("position"), RollingState(arrays)
    return Restored(series, state, sequence, stale, position, amendments, settled, unit, complete if whole else None)


class _Joined:
    """Blocks end to end, in arrays that have room for more: what may be a gigabyte is held once, not twice."""

    def __init__(self) -> None:
        self.rows = 0
        self._arrays: dict[str, np.ndarray] = {}
        self._amendments: list[np.ndarray] = []

    def add(self, block: dict[str, np.ndarray]) -> None:
        self._amendments.append(block.pop("amendments"))
        more = self.rows + len(block["series"])
        for name, array in block.items():
            held = self._arrays.get(name)
            if held is None or len(held) < more:  # room that is never written to takes no memory
                grown = np.empty((max(ROOM, 2 * more), *array.shape[1:]), array.dtype)
                grown[: self.rows] = 0 if held is None else held[: self.rows]
                held = self._arrays[name] = grown
            held[self.rows : more] = array
        self.rows = more

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array, as long as there are rows."""
        whole = {name: array[: self.rows] for name, array in self._arrays.items()}
        return {**whole, "amendments": np.concatenate(self._amendments)}
