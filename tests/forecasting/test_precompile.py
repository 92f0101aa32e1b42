"""What an image compiles beforehand is all that rolling states calls."""

import os
import subprocess
import sys
from pathlib import Path

ROLL = """
import sys
import numpy as np
from numba.core.registry import CPUDispatcher
from forecasting import baselines
from forecasting.config import ModelConfig
from forecasting.networks.networks import Network
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.kinds import model_of
from forecasting.symbols.symbol_roller import SymbolRoller
from forecasting.tuning.fit_universal import engine_of
from forecasting.universal.shipped import shipped_bundle
from tests.support.forecasting_kit import tiny_bundle, wave
from tests.support.symbol_networks import symbol_model

panel = Panel.of(wave(2))
config = ModelConfig("lstm", 24, 8, 5, 4, 4, 4, (4,), hidden_size=16, num_layers=2, memory=9)
weights = Network(config).export() | baselines.fallback(config, panel)
remembers = Bundle(config, weights, Calibration.neutral(config), {"steps": 1})
kinds = ("naive", "lstm", "gru", "rnn", "mlp", "cnn")
universal = shipped_bundle("1h", 5, 24)
for bundle in (*(tiny_bundle(kind, panel) for kind in kinds), remembers, universal):
    roller = model_of(bundle)
    state = roller.start(panel.tail_matrix(roller.config.context), panel.last)
    rows, end = np.array([0, 0, 1]), int(state.origin.max())
    roller.fold(state, rows, np.array([end + 1, end + 2, end + 1]), np.array([10.0, 11.0, 9.0]))
    roller.forecast(state, np.array([0, 1]))

engine = engine_of(universal)
engine.expect(engine.states_at(np.arange(9.0), np.array([3, 9]), 0))

for cell in ("lstm", "gru", "rnn", "lecture", "last_symbol"):
    symbols, row = SymbolRoller(symbol_model(cell)), np.array([0])
    state = symbols.start(np.full((1, symbols.config.context), 1.0), row)
    symbols.fold(state, np.array([0, 0]), np.array([1, 2]), np.array([1.0, np.nan]), symbols.ledger(1), np.ones(2))
    symbols.marginals(state, row, 3)
    symbols.continuations(state, 0, 2, 3, 0.5)
    symbols.read_on(state, np.zeros((1, 4), np.int32))

loops = {
    f"{module.__name__}.{name}": loop
    for module in list(sys.modules.values()) if module.__name__.startswith("forecasting.")
    for name, loop in vars(module).items() if isinstance(loop, CPUDispatcher)
}
print(sorted(name for name, loop in loops.items() if loop.stats.cache_misses))
print(sum(len(loop.stats.cache_hits) for loop in loops.values()))
"""


def run(root: Path, cache: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_models_of_every_kind_roll_without_compiling_anything(root, tmp_path):
    run(root, tmp_path, "-P", "-m", "forecasting.precompile")
    missed, hits = run(root, tmp_path, "-P", "-c", ROLL).splitlines()
    assert missed == "[]"
    assert int(hits) >= 10
