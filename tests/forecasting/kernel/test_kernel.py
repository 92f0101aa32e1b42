"""One arithmetic, two implementations: torch over sequences, NumPy over steps."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import baselines
from forecasting.config import NETWORKS, RECURRENT, ModelConfig
from forecasting.kernel.determinism import rows_are_independent
from forecasting.kernel.kernel import Kernel, laid_out, stacked
from forecasting.networks import networks
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.roller import Roller
from forecasting.training.windows import ChunkReader


def tiny(kind: str, season: int = 4, horizon: int = 5) -> ModelConfig:
    return ModelConfig(kind, 24, 8, horizon, season, season, season, (season, 9), hidden_size=16, num_layers=2)


def network(config: ModelConfig, seed: int = 0) -> networks.Network:
    torch.manual_seed(seed)
    net = networks.Network(config).eval()
    for parameter in net.parameters():  # livelier than at the start of training
        torch.nn.init.normal_(parameter, std=0.15)
    return net


def bundle(net: networks.Network, panel: Panel) -> Bundle:
    neutral = Calibration(Calibration.neutral(net.config).factors, rate=0.0)
    return Bundle(net.config, net.export() | baselines.fallback(net.config, panel), neutral)


def read_at_once(net: networks.Network, panel: Panel, start: int, anchors: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, L, H) data-unit quantiles at the last of `anchors` anchors from `start`, and the scale (n, 1)."""
    everyone = np.arange(len(panel))
    chunk = ChunkReader(panel, net.config).read(everyone, np.full(len(panel), start), anchors, everyone >= 0)
    x, level, scale = networks.features(chunk.values, chunk.seen, chunk.gap, net.config, chunk.memory)
    with torch.no_grad():
        median, increments, _ = net(x, net.fresh(len(panel)))
    quantiles = networks.assemble(median, increments)[:, -1].double()
    return (quantiles * scale[:, -1, :, None] + level[:, -1, :, None]).numpy(), scale[:, -1].numpy()


