"""A small live store for tests of the service: real datasets, models and contexts, without pipelines."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from data import clock
from data.grid.grid import Grid
from data.records import dataset_rules, series_limits
from data.records.dataset_rules import QualityRules, of_symbols
from data.settings import Settings
from data.store import catalogue, database, observation_log, promotions, registry
from data.store.catalogue import Dataset
from data.store.promotions import Event
from forecasting import baselines
from forecasting.config import ModelConfig
from forecasting.kernel.packing import pack
from forecasting.kinds import model_of
from forecasting.panel import Panel
from forecasting.rivals import Rivals
from forecasting.rolling import bundle as bundles
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.state import RollingState
from service.app import create_app
from states.contexts import CARRIED
from states.rows import Rows

FIVE = 300_000_000  # microseconds of five minutes
START = 1_700_000_100_000_000  # 2023-11-14T22:15:00Z
SEASON, HORIZON = 12, 6
LOCAL = "http://127.0.0.1:8000"  # an address where the service needs no keys


def wave(length: int, phase: float = 0.0) -> np.ndarray:
    """A season and a trend, so that naive and seasonal naive differ."""
    steps = np.arange(length)
    return 10 + np.sin(2 * np.pi * (steps + phase) / SEASON) + 0.01 * steps


def panel_of(*ids: str, length: int = 200) -> Panel:
    """Waves on the five-minute grid that end one step before START."""
    return Panel.of([wave(length, 3.0 * i) for i in range(len(ids))], ids, START // FIVE - length)


def baseline(panel: Panel, kind: str = "seasonal_naive") -> Bundle:
    """A model whose forecasts can be checked by eye: a window of 84, no cycle memory."""
    config, weights = baselines.fit(kind, panel, SEASON, HORIZON)
    return Bundle(config, weights, Calibration.neutral(config))


def network(panel: Panel, seed: int = 0) -> Bundle:
    """A small LSTM with random weights: its forecasts are meaningless, its recurrent state is real."""
    config = ModelConfig(
        "lstm", 24, 16, HORIZON, SEASON, level_steps=SEASON, skip_lag=SEASON, hidden_size=8, num_layers=2, memory=SEASON
    )
    draw, width = np.random.default_rng(seed), config.hidden_size
    shapes = {
        "encoder.dense.weight": (width, config.features),
        "encoder.dense.bias": (width,),
        "head.mix.weight": (width, 2 * width),
        "head.mix.bias": (width,),
        "head.median.weight": (HORIZON, width),
        "head.median.bias": (HORIZON,),
        "head.spread.weight": (2 * config.median * HORIZON, width),
        "head.spread.bias": (2 * config.median * HORIZON,),
        "head.gate.weight": (2 * HORIZON, width),
        "head.gate.bias": (2 * HORIZON,),
        "head.skip.weight": (2 * HORIZON, config.memory + config.window),
    }
    for layer in range(config.num_layers):
        shapes |= {f"cells.{name}_l{layer}": (4 * width, width) for name in ("weight_ih", "weight_hh")}
        shapes |= {f"cells.{name}_l{layer}": (4 * width,) for name in ("bias_ih", "bias_hh")}
    weights = {name: draw.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return Bundle(config, weights | baselines.fallback(config, panel), Calibration.neutral(config))


@dataclass
class World:
    """One live store, with the rows that pipelines would write."""

    settings: Settings
    engine: Engine

    @classmethod
    def at(cls, folder: Path, database_url: str = "", **settings: float | str) -> "World":
        """A world in this folder. By default it polls often and takes snapshots only on shutdown."""
        options: dict[str, Any] = {"poll_every_s": 0.02, "snapshot_every_s": 3600.0, **settings}
        made = Settings(home=folder, database_url=database_url, **options)
        return cls(made, database.open_store(made.database_url))

    def ingest(self, name: str, *ids: str, freq: str = "5m", vocabulary: Sequence[str] | None = None) -> Dataset:
        """A dataset and its series; with a vocabulary one of symbols, with the rules that its ingest gives it."""
        described = {"grid": Grid(freq), "season": SEASON, "horizon": HORIZON, "target": "value"}
        dataset = catalogue.put_dataset(self.engine, name, **described, vocabulary=vocabulary)
        if vocabulary is not None:
            dataset_rules.put(self.engine, dataset.id, QualityRules(**of_symbols()))
        catalogue.ensure_series(self.engine, dataset.id, ids)
        return dataset

    def number(self, dataset: Dataset, unique_id: str) -> int:
        return next(number for number, name in catalogue.series(self.engine, dataset.id) if name == unique_id)

    def numbers(self, dataset: Dataset, panel: Panel) -> np.ndarray:
        """(n,) the surrogate ids of a panel's series."""
        known = {name: number for number, name in catalogue.series(self.engine, dataset.id)}
        return np.array([known[unique_id] for unique_id in panel.ids], np.int64)

    def promote(
        self, dataset: Dataset, bundle: Bundle, panel: Panel, log_seq: int | None = None, event: Event = "promoted"
    ) -> int:
        """Register the bundle and serve it, with contexts from the panel. Returns the promotion_id.

        log_seq: the position of the log up to which the contexts contain its rows; by default its end.
        """
        version = self.register(dataset, bundle)
        blobs = self.contexts(dataset, bundle, panel)
        log_seq = observation_log.last_seq(self.engine, dataset.id) if log_seq is None else log_seq
        return promotions.decide(self.engine, dataset.id, version, event, {}, blobs, log_seq).id

    def register(self, dataset: Dataset, bundle: Bundle) -> int:
        """Register the bundle as the dataset's next version, without a decision. Returns the version."""
        artifact = bundles.to_bytes(bundle)
        return registry.add_model(self.engine, dataset.id, bundle.config.kind, bundle.digest, {"mase": 0.9}, artifact)

    def shadow(self, dataset: Dataset, bundle: Bundle, panel: Panel) -> int:
        """Let the bundle roll in shadow, from contexts without rows of the log. Returns the promotion_id."""
        version, blobs = self.register(dataset, bundle), self.contexts(dataset, bundle, panel)
        return promotions.decide(self.engine, dataset.id, version, "shadowed", {}, blobs, 0).id

    def roll_back(self, dataset: Dataset, bundle: Bundle, panel: Panel) -> int:
        """Serve the newest version with this digest again, from contexts without rows of the log.

        Returns the promotion_id.
        """
        known = [row.version for row in registry.models(self.engine, dataset.id) if row.digest == bundle.digest]
        blobs = self.contexts(dataset, bundle, panel)
        return promotions.decide(self.engine, dataset.id, known[-1], "rolled_back", {}, blobs, 0).id

    def contexts(self, dataset: Dataset, bundle: Bundle, panel: Panel) -> list[bytes]:
        """The contexts of a promotion, from which the service starts its states."""
        arrays = {
            "series": self.numbers(dataset, panel),
            "values": panel.tail_matrix(bundle.config.context),
            "origin": panel.last,
            CARRIED + "rival": Rivals.of(bundle.manifest, bundle.config).lags(panel.ids),
        }
        return [pack(arrays, {"fingerprint": bundle.fingerprint})]

    def limit(self, dataset: Dataset, panel: Panel) -> None:
        """Store the limits of live values, as a promotion does."""
        series = self.numbers(dataset, panel)
        steps = series_limits.reference_steps(dataset.season)
        made = series_limits.limits_of(
            series, panel.tail_matrix(steps), panel.last, observation_log.last_seq(self.engine, dataset.id)
        )
        series_limits.put(self.engine, dataset.id, made)

    @staticmethod
    def step(after_start: int) -> int:
        """The grid step `after_start` steps after START."""
        return START // FIVE + after_start

    def logged(self, dataset: Dataset, unique_id: str) -> list[tuple[int, float]]:
        """(step after START, value) of every row of the log, oldest first."""
        log = observation_log.log(self.engine, dataset.id, series=[self.number(dataset, unique_id)])
        return [((ds - START) // FIVE, y) for ds, y in zip(log.ds.tolist(), log.y.tolist(), strict=True)]

    def folded(self, dataset: Dataset, bundle: Bundle, panel: Panel, unique_id: str) -> RollingState:
        """The state of a series, computed the plain way: its context, then all rows of the log in order of time."""
        roller, i = model_of(bundle), panel.ids.index(unique_id)
        context, origin = panel.tail_matrix(bundle.config.context)[i].copy(), int(panel.last[i])
        log = observation_log.log(self.engine, dataset.id, series=[self.number(dataset, unique_id)])
        columns = (log.counted.tolist(), Rows.of_log(log, dataset.grid).anew.tolist())
        current = dict(zip(dataset.grid.steps(log.ds).tolist(), zip(*columns, strict=True), strict=True))
        for step, (value, _) in current.items():
            if origin - len(context) < step <= origin:
                context[step - origin - 1] = value
        state = roller.start(context[None], np.array([origin]))
        for step in sorted(step for step in current if step > origin):
            value, anew = current[step]
            only = np.array([0]), np.array([step]), np.array([value])
            roller.fold(state, *only, anew=np.array([anew], np.int8))
        return state

    @contextmanager
    def serving(self, clock: Callable[[], int] = clock.now) -> Iterator[TestClient]:
        """The service in this process, ready."""
        with TestClient(create_app(self.settings, clock), LOCAL) as client:
            until(lambda: client.get("/health/ready").status_code == 200)
            yield client


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until a condition holds that another thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.005)


def stamp(step: int) -> str:
    """The time `step` five-minute steps after START, as requests have it."""
    return f"{np.datetime64(START + step * FIVE, 'us').astype('datetime64[s]')}Z"


def rows(unique_id: str, values: Sequence[float | None], first: int = 0) -> list[dict[str, object]]:
    """Consecutive observations from `first` steps after START on."""
    return [{"unique_id": unique_id, "ds": stamp(first + i), "y": y} for i, y in enumerate(values)]


def median(client: TestClient, unique_id: str, **query: str) -> list[float]:
    """The median forecast; of the seasonal naive, the values one season before."""
    answer = client.get(f"/v1/series/{unique_id}/forecast", params={"quantiles": "0.5", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["quantiles"]["0.5"]


def same_states(first: RollingState, second: RollingState) -> bool:
    """Whether all arrays are equal, but for the last bits, which the size of a batch may change."""
    return all(np.allclose(first.arrays[name], second.arrays[name], rtol=1e-5, atol=1e-6) for name in first.arrays)
