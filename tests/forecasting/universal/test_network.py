"""The network that corrects the mix: its loops equal torch, and it leaves alone what it should."""

import numpy as np
import pytest
import torch

from forecasting.tuning.tunable import AnchorBatch
from forecasting.tuning.tuned_network import TunedNetwork, mirrored
from forecasting.universal.engine import Engine
from forecasting.universal.layout import StateLayout
from forecasting.universal.network import network_of
from forecasting.universal.shipped import prior, start
from tests.forecasting.universal.test_universal_rolling import noisy

WINDOW, HORIZON = 336, 24


def random_network(seed: int = 0) -> TunedNetwork:
    """A network of random weights, strong enough that each correction is seen."""
    torch.manual_seed(seed)
    network = TunedNetwork()
    torch.nn.init.normal_(network.output.weight, std=0.5)
    torch.nn.init.normal_(network.output.bias, std=0.5)
    return network.eval()


def engine(network: TunedNetwork | None = None) -> Engine:
    cycles = (24, 168)
    own = {} if network is None else {"network": network_of(network.export())}
    return Engine(StateLayout(cycles, HORIZON), prior("1h", 24, ()), start("1h", 24), WINDOW, **own)


def seen(arrays: dict[str, np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(arrays["observed"].astype(np.float32))[:, None]


def quantiles_at_leads(rolling: Engine, values: np.ndarray) -> np.ndarray:
    """(N, K, L) after all values, at the known leads."""
    arrays = rolling.empty(len(values))
    arrays["origin"][:] = -1
    rolling.advance(arrays, values)
    bucket = np.zeros(HORIZON, np.int64)
    widening = np.zeros((len(values), 1), np.float32)
    found = rolling.forecast(arrays, np.arange(len(values)), HORIZON, widening, bucket)
    return found[:, rolling.leads[:, 0] - 1]


def open_by_day(rows: int, length: int) -> np.ndarray:
    """(rows, length) sales of a store that is closed at night: 0 from 18 to 8."""
    hour = np.arange(length) % 24
    sold = 50 + 10 * np.random.default_rng(0).standard_normal((rows, length))
    return np.where((hour >= 8) & (hour < 18), sold, 0.0)


def test_a_quiet_phase_is_not_corrected() -> None:
    values = open_by_day(5, 24 * 80)
    plain, corrected = (quantiles_at_leads(own, values) for own in (engine(), engine(random_network())))
    night, day = 2, 5  # the last value is that of 23 o'clock: 4 and 15 steps later it is 3 and 14 o'clock
    assert engine().leads[[night, day], 0].tolist() == [4, 15]
    np.testing.assert_allclose(corrected[:, night], plain[:, night], atol=0.5)
    assert np.abs(corrected[:, day] - plain[:, day]).mean() > 3


@pytest.mark.parametrize("values", [noisy(5, 400), open_by_day(5, 400)], ids=["noisy", "closed at night"])
def test_the_loops_give_the_quantiles_of_torch(values: np.ndarray) -> None:
    values, network = values.copy(), random_network()
    values[:, -1] = 50.0
    arrays = engine().empty(5)
    arrays["origin"][:] = -1
    engine().advance(arrays, values)
    features = {name: torch.from_numpy(value) for name, value in network.read(engine(), arrays).items()}
    with torch.no_grad():
        found = network.quantiles(features, network(features, seen(arrays)), torch.ones(5, 1)).numpy() + 50.0
    np.testing.assert_allclose(quantiles_at_leads(engine(network), values), found, rtol=1e-5, atol=1e-4)


def test_a_network_of_zeros_leaves_the_mix_as_it_is() -> None:
    values = noisy(3, 200)
    untrained = quantiles_at_leads(engine(TunedNetwork()), values)
    np.testing.assert_allclose(untrained, quantiles_at_leads(engine(), values), rtol=1e-12)


def test_two_dozen_values_are_too_few_for_the_network() -> None:
    values = noisy(3, 24)
    assert np.array_equal(quantiles_at_leads(engine(random_network()), values), quantiles_at_leads(engine(), values))


def test_quantiles_stay_in_order_whatever_the_network_says() -> None:
    found = quantiles_at_leads(engine(random_network(1)), noisy(20, 300))
    assert (np.diff(found, axis=-1) >= 0).all()


def test_a_mirrored_series_is_read_as_its_lines_are_mirrored() -> None:
    values, network = noisy(4, 300, 3), random_network()
    read = []
    for sign in (1.0, -1.0):
        arrays = engine().empty(4)
        arrays["origin"][:] = -1
        engine().advance(arrays, sign * values)
        read.append({name: torch.from_numpy(value) for name, value in network.read(engine(), arrays).items()})
    batch = AnchorBatch(read[0], *(torch.ones(4, 1) for _ in range(5)))
    turned = mirrored(batch, -torch.ones(4)).features
    for name in ("lines", "middle", "shape"):
        apart = (turned[name] - read[1][name]).abs().mean()
        assert apart < 0.4 * (read[0][name] - read[1][name]).abs().mean(), name
