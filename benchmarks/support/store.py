"""Makes a live store like one after months of operation: a promoted network of the product's default size with random
weights, contexts, and snapshots of every series. All series are copies of 256 different ones."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.grid.durations import HOUR
from data.grid.grid import Grid
from data.grid.stamps import format_ds
from data.settings import Settings
from data.store import anchors, catalogue, database, promotions, registry
from forecasting.config import ModelConfig
from forecasting.kernel.kernel import stacked
from forecasting.kernel.packing import pack
from forecasting.networks import networks
from forecasting.rolling import bundle as bundles
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from states.build_champion import build
from states.contexts import pack_index
from states.snapshots import SnapshotPass
from states.states import States

CONFIG = ModelConfig("lstm", 168, 128, 48, 24, 24, 24, (24,), hidden_size=128, num_layers=1, members=3)
DIFFERENT = 256
SHARD = 1024  # contexts in one block
ORIGIN = 262_968  # grid step of every series' anchor: hours from 1970 to the year 2000


@dataclass(frozen=True)
class Store:
    """One store and what is in it."""

    settings: Settings
    ids: tuple[str, ...]

    @property
    def url(self) -> str:
        return self.settings.database_url


def network() -> Bundle:
    """A network with the random weights that training starts from."""
    single = ModelConfig(**{**CONFIG.to_dict(), "members": 1})
    members = stacked([networks.Network(single).export() for _ in range(CONFIG.members)])
    fallback = {"fallback.linear": np.zeros((48, 168)), "fallback.increments": np.ones((2, 5, 48))}
    return Bundle(CONFIG, members | fallback, Calibration.neutral(CONFIG))


def make(home: Path, series: int, database_url: str = "") -> Store:
    """A store of so many hourly series, each at its anchor; by default in SQLite."""
    home.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=home, database_url=database_url)
    engine = database.open_store(settings.database_url)
    dataset = catalogue.put_dataset(engine, "plant", grid=Grid("1h"), season=24, horizon=48, target="value")
    ids = tuple(f"line-{number % 97:02}/sensor-{number:06}" for number in range(series))
    numbers = np.array(list(catalogue.ensure_series(engine, dataset.id, ids).values()), np.int64)
    bundle = network()
    version = registry.add_model(engine, dataset.id, "lstm", bundle.digest, {}, bundles.to_bytes(bundle))
    few = contexts(min(series, DIFFERENT))
    own = np.arange(series) % len(few)
    blobs = [
        _block(numbers[at : at + SHARD], few[own[at : at + SHARD]], bundle.fingerprint)
        for at in range(0, series, SHARD)
    ]
    words = {"fingerprint": bundle.fingerprint}
    blobs.append(pack_index(numbers, np.full(series, ORIGIN), np.arange(series), words))
    several = _block(numbers[: len(few)], few, bundle.fingerprint)
    first = promotions.decide(engine, dataset.id, version, "promoted", {}, [several], 0)
    champion, _ = build(engine, dataset, first)  # starts the first series; the others are copies
    promotions.decide(engine, dataset.id, version, "promoted", {}, blobs, 0)
    promotion = promotions.served(engine, dataset.id)
    assert promotion is not None
    anchor = anchors.newest(engine, promotion.id)
    assert anchor is not None
    champion.promotion_id = promotion.id
    champion.anchor_id = champion.checkpoints.anchor_id = anchor.anchor_id
    _fill(champion.states, numbers, own)
    step = SnapshotPass(champion)
    while step.step(engine):
        pass
    engine.dispose()
    return Store(settings, ids)


def _block(numbers: np.ndarray, values: np.ndarray, fingerprint: str) -> bytes:
    origin = np.full(len(numbers), ORIGIN)
    return pack({"series": numbers, "values": values, "origin": origin}, {"fingerprint": fingerprint})


def _fill(states: States, numbers: np.ndarray, own: np.ndarray) -> None:
    """Copies the states of the first series to all others."""
    have = len(states)
    if have == len(numbers):
        return
    few, _ = states.copy(states.rows_of(numbers[:DIFFERENT]))
    states.add(numbers[have:], few.take(own[have:]), np.zeros(len(numbers) - have, np.int64))


def contexts(series: int) -> np.ndarray:
    """(series, context): noisy daily seasons, each around its own level."""
    rng = np.random.default_rng(0)
    steps = np.arange(CONFIG.context)
    days = np.sin(2 * np.pi * (steps + rng.uniform(0, 24, (series, 1))) / 24)
    return rng.uniform(10, 100, (series, 1)) + 3 * days + rng.standard_normal((series, CONFIG.context))


def stamp(step: int) -> str:
    """The stamp `step` hours after the anchor, as it is sent."""
    return str(format_ds((ORIGIN + step) * HOUR, "instant"))
