"""The rows of one series that the log has since a position, as its watchers are told of them."""

import asyncio
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from data.grid.stamps import format_all
from data.store import observation_log
from service.models.changes import PAUSE_S
from service.models.datasets import Target

MOST = 1_000  # rows of one answer; of more the newest are told, and how many were left out

Event = tuple[int, dict[str, Any]]  # sequence, and what is told


class SeriesFeed:
    """Reads the log once for all watchers of a series that are at the same position."""

    def __init__(self) -> None:
        self._reads: dict[tuple[int, int], tuple[float, asyncio.Future[list[Event]]]] = {}

    async def after(self, engine: Engine, target: Target, sequence: int) -> list[Event]:
        """The rows of a series after a position of the log, oldest first. Raises StoreUnavailable."""
        now, key = asyncio.get_running_loop().time(), (target.series, sequence)
        held = self._reads.get(key)
        if held is None or now - held[0] > PAUSE_S / 2:
            self._reads = {key: read for key, read in self._reads.items() if now - read[0] <= PAUSE_S / 2}
            held = now, asyncio.ensure_future(run_in_threadpool(read, engine, target, sequence))
            self._reads[key] = held
        return await asyncio.shield(held[1])


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
        events.append((seq, {"ds": ds, "y": None if y != y else y, "verdict": verdict, "sequence": seq}))
    return events
