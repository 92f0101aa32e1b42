"""Where the fold of a series can be taken up again after a correction: older snapshots that are still valid."""

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine

from data.errors import DamagedArtifact
from data.store import snapshot_store
from data.store.snapshot_store import OWN, SHARD
from forecasting.kernel.packing import unpack
from forecasting.rolling.state import RollingState
from states.model import RollingModel
from states.out_of_order import BEGINNING, OutOfOrder

log = logging.getLogger("rollcast.service")

OPEN = 8  # blocks held in memory


def shards_of(series: np.ndarray) -> np.ndarray:
    """(k,) the block that each series id belongs to, now and after any restart."""
    return np.asarray(series) // SHARD


def grown(arrays: dict[str, np.ndarray], roller: RollingModel) -> dict[str, np.ndarray]:
    """The arrays of a snapshot; those that it does not have yet are as in an empty state."""
    if "recent" not in arrays:
        arrays["recent"] = roller.ledger(len(arrays["series"])).recent
    if "handed" not in arrays:
        arrays["handed"] = np.full(len(arrays["series"]), BEGINNING)
    missing = roller.empty(0).arrays.keys() - arrays.keys()
    if missing:
        empty = roller.empty(len(arrays["series"])).arrays
        arrays |= {name: empty[name] for name in missing}
    return arrays


@dataclass(frozen=True)
class Block:
    """One shard as it was after row `seq` of the log; every array has n rows, series ascending."""

    seq: int
    series: np.ndarray
    stale: np.ndarray
    sequence: np.ndarray  # the position of the log that each state knows
    state: RollingState

    def row(self, series: int) -> int | None:
        """The row of a series whose state was the fold of the log; None where there is no such state."""
        row = int(np.searchsorted(self.series, series))
        if row == len(self.series) or self.series[row] != series or self.stale[row]:
            return None
        return None if self.state.blank(np.array([row]))[0] else row


class StoredStart(NamedTuple):
    """A snapshot of one series, from which its fold can be taken up. A correction since then may have made it void."""

    seq: int  # the snapshot was written after this row of the log
    state: RollingState  # of one row
    sequence: int  # the position of the log that the state knows

    @property
    def origin(self) -> int:
        """The step of the last value of the state."""
        return int(self.state.origin[0])


class Checkpoints:
    """The snapshots of one anchor, as starting points. Used by the writer thread only."""

    def __init__(self, dataset_id: int, anchor_id: int, roller: RollingModel) -> None:
        self.dataset_id, self.anchor_id, self._roller = dataset_id, anchor_id, roller
        self.out_of_order = OutOfOrder()
        self.kept: dict[int, list[int]] = {}  # by shard: the log positions of its snapshots, ascending
        self._open: OrderedDict[tuple[int, int], Block | None] = OrderedDict()

    def of_anchor(self, anchor_id: int) -> "Checkpoints":
        """The same for another anchor with the same states, of which no snapshot was written yet."""
        other = Checkpoints(self.dataset_id, anchor_id, self._roller)
        other.out_of_order = self.out_of_order
        return other

    def replaced(self, shard: int, kept: list[int]) -> None:
        """A snapshot of the shard was written; these (ascending) are in the store now."""
        self.kept[shard] = kept
        if kept:
            self._open.pop((shard, kept[-1]), None)

    def starts(self, engine: Engine, series: int, newest_first: bool) -> Iterator[StoredStart]:
        """The snapshots of one series, one after the other, to be read by any thread."""
        own, (shard,) = self.of_anchor(self.anchor_id), shards_of(np.array([series])).tolist()
        kept = list(self.kept.get(shard, ()))
        for seq in reversed(kept) if newest_first else kept:
            block = own.block(engine, shard, seq)
            row = None if block is None else block.row(series)
            if block is not None and row is not None:
                yield StoredStart(seq, block.state.take(np.array([row])), int(block.sequence[row]))

    def find(self, engine: Engine, series: np.ndarray, state: RollingState) -> np.ndarray:
        """Put the newest state that is still valid into `state` (n rows) for each of `series` (n,), ascending.

        Returns (n,) bool: which series have one.
        """
        found = np.zeros(len(series), bool)
        shards = shards_of(series)
        for shard in np.unique(shards).tolist():
            wanted = np.flatnonzero(shards == shard)
            for seq in reversed(self.kept.get(shard, ())):
                wanted = wanted[~found[wanted]]
                block = self.block(engine, shard, seq) if wanted.size else None
                if block is not None:
                    self._fill(block, series, wanted, state, found)
        return found

    def _fill(
        self, block: Block, series: np.ndarray, wanted: np.ndarray, state: RollingState, found: np.ndarray
    ) -> None:
        place = np.minimum(np.searchsorted(block.series, series[wanted]), len(block.series) - 1)
        origins = block.state.origin[place]
        usable = (block.series[place] == series[wanted]) & ~block.stale[place] & ~block.state.blank(place)
        holds = [
            good and self.out_of_order.holds(number, block.seq, origin)
            for good, number, origin in zip(usable.tolist(), series[wanted].tolist(), origins.tolist(), strict=True)
        ]
        chosen = np.flatnonzero(holds)
        state.put(wanted[chosen], block.state.take(place[chosen]))
        found[wanted[chosen]] = True

    def block(self, engine: Engine, shard: int, seq: int) -> Block | None:
        """A block from the store, or from memory; None where it is gone, damaged or of another model."""
        key = shard, seq
        if key not in self._open:
            blob = snapshot_store.read(engine, self.dataset_id, self.anchor_id, shard, seq)
            self._open[key] = None if blob is None else self._read(shard, blob)
        self._open.move_to_end(key)
        while len(self._open) > OPEN:
            self._open.popitem(last=False)
        return self._open[key]

    def _read(self, shard: int, blob: bytes) -> Block | None:
        try:
            arrays, words = unpack(blob)
        except DamagedArtifact:
            log.warning("snapshot %d of dataset %d is damaged and skipped", shard, self.dataset_id)
            return None
        if not snapshot_store.readable(words, self._roller.fingerprint) or not len(arrays["series"]):
            return None
        arrays = grown(arrays, self._roller)
        order = np.argsort(arrays["series"])
        state = self._roller.restore({name: array[order] for name, array in arrays.items() if name not in OWN})
        series, stale, sequence = (arrays[name][order] for name in ("series", "stale", "sequence"))
        return Block(int(words["seq"]), series, stale, sequence, state)
