"""One arithmetic, two implementations: torch over sequences, NumPy over steps."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting import baselines
from forecasting.config import CELL_ARRAYS, NETWORKS, RECURRENT, ModelConfig
from forecasting.kernel.determinism import rows_are_independent
from forecasting.kernel.kernel import Kernel, stacked
from forecasting.kernel.products import laid_out
from forecasting.kernel.recurrent import RecurrentStack
from forecasting.networks import networks
from forecasting.networks.recurrent import read, recurrent_layers
from forecasting.panel import Panel
from forecasting.recurrent_options import RecurrentOptions
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.roller import Roller
from forecasting.training.windows import ChunkReader


def tiny(kind: str, **changed: Any) -> ModelConfig:
    config = ModelConfig(kind, 24, 8, 5, 4, 4, 4, (4, 9), hidden_size=16, num_layers=2)
    return replace(config, **changed)


# A configuration that adds something to the arithmetic is one more line here.
CONFIGURATIONS = [
    *(tiny(kind) for kind in NETWORKS),
    *(tiny(kind, memory=9) for kind in NETWORKS),
    *(tiny(kind, num_layers=1) for kind in NETWORKS),
    *(tiny(kind, num_layers=3) for kind in RECURRENT),
    *(tiny(kind, members=3, memory=9) for kind in NETWORKS),
    *(tiny(kind, hidden_size=10) for kind in NETWORKS),  # fills no line of the cache
    tiny("lstm", cycles=(), season=1, level_steps=1, skip_lag=1),  # nothing repeats
    tiny("lstm", horizon=1),
    *(tiny(kind, options=RecurrentOptions(masking=True)) for kind in RECURRENT),
    *(tiny(kind, options=RecurrentOptions(residual=True)) for kind in RECURRENT),
    *(tiny(kind, options=RecurrentOptions(layer_norm=True)) for kind in RECURRENT),
    *(
        tiny(kind, num_layers=3, members=2, options=RecurrentOptions(masking=True, residual=True, layer_norm=True))
        for kind in RECURRENT
    ),
    tiny("lstm", options=RecurrentOptions("orthogonal", "chrono", 0.2, truncate=16)),  # other weights, no arithmetic
]


def name(config: ModelConfig) -> str:
    """A test's id: the kind, and what differs from the tiny network of that kind."""
    usual = tiny(config.kind).to_dict()
    return "-".join(
        [config.kind, *(f"{key}={value}" for key, value in config.to_dict().items() if usual.get(key) != value)]
    )


def network(config: ModelConfig, seed: int = 0) -> networks.Network:
    torch.manual_seed(seed)
    net = networks.Network(config).eval()
    for parameter in net.parameters():  # larger than at the start of training
        torch.nn.init.normal_(parameter, std=0.15)
    return net


def members(config: ModelConfig, seed: int = 0) -> list[networks.Network]:
    """As many networks as the configuration has members."""
    return [network(replace(config, members=1), seed + member) for member in range(config.members)]


def bundle(config: ModelConfig, nets: list[networks.Network], panel: Panel) -> Bundle:
    neutral = Calibration(Calibration.neutral(config).factors, rate=0.0)
    return Bundle(config, stacked([net.export() for net in nets]) | baselines.fallback(config, panel), neutral)


