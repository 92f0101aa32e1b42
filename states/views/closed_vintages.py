"""Vintages that closed before they were stored, by the shard of their series: the next snapshot pass writes them."""

import numpy as np

from forecasting.rolling.vintages import Vintages
from states.checkpoints import shards_of

MOST = 200_000  # vintages that wait; beyond it the older half is given up


class ClosedVintages:
    """Written by the writer thread only; `of_series` may be asked by any."""

    def __init__(self) -> None:
        self._by_shard: dict[int, list[Vintages]] = {}
        self._waiting = 0

    def add(self, vintages: Vintages) -> None:
        """Keep vintages, whose rows are ids of series."""
        shards = shards_of(vintages.rows)
        for shard in np.unique(shards).tolist():
            self._by_shard.setdefault(shard, []).append(vintages.select(shards == shard))
        self._waiting += len(vintages.rows)
        if self._waiting > MOST:  # a long log is read again: the store has had most of them before
            self._by_shard = {shard: parts[len(parts) // 2 :] for shard, parts in self._by_shard.items()}
            self._waiting = sum(len(part.rows) for parts in self._by_shard.values() for part in parts)

    def of_shard(self, shard: int) -> list[Vintages]:
        """Those of one shard, in the order in which they closed."""
        return list(self._by_shard.get(shard, ()))

    def drop(self, shard: int) -> None:
        """Forget those of a shard: they are stored."""
        self._waiting -= sum(len(part.rows) for part in self._by_shard.pop(shard, ()))

    def clear(self) -> None:
        """Forget all."""
        self._by_shard, self._waiting = {}, 0

    def of_series(self, series: int) -> list[Vintages]:
        """Those of one series."""
        (shard,) = shards_of(np.array([series])).tolist()
        found = [part.select(part.rows == series) for part in self.of_shard(shard)]
        return [part for part in found if len(part.rows)]
