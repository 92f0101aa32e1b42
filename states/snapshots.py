"""State snapshots: with them a restart reads the log's end instead of all of it, and a correction its own tail.

They are derived data, one block of bytes for each shard of series. The writer writes them between two batches, so that
a shard is always the fold of the log up to one position and its scores are of the very same rows: reading on from there
neither loses nor doubles a settled target. After a pass over all shards that had moved, a marker says up to which
position the snapshots are complete; after a crash in the middle of a pass the older marker holds.

Beside each shard those scored forecasts of its series are stored that were not stored yet: `states.views.vintages`.
"""

import logging
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine

from data.errors import DamagedArtifact, StoreUnavailable
from data.history import vintage_table
from data.store import catalogue, snapshot_store
from data.store.snapshot_store import LAYOUT, MARKER, OWN
from forecasting.kernel.packing import pack, unpack
from forecasting.rolling.state import RollingState
from states import scores
from states.champion import Champion
from states.checkpoints import grown, shards_of
from states.model import RollingModel
from states.views import vintages

log = logging.getLogger("rollcast.service")

ROOM = 1 << 18  # rows that a restart makes room for at first


class SnapshotPass:
    """One round over the shards that moved since they were last written. Used by the writer thread only."""

    def __init__(self, champion: Champion, vintages: bool = True, most_bytes: int | None = None) -> None:
        """vintages: whether its forecasts are stored, which are those of a model that serves; most_bytes: how much the
        forecasts of all datasets may take in the store, None: no limit."""
        self.champion, self._vintages, self._most_bytes = champion, vintages, most_bytes
        self._written: int | None = None  # the shard whose vintages were written last
        if not vintages:
            champion.states.closed.clear()
        self._complete = champion.seq
        moved = champion.states.series[np.array(sorted(champion.states.dirty), np.int64)]
        self._pending = np.unique(shards_of(moved))[::-1].tolist()

    def step(self, engine: Engine) -> bool:
        """Write the vintages of one shard, its states, or in the end the marker. Returns whether there is more to do.

        Nothing is written while the champion numbers steps by a calendar that was replaced in the store: it may have
        read rows by it since.
        """
        if self.champion.grid.sessions and not catalogue.is_grid_of(
            engine, self.champion.dataset_id, self.champion.grid
        ):
            return False
        if not self._pending:
            if self._most_bytes is not None and vintage_table.trim(engine, self._most_bytes):
                return True
            _put(engine, self.champion, MARKER, self._complete, {"none": np.zeros(0)})
            scores.write_down(engine, self.champion)
            return False
        if self._vintages and self._write_vintages(engine, self._pending[-1]):
            return True  # requests that wait have their turn; what closes meanwhile is written before the states
        _put_shard(engine, self.champion, self._pending.pop())
        return True

    def _write_vintages(self, engine: Engine, shard: int) -> bool:
        """Store the vintages of a shard; no fault of theirs keeps its states from being stored.

        Returns whether it was the first time for this shard, and there were some.
        """
        first, self._written = self._written != shard, shard
        try:
            return vintages.write_shard(engine, self.champion, shard) > 0 and first
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("vintages of shard %d of dataset %d were not stored", shard, self.champion.dataset_id)
            return False


def _put_shard(engine: Engine, champion: Champion, shard: int) -> None:
    states = champion.states
    rows = np.flatnonzero(shards_of(states.series) == shard)
    state, sequence = states.copy(rows)
    series = states.series[rows]
    own = (
        series,
        sequence,
        states.stale_rows(rows),
        champion.checkpoints.out_of_order.pack(series),
        *states.settled(rows),
        states.recent(rows),
        states.handed(rows),
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
class RestoredStates:
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
    scores: tuple[np.ndarray, ...]  # settled, unit, recent, handed: see `States`
    complete: int | None


def restore(
    engine: Engine,
    dataset_id: int,
    anchor_id: int,
    roller: RollingModel,
    series: np.ndarray | None = None,
    upto: int | None = None,
) -> RestoredStates | None:
    """What the snapshots of one anchor hold; blocks that are damaged or of another model are left out.

    series: of these (n,) alone; upto: from snapshots up to this row of the log. None stands for all.
    """
    newest, complete = _newest(snapshot_store.positions(engine, dataset_id, anchor_id), series, upto)
    joined = _Joined()
    for shard, seq in newest.items():
        arrays = _read(engine, dataset_id, anchor_id, roller, shard, seq)
        if arrays is None:
            complete = None
        else:
            arrays["position"] = np.full(len(arrays["series"]), seq)
            joined.add(arrays if series is None else _select(arrays, series))
    if not joined.rows:
        return None
    arrays = joined.arrays()
    own, sequence, stale, amendments, *scores = (arrays.pop(name) for name in OWN)
    position, state = arrays.pop("position"), roller.restore(arrays)
    return RestoredStates(own, state, sequence, stale, position, amendments, tuple(scores), complete)


def _newest(
    positions: dict[int, list[int]], series: np.ndarray | None, upto: int | None
) -> tuple[dict[int, int], int | None]:
    """The newest snapshot that counts of each shard, and the position of the log up to which nothing is missing."""
    markers = positions.pop(MARKER, [])
    wanted = sorted(positions.keys() & set(shards_of(series).tolist())) if series is not None else sorted(positions)
    counted = {shard: [seq for seq in positions[shard] if upto is None or seq <= upto] for shard in wanted}
    newest = {shard: seqs[-1] for shard, seqs in counted.items() if seqs}
    if not markers or len(newest) < len(wanted):
        return newest, None
    # The marker says that nothing came after a shard's very newest snapshot; of an older one it says nothing.
    older = [seq for shard, seq in newest.items() if seq != positions[shard][-1]]
    return newest, min([markers[-1], *older])


def _read(
    engine: Engine, dataset_id: int, anchor_id: int, roller: RollingModel, shard: int, seq: int
) -> dict[str, np.ndarray] | None:
    """The arrays of a snapshot; None where it is gone, damaged, or not of this model and layout."""
    blob = snapshot_store.read(engine, dataset_id, anchor_id, shard, seq)
    try:
        arrays, words = unpack(blob or b"")
    except DamagedArtifact:
        log.warning("snapshot %d of dataset %d is damaged; its states are rebuilt from the log", shard, dataset_id)
        return None
    if not snapshot_store.readable(words, roller.fingerprint) or words.get("epoch") != str(anchor_id):
        log.warning(
            "snapshot %d of dataset %d is of another model or layout (%s, this program writes %s); its states are "
            "rebuilt from the log",
            shard, dataset_id, words.get("layout"), LAYOUT,
        )  # fmt: skip
        return None
    return grown(arrays, roller)


def _select(arrays: dict[str, np.ndarray], series: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of some series (n,)."""
    wanted = np.isin(arrays["series"], series)
    if wanted.all():
        return arrays
    noted = arrays.pop("amendments")
    chosen = {name: array[wanted] for name, array in arrays.items()}
    return {**chosen, "amendments": noted[np.isin(noted[:, 0], series)]}


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