def read_at_once(nets: list[networks.Network], panel: Panel, start: int, origins: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, L, H) data-unit quantiles at the last of `origins` origins from `start`, and the scale (n, 1): the mean over
    the networks, by torch."""
    config, everyone = nets[0].config, np.arange(len(panel))
    chunk = ChunkReader(panel, config).read(everyone, np.full(len(panel), start), origins, everyone >= 0)
    x, level, scale = networks.features(chunk.values, chunk.seen, chunk.gap, config, chunk.phase_means)
    answers = []
    with torch.no_grad():
        for net in nets:
            median, increments, _ = net(x, net.fresh(len(panel)))
            answers.append(networks.assemble(median, increments)[:, -1].double())
    quantiles = torch.stack(answers).mean(0)
    return (quantiles * scale[:, -1, :, None] + level[:, -1, :, None]).numpy(), scale[:, -1].numpy()


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=name)
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_observing_one_value_at_a_time_equals_reading_the_sequence_at_once(
    config: ModelConfig, data: st.DataObject
) -> None:
    seed, batch = data.draw(st.integers(0, 99)), data.draw(st.integers(1, 5))
    length, missing = data.draw(st.integers(46, 70)), data.draw(st.floats(0, 0.5))
    rng = np.random.default_rng(seed)
    series = np.cumsum(rng.standard_normal((batch, length)), 1) * 10 ** rng.uniform(-3, 4) + 20
    series[rng.random((batch, length)) < missing] = np.nan
    if data.draw(st.booleans()):
        series[:, 30:] = 20  # a window that does not move: the cycle memory is scaled down
    series[:, 0] = 20  # an anchor for every series
    series[:, -1] = 20  # after a gap at the end intervals stay as wide as before it, which is no part of the network
    panel, nets = Panel.of(list(series)), members(config, seed)
    roller, context = Roller(bundle(config, nets, panel)), config.context
    state = roller.start(series[:, :context], np.full(batch, context - 1))
    for step in range(context, length):
        roller.fold(state, np.arange(batch), np.full(batch, step), series[:, step])
    rolled = roller.forecast(state, np.arange(batch)).transpose(0, 2, 1)
    first = context - config.warmup  # the first value of the context that the layers of a fresh state read
    at_once, scale = read_at_once(nets, panel, first, length - first)
    assert np.abs((rolled - at_once) / scale[..., None]).max() < 1e-5


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_ensemble_forecasts_the_mean_of_its_members_and_rolls_each_of_them(kind: str) -> None:
    config = tiny(kind, members=3)
    panel, nets = Panel.of([np.sin(np.arange(60.0) / 3) + i for i in range(4)]), members(config)

    def rolled(model: Bundle) -> np.ndarray:
        roller = Roller(model)
        state = roller.start(panel.window(np.full(4, 40), config.context), np.full(4, 39))
        for step in range(40, 60):
            roller.fold(state, np.arange(4), np.full(4, step), panel.window(np.full(4, step + 1), 1)[:, 0])
        return roller.forecast(state, np.arange(4))

    each = [rolled(bundle(tiny(kind), [net], panel)) for net in nets]
    np.testing.assert_allclose(rolled(bundle(config, nets, panel)), np.mean(each, 0), atol=1e-5)


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=name)
def test_a_row_has_the_same_forecast_in_any_batch(config: ModelConfig) -> None:
    panel = Panel.of([np.arange(60.0) % 7 + i for i in range(9)])
    roller = Roller(bundle(config, members(config), panel))
    contexts = panel.tail_matrix(config.context)
    together = roller.forecast(roller.start(contexts, panel.last), np.arange(9))
    alone = [
        roller.forecast(roller.start(contexts[i : i + 1], panel.last[i : i + 1]), np.arange(1))[0] for i in range(9)
    ]
    np.testing.assert_allclose(together, np.stack(alone), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", sorted(RECURRENT))
def test_the_recurrent_layers_give_a_row_the_same_bits_in_any_batch(kind: str) -> None:
    config = tiny(kind, members=3)
    kernel = Kernel(config, stacked([net.export() for net in members(config)]))
    draw = np.random.default_rng(0)
    z = draw.standard_normal((3, 9, 16)).astype(np.float32)
    before = draw.standard_normal((2, 9, 6, 16)).astype(np.float32)
    hidden, carry = before.copy()
    kernel.advance(z, hidden, carry)
    exact = rows_are_independent()
    for row in range(9):
        alone_hidden, alone_carry = before[:, row : row + 1].copy()
        kernel.advance(z[:, row : row + 1], alone_hidden, alone_carry)
        for alone, together in ((alone_hidden, hidden), (alone_carry, carry)):
            np.testing.assert_allclose(alone[0], together[row], rtol=0, atol=0 if exact else 1e-5)


@pytest.mark.parametrize("cell", CELL_ARRAYS)
def test_the_recurrent_layers_can_be_used_without_encoder_and_head(cell: str) -> None:
    torch.manual_seed(0)
    cells = recurrent_layers(cell, inputs=7, hidden=16, layers=2, dropout=0.0)
    x = torch.randn(4, 10, 7)  # as many numbers as another model may have
    start = tuple(torch.zeros(2, 4, 16) for _ in range(CELL_ARRAYS[cell]))
    with torch.no_grad():
        u, after = read(cells, x, start)
    weights = {name: tensor.detach().numpy()[None] for name, tensor in cells.state_dict().items()}
    stack, (hidden, carry) = RecurrentStack(cell, 2, weights), np.zeros((2, 4, 2, 16), np.float32)
    for step in range(10):
        stack.step(x[None, :, step].numpy(), hidden, carry)
        np.testing.assert_allclose(stack.top(hidden)[0], u[:, step].numpy(), atol=1e-5)
    np.testing.assert_allclose(hidden.transpose(1, 0, 2), after[0].numpy(), atol=1e-5)


def test_a_cell_without_an_order_of_its_columns_is_refused() -> None:
    weights = {f"{part}_l0": np.zeros((1, 8, 2), np.float32) for part in ("weight_ih", "weight_hh")}
    weights |= {f"{part}_l0": np.zeros((1, 8), np.float32) for part in ("bias_ih", "bias_hh")}
    with pytest.raises(ValueError, match="'mgu' is not known to `joined_weights`"):
        RecurrentStack("mgu", 1, weights)


@pytest.mark.parametrize("shape", [(27, 8), (171, 128), (3, 256, 512)])
def test_the_layout_of_the_weights_changes_no_bit_of_a_product(shape: tuple[int, ...]) -> None:
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
def test_gates_can_be_read_and_lie_between_zero_and_one(kind: str, names: set[str]) -> None:
    config = tiny(kind)
    panel = Panel.of([np.sin(np.arange(60.0))])
    roller = Roller(bundle(config, members(config), panel))
    state = roller.start(panel.tail_matrix(config.context), panel.last)
    before = roller.forecast(state, np.arange(1))
    gates = roller.gates(state, 0, 0.5)
    assert len(gates) == config.num_layers
    for layer in gates:
        assert names <= set(layer)
        assert all((layer[name] >= 0).all() and (layer[name] <= 1).all() for name in names)
    assert np.array_equal(before, roller.forecast(state, np.arange(1)))


@pytest.mark.parametrize("kind", [kind for kind in NETWORKS if kind not in RECURRENT])
def test_networks_without_recurrent_layers_keep_no_hidden_state(kind: str) -> None:
    config = tiny(kind)
    panel = Panel.of([np.arange(60.0)])
    assert Roller(bundle(config, members(config), panel)).empty(3).hidden.size == 0