@pytest.mark.parametrize("kind", NETWORKS)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_observing_one_value_at_a_time_equals_reading_the_sequence_at_once(kind: str, data: st.DataObject) -> None:
    seed, batch = data.draw(st.integers(0, 99)), data.draw(st.integers(1, 5))
    length, missing = data.draw(st.integers(46, 70)), data.draw(st.floats(0, 0.5))
    rng = np.random.default_rng(seed)
    series = np.cumsum(rng.standard_normal((batch, length)), 1) * 10 ** rng.uniform(-3, 4) + 20
    series[rng.random((batch, length)) < missing] = np.nan
    if data.draw(st.booleans()):
        series[:, 30:] = 20  # nothing moves any more, and what is remembered is told less of
    series[:, 0] = 20  # something to anchor on
    panel = Panel.of(list(series))
    net = network(replace(tiny(kind), memory=data.draw(st.sampled_from([0, 9]))), seed)
    roller, context = Roller(bundle(net, panel)), net.config.context
    state = roller.start(series[:, :context], np.full(batch, context - 1))
    for step in range(context, length):
        roller.fold(state, np.arange(batch), np.full(batch, step), series[:, step])
    rolled = roller.forecast(state, np.arange(batch)).transpose(0, 2, 1)
    first = context - net.config.warmup  # the first value of the context that the layers of a fresh state read
    at_once, scale = read_at_once(net, panel, first, length - first)
    assert np.abs((rolled - at_once) / scale[..., None]).max() < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_width_that_fills_no_line_of_the_cache_is_read_the_same(kind: str) -> None:
    series = 20 + np.cumsum(np.random.default_rng(0).standard_normal((4, 50)), 1)
    panel, net = Panel.of(list(series)), network(replace(tiny(kind), hidden_size=10))
    roller, context = Roller(bundle(net, panel)), net.config.context
    state = roller.start(series[:, :context], np.full(4, context - 1))
    for step in range(context, 50):
        roller.fold(state, np.arange(4), np.full(4, step), series[:, step])
    at_once, scale = read_at_once(net, panel, net.config.window, 50 - net.config.window)
    assert np.abs((roller.forecast(state, np.arange(4)).transpose(0, 2, 1) - at_once) / scale[..., None]).max() < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_ensemble_forecasts_the_mean_of_its_members_and_rolls_each_of_them(kind: str) -> None:
    config = replace(tiny(kind), members=3)
    panel = Panel.of([np.sin(np.arange(60.0) / 3) + i for i in range(4)])
    alone = [bundle(network(tiny(kind), seed), panel) for seed in range(3)]
    weights = stacked([{n: w for n, w in one.weights.items() if n[:8] != "fallback"} for one in alone])
    together = Bundle(config, weights | baselines.fallback(config, panel), alone[0].calibration)

    def rolled(model: Bundle) -> np.ndarray:
        roller = Roller(model)
        state = roller.start(panel.window(np.full(4, 40), config.context), np.full(4, 39))
        for step in range(40, 60):
            roller.fold(state, np.arange(4), np.full(4, step), panel.window(np.full(4, step + 1), 1)[:, 0])
        return roller.forecast(state, np.arange(4))

    np.testing.assert_allclose(rolled(together), np.mean([rolled(one) for one in alone], 0), atol=1e-5)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_row_has_the_same_bits_whatever_batch_it_is_in(kind: str) -> None:
    config = replace(tiny(kind), memory=9)
    panel = Panel.of([np.arange(60.0) % 7 + i for i in range(9)])
    roller = Roller(bundle(network(config), panel))
    contexts = panel.tail_matrix(config.context)
    together = roller.forecast(roller.start(contexts, panel.last), np.arange(9))
    alone = [
        roller.forecast(roller.start(contexts[i : i + 1], panel.last[i : i + 1]), np.arange(1))[0] for i in range(9)
    ]
    np.testing.assert_allclose(together, np.stack(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(RECURRENT))
def test_what_follows_on_the_products_has_the_same_bits_whatever_batch_a_row_is_in(kind: str) -> None:
    single = tiny(kind)
    kernel = Kernel(replace(single, members=3), stacked([network(single, seed).export() for seed in range(3)]))
    draw = np.random.default_rng(0)
    z = draw.standard_normal((3, 9, 16)).astype(np.float32)
    memory = draw.standard_normal((2, 9, 6, 16)).astype(np.float32)
    hidden, carry = memory.copy()
    kernel.advance(z, hidden, carry)
    exact = rows_are_independent()
    for row in range(9):
        alone_hidden, alone_carry = memory[:, row : row + 1].copy()
        kernel.advance(z[:, row : row + 1], alone_hidden, alone_carry)
        for alone, together in ((alone_hidden, hidden), (alone_carry, carry)):
            np.testing.assert_allclose(alone[0], together[row], rtol=0, atol=0 if exact else 1e-5)


@pytest.mark.parametrize("shape", [(27, 8), (171, 128), (3, 256, 512)])
def test_how_weights_lie_in_memory_changes_no_bit_of_a_product(shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(0)
    weight = draw.normal(size=shape).astype(np.float32)
    x = draw.normal(size=(*shape[:-2], 5, shape[-2])).astype(np.float32)
    laid, columns = laid_out(weight), -(-shape[-1] // 16) * 16
    plain = np.zeros((*shape[:-1], columns), np.float32)
    plain[..., : shape[-1]] = weight
    assert np.array_equal(laid, plain)
    assert np.array_equal(x @ laid, x @ plain)
    assert laid.ctypes.data % 64 == 0
    assert laid.strides[-2] == 4 * (columns + 16)


def test_a_window_of_another_length_is_refused() -> None:
    kernel = Kernel(tiny("rnn"), network(tiny("rnn")).export())
    with pytest.raises(ValueError, match="23 values instead of 24"):
        kernel.features(np.ones((2, 23)), np.ones(2, bool), np.zeros(2))


def test_the_network_stays_in_float32_and_the_scaling_in_float64() -> None:
    config = tiny("lstm")
    kernel = Kernel(config, network(config).export())
    window = np.linspace(1, 2, 48).reshape(2, 24)
    features, level, scale = kernel.features(window, np.ones(2, bool), np.zeros(2))
    hidden, carry = np.zeros((2, 2, 16), np.float32), np.zeros((2, 2, 16), np.float32)
    z = kernel.encode(features)
    opened = kernel.advance(z, hidden, carry)
    median, increments = kernel.heads(z, kernel.top(z, hidden), features)
    assert {level.dtype, scale.dtype} == {np.dtype(np.float64)}
    arrays = [features, z, hidden, carry, median, increments, *(value for gates in opened for value in gates.values())]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("kind", "names"), [("lstm", {"input", "forget", "output"}), ("gru", {"reset", "update"}), ("rnn", set())]
)
def test_gates_are_open_to_look_into_and_lie_between_zero_and_one(kind: str, names: set[str]) -> None:
    config = tiny(kind)
    panel = Panel.of([np.sin(np.arange(60.0))])
    roller = Roller(bundle(network(config), panel))
    state = roller.start(panel.tail_matrix(config.context), panel.last)
    before = roller.forecast(state, np.arange(1))
    gates = roller.gates(state, 0, 0.5)
    assert len(gates) == config.num_layers
    for layer in gates:
        assert names <= set(layer)
        assert all((layer[name] >= 0).all() and (layer[name] <= 1).all() for name in names)
    assert np.array_equal(before, roller.forecast(state, np.arange(1)))


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind not in RECURRENT])
def test_networks_without_memory_keep_no_hidden_state(kind: str) -> None:
    config = tiny(kind)
    panel = Panel.of([np.arange(60.0)])
    assert Roller(bundle(network(config), panel)).empty(3).hidden.size == 0
