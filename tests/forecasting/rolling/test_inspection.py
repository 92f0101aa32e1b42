"""What gates do and which values a forecast leans on, against torch and series that are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from forecasting.config import RECURRENT, STATE_ARRAYS, ModelConfig
from forecasting.evaluation.backtest import baseline
from forecasting.kernel.kernel import stacked
from forecasting.networks import networks
from forecasting.panel import Panel
from forecasting.rolling.roller import Roller
from forecasting.training import fit_network, training_spec
from forecasting.training.fit_network import TrainingSpec, fit
from tests.support.forecasting_kit import roller_of, tiny_bundle, wave

ONE = np.zeros(1, np.int64)


def torch_gates(net: networks.Network, z: torch.Tensor) -> list[dict[str, np.ndarray]]:
    """The gates (T, D) of each layer by their equations, on the hidden states that torch's own layers give."""
    config, cells = net.config, net.cells
    state = tuple(torch.zeros(config.num_layers, 1, config.hidden_size) for _ in range(STATE_ARRAYS[config.kind]))
    found, names = [], {"lstm": ("input", "forget", "new", "output"), "gru": ("reset", "update", "new")}[config.kind]
    for step in range(z.shape[1]):
        _, after = cells(z[:, step : step + 1], state if len(state) > 1 else state[0])
        after = after if len(state) > 1 else (after,)
        opened = []
        for layer in range(config.num_layers):
            x = z[0, step] if layer == 0 else after[0][layer - 1, 0]
            parts = getattr(cells, f"weight_ih_l{layer}") @ x + getattr(cells, f"bias_ih_l{layer}")
            recurrent = getattr(cells, f"weight_hh_l{layer}") @ state[0][layer, 0] + getattr(cells, f"bias_hh_l{layer}")
            pairs = zip(names, parts.chunk(len(names)), recurrent.chunk(len(names)), strict=True)
            opened.append({name: torch.sigmoid(a + b).numpy() for name, a, b in pairs if name != "new"})
        found.append(opened)
        state = after
    return [
        {name: np.stack([step[layer][name] for step in found]) for name in found[0][layer]}
        for layer in range(config.num_layers)
    ]


@pytest.mark.parametrize(("kind", "members"), [("lstm", 1), ("lstm", 2), ("gru", 1)])
def test_gates_over_time_equal_torch_on_the_same_steps(kind, members):
    config = ModelConfig(kind, 24, 8, 5, 4, 4, 4, (4,), hidden_size=16, num_layers=2, members=members)
    torch.manual_seed(0)
    nets = [networks.Network(replace(config, members=1)).eval() for _ in range(members)]
    panel = Panel.of(wave(1, 80))
    weights = stacked([net.export() for net in nets])
    weights |= {name: value for name, value in tiny_bundle(kind, panel).weights.items() if name.startswith("fallback")}
    roller = Roller(replace(tiny_bundle(kind, panel), config=config, weights=weights))
    recording = roller.inspection().record(100)
    values = panel.window(np.array([80]), 80)[0]
    state = recording.roller.start(values[None, : config.context], np.array([config.context - 1]))
    later = np.arange(config.context, 80)
    recording.roller.fold(state, np.zeros(len(later), np.int64), later, values[later])
    trace = recording.trace()
    assert trace.steps.tolist() == list(range(config.window, 80))  # the first step after a whole window
    assert trace.values == pytest.approx(values[config.window :])

    known = torch.from_numpy(values)[None, 1:]
    ones = torch.ones(1, 80 - config.window, dtype=torch.float64)
    with torch.no_grad():
        x, _, _ = networks.features(known, ones, 0 * ones, config)
        each = [torch_gates(net, net.encoder(x)) for net in nets]
    for layer in range(2):
        for name, found in trace.layers[layer].items():
            units = np.concatenate([gates[layer][name] for gates in each], 1)
            expected = np.stack([units.mean(1), *np.quantile(units, (0.1, 0.9), 1)])
            assert np.abs(found - expected).max() < 1e-5, (layer, name)


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_recorded_state_is_the_same_and_its_cell_follows_the_equations(kind):
    roller, _ = roller_of(kind, wave(1, 60))
    recording = roller.inspection().record(10)
    values = wave(1, 60)[0]
    states = []
    for each in (roller, recording.roller):
        state = each.start(values[None, :32], np.array([31]))
        each.fold(state, np.zeros(28, np.int64), np.arange(32, 60), values[32:])
        states.append(state)
    for name, array in states[0].arrays.items():
        assert np.array_equal(array, states[1].arrays[name]), name
    trace = recording.trace()
    cell, hidden = trace.cell, states[0].hidden[0, 1]
    assert len(trace.steps) == 10 and cell.hidden[1] == hidden[cell.unit]
    gates, (before, after) = cell.gates, cell.hidden
    if kind == "lstm":
        kept = gates["forget"] * cell.carry[0] + gates["input"] * gates["new"]
        assert cell.carry[1] == pytest.approx(kept, abs=1e-6)
        assert after == pytest.approx(gates["output"] * np.tanh(kept), abs=1e-6)
    elif kind == "gru":
        assert after == pytest.approx((1 - gates["update"]) * gates["new"] + gates["update"] * before, abs=1e-6)
    else:
        assert gates == {} and cell.carry is None


