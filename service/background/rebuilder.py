"""Rebuilds states in the background whose correction needs more rows than can be folded before the answer."""

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np
from sqlalchemy import Engine

from data.errors import RollcastError
from service.base.metrics import Metrics
from service.models.datasets import Served
from service.observe.writer import Writer
from states import folding
from states.champion import Champion

log = logging.getLogger("rollcast.service")

GROUP = 64  # series folded together
MERGED_WITHIN = 120  # seconds that the thread waits at most until the writer has merged a group


class Rebuilder(threading.Thread):
    """Folds deferred series again on copies of their states, and gives the copies to the writer."""

    def __init__(
        self,
        connect: Callable[[], Engine],
        writer: Writer,
        metrics: Metrics,
        datasets: Callable[[], Sequence[Served]],
        every_s: float,
    ) -> None:
        super().__init__(name="rollcast-rebuilder", daemon=True)
        self._connect, self._writer, self._metrics = connect, writer, metrics
        self._datasets, self._every = datasets, every_s
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        while not self._stopping.wait(self._every):
            try:
                for served in self._datasets():
                    if served.champion is not None and served.champion.pending:
                        self._rebuild(self._connect(), served, served.champion)
            except RollcastError as error:
                log.warning("stale series were not rebuilt: %s", error)
            except Exception:
                log.exception("stale series were not rebuilt")

    def _rebuild(self, engine: Engine, served: Served, champion: Champion) -> None:
        pending = sorted(champion.pending)  # a copy first: the writer may add to it meanwhile
        for i in range(0, len(pending), GROUP):
            if self._stopping.is_set():
                return
            seq = champion.seq  # the writer takes in whatever comes later
            begun = folding.begin(engine, champion, np.array(pending[i : i + GROUP], np.int64))
            state, _ = folding.replay(engine, champion, begun)
            self._metrics.replayed("rebuild", int(state.observed.sum()))
            folded = folding.Folded(begun.series, state, seq)
            self._writer.merge(served, champion, folded).result(timeout=MERGED_WITHIN)
