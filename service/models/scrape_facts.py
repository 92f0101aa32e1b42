"""What /metrics shows beside counters and states: read from store, disk and sampled series, at most once in a while."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from threading import Lock, Thread
from typing import NamedTuple

import numpy as np
from sqlalchemy import Engine

from data.changes import ingests
from data.errors import DamagedArtifact, StoreUnavailable
from data.store import database, observation_log, registry
from forecasting.symbol_config import is_symbols
from service.models.datasets import Served
from states.champion import Champion
from states.past.effective_memories import EffectiveMemories

log = logging.getLogger("rollcast.service")

CACHE_SECONDS = 15.0
SAMPLED = 100  # series of a dataset whose gates are looked at
OPENED = ("input", "forget", "output", "reset", "update")  # gates between shut (0) and open (1)


class DatasetFacts(NamedTuple):
    """One dataset; times in microseconds since 1970 UTC.

    trained   when each version was registered
    ingested  when a row was last stored, by an ingest or over HTTP; None before the first
    gates     mean opening of each layer and gate, see `sampled_gates`
    memory    the effective memory in steps; None until it is measured, and of a model without recurrent layers
    """

    trained: Mapping[int, int]
    ingested: int | None
    gates: Mapping[tuple[int, str], float]
    memory: float | None


@dataclass(frozen=True)
class ScrapeFacts:
    """Everything that is read for a scrape; None where it could not be read."""

    log_bytes: int | None = None
    disk_bytes: int | None = None
    disk_free: int | None = None
    datasets: Mapping[str, DatasetFacts] = field(default_factory=dict)


class FactsReader:
    """The facts as last read. While the store does not answer, the other metrics are still shown."""

    def __init__(self, engine: Callable[[], Engine], home: Path, memories: EffectiveMemories) -> None:
        self._engine, self._home, self._memories, self._lock = engine, home, memories, Lock()
        self._measuring: Thread | None = None
        self._read_at = float("-inf")
        self._facts = ScrapeFacts()

    def read(self, datasets: Sequence[Served]) -> ScrapeFacts:
        """The facts, at most CACHE_SECONDS old where the store answers. Blocks as long as the store does."""
        with self._lock:
            if time.monotonic() - self._read_at > CACHE_SECONDS:
                self._read_at = time.monotonic()
                self._measure([served.champion for served in datasets if served.champion])
                with suppress(StoreUnavailable):
                    self._facts = _read(self._engine(), self._home, self._memories, datasets)
            return self._facts

    def _measure(self, champions: Sequence[Champion]) -> None:
        """Measure the effective memory of new models beside the scrapes: it may take some seconds."""
        new = [one for one in champions if not self._memories.measured(one) and one.roller.inspection() is not None]
        if new and not (self._measuring and self._measuring.is_alive()):
            self._measuring = Thread(target=self._measure_all, args=(new,), name="effective-memory", daemon=True)
            self._measuring.start()

    def _measure_all(self, champions: Sequence[Champion]) -> None:
        for champion in champions:
            with suppress(StoreUnavailable, DamagedArtifact):
                self._memories.measure(champion)


def _read(engine: Engine, home: Path, memories: EffectiveMemories, datasets: Sequence[Served]) -> ScrapeFacts:
    found = {served.name: _of_dataset(engine, memories, served) for served in datasets}
    with suppress(OSError):
        disk = shutil.disk_usage(next(folder for folder in (home, *home.parents) if folder.exists()))
        return ScrapeFacts(database.log_bytes(engine), disk.total, disk.free, found)
    return ScrapeFacts(database.log_bytes(engine), datasets=found)


def _of_dataset(engine: Engine, memories: EffectiveMemories, served: Served) -> DatasetFacts:
    number, champion = served.dataset.id, served.champion
    trained = {row.version: row.created_at for row in registry.models(engine, number)}
    stored = (ingests.last_end(engine, number), observation_log.stamp(engine, number))
    ingested = max((at for at in stored if at is not None), default=None)
    if champion is None:
        return DatasetFacts(trained, ingested, {}, None)
    return DatasetFacts(trained, ingested, _gates(champion), memories.known(champion))


def _gates(champion: Champion) -> dict[tuple[int, str], float]:
    """The same as `sampled_gates`; none where the model's arithmetic fails, which answers say and count."""
    try:
        return sampled_gates(champion)
    except Exception:
        log.warning("the gates of dataset %d could not be looked at", champion.dataset_id, exc_info=True)
        return {}


def sampled_gates(champion: Champion) -> dict[tuple[int, str], float]:
    """Mean opening of each layer, counted from 1, and gate: over units, members and up to SAMPLED series.

    The gates are those of the step to come, should its value be the median forecast's or the likeliest symbol. Series
    without enough values for the model are left out; a model without gates has none.
    """
    series = champion.states.series
    chosen = series[np.unique(np.linspace(0, len(series) - 1, min(SAMPLED, len(series))).astype(int))]
    copies = champion.states.read_all(chosen.tolist())
    rows = np.flatnonzero(~champion.roller.warming(copies.state, np.arange(len(copies.found))))
    opened: dict[tuple[int, str], list[float]] = {}
    expected: list[float] = []
    if len(rows):
        found = champion.roller.forecast(copies.state, rows, 1)[:, 0]
        likeliest = found.argmax(1) if is_symbols(champion.config) else found[:, champion.config.median]
        expected = likeliest.astype(np.float64).tolist()
    for row, value in zip(rows.tolist(), expected, strict=True):
        layers = champion.roller.gates(copies.state, row, value) if isfinite(value) else ()
        for number, layer in enumerate(layers):
            for gate in OPENED:
                if gate in layer:
                    place = (number % champion.config.num_layers + 1, gate)
                    opened.setdefault(place, []).append(float(layer[gate].mean()))
    return {place: float(np.mean(values)) for place, values in opened.items()}