def test_steps_before_the_first_value_are_left_out_and_missing_ones_are_marked():
    roller, _ = roller_of("lstm", wave(1, 60))
    recording = roller.inspection().record(100)
    state = recording.roller.empty(1)
    steps, values = np.array([5, 6, 8]), np.array([1.0, 2.0, 4.0])
    recording.roller.fold(state, np.zeros(3, np.int64), steps, values)
    trace = recording.trace()
    assert trace.steps.tolist() == [5, 6, 7, 8]
    assert trace.values.tolist()[:2] == [1.0, 2.0] and np.isnan(trace.values[2])


def test_the_seasonal_naive_leans_on_the_value_a_season_before_each_step():
    panel = Panel.of(wave(2))
    roller = Roller(baseline("seasonal_naive", panel, 4, 5))
    state = roller.start(panel.tail_matrix(roller.config.context), panel.last)
    weights = roller.inspection().leans_on(state.take(ONE))
    assert weights.sum() == pytest.approx(1)
    assert weights[4 - 1] == pytest.approx(4 / 5)  # the fifth step repeats the first one, and so a value 8 before it
    assert weights[8 - 1] == pytest.approx(1 / 5)


def test_the_naive_forecast_leans_on_the_last_value_alone():
    panel = Panel.of(wave(2))
    roller = Roller(baseline("naive", panel, 4, 5))
    weights = roller.inspection().leans_on(roller.start(panel.tail_matrix(roller.config.context), panel.last).take(ONE))
    assert weights[:5] == pytest.approx(1 / 5)  # it lies 1 to 5 steps before the steps that are forecast
    assert weights[5:] == pytest.approx(0)


def test_a_trained_network_leans_on_the_season_of_a_series_that_repeats_its_last_one(monkeypatch):
    for module in (fit_network, training_spec):
        monkeypatch.setattr(module, "DEFAULTS", replace(module.DEFAULTS, lanes=16, few=1))
    rng = np.random.default_rng(0)
    series = []
    for _ in range(6):
        rounds = np.cumsum(rng.standard_normal((20, 24)), 0)  # y_t = y_(t-24) + noise
        series.append(10 + rounds.ravel())
    panel = Panel.of(series)
    bundle = fit(panel, TrainingSpec("lstm", season=24, horizon=24, steps=40)).bundle
    roller = Roller(bundle)
    state = roller.start(panel.tail_matrix(bundle.config.context), panel.last)
    for row in range(2):
        weights = roller.inspection().leans_on(state.take(np.array([row])))
        lags = np.arange(1, len(weights) + 1)
        near = (np.abs((lags + 12) % 24 - 12) <= 1) & (lags > 12)  # 12.5 % of them
        assert weights.sum() == pytest.approx(1)
        assert weights[near].sum() >= 0.6
