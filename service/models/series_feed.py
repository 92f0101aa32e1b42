"""The rows of one series that the log has since a position, as its watchers are told of them."""

import asyncio
from collections import OrderedDict
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from data.grid.stamps import format_all
from data.store import observation_log
from service.models.datasets import Target

KEPT = 64  # reads, for the watchers of a series that come a moment later
MOST = 1_000  # rows of one answer; of more the newest are told, and how many were left out

Event = tuple[int, dict[str, Any]]  # sequence, and what is told


class SeriesFeed:
    """Reads the log once for all watchers of a series that are at the same position after the same notice."""

    def __init__(self) -> None:
        self._reads: OrderedDict[tuple[int, int, int], asyncio.Future[list[Event]]] = OrderedDict()

    async def after(self, engine: Engine, target: Target, sequence: int, notice: int) -> list[Event]:
        """The rows of a series after a position of the log, oldest first. Raises StoreUnavailable.

        notice: the number of the notice that asks for them; what a read before it found is too old.
        """
        key = target.series, sequence, notice
        if key not in self._reads:
            self._reads[key] = asyncio.ensure_future(run_in_threadpool(read, engine, target, sequence))
            while len(self._reads) > KEPT:
                self._reads.popitem(last=False)
        return await asyncio.shield(self._reads[key])


def read(engine: Engine, target: Target, sequence: int) -> list[Event]:
    """The rows after a position; first of all, where some are not told, an event that says so."""
    dataset = target.served.dataset
    gone = observation_log.whole_after(engine, dataset.id) > sequence
    log = observation_log.log(engine, dataset.id, after=sequence, series=[target.series])
    left_out = max(0, len(log) - MOST)
    log = log.select(log.seq > (int(log.seq[left_out - 1]) if left_out else 0))
    steps = dataset.grid.steps(log.ds)
    stamps = format_all(dataset.grid.label_stamps(steps, target.label), dataset.grid.kind)
    events: list[Event] = []
    if gone or left_out:
        events.append((sequence, {"dropped": None if gone else left_out}))
    for seq, ds, y, verdict in zip(log.seq.tolist(), stamps, log.y.tolist(), log.verdict.tolist(), strict=True):
        events.append((seq, {"ds": ds, "y": dataset.shown(y), "verdict": verdict, "sequence": seq}))
    return events
