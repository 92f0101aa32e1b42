"""Auto config: the settings, the cycles that it finds, and the experts that a network starts from."""

import numpy as np
import pytest
import torch

from data.errors import InvalidInput
from forecasting.config import ModelConfig
from forecasting.cycles import longer_cycle
from forecasting.networks.experts import experts
from forecasting.networks.networks import Network, features
from forecasting.panel import Panel
from forecasting.training.auto_config import choose
from forecasting.training.training_defaults import DEFAULTS
from forecasting.training.windows import ChunkReader

RNG = np.random.default_rng(0)
DAY, WEEK = 6, 42


def rhythm(length: int = 420, noise: float = 0.1) -> np.ndarray:
    """Days of six hours whose shape is another on each of seven days, on a slope."""
    steps = np.arange(length)
    shape = np.random.default_rng(3).normal(0, 1, WEEK)
    return (
        50 + 0.05 * steps + 3 * np.sin(steps * 2 * np.pi / DAY) + shape[steps % WEEK] + noise * RNG.normal(size=length)
    )


def test_a_longer_cycle_is_found_through_a_slope_and_in_half_of_the_series() -> None:
    assert longer_cycle(Panel.of([rhythm() for _ in range(5)]), DAY, horizon=6) == WEEK
    mixed = [rhythm() for _ in range(4)] + [np.cumsum(RNG.normal(size=420))]
    assert longer_cycle(Panel.of(mixed), DAY, horizon=6) == WEEK


@pytest.mark.parametrize("noise", [0, 0.3, 1])
def test_a_smooth_week_is_found_at_its_own_length_and_not_at_a_lag_nearby(noise: float) -> None:
    steps = np.arange(1680)
    smooth = 10 + 2 * np.sin(steps * 2 * np.pi / 24) + 3 * np.sin(steps * 2 * np.pi / 168)
    series = [smooth + noise * np.random.default_rng(i).normal(size=1680) for i in range(3)]
    assert longer_cycle(Panel.of(series), 24, horizon=48) == 168


def test_a_day_alone_has_no_longer_cycle_though_every_lag_near_it_repeats() -> None:
    days = [50 + 3 * np.sin(np.arange(420) * 2 * np.pi / 24) + 0.3 * RNG.normal(size=420) for _ in range(3)]
    assert longer_cycle(Panel.of(days), 24, horizon=24) is None
    assert longer_cycle(Panel.of(days), 1, horizon=24) == 24


def test_a_random_walk_and_a_series_too_short_have_no_longer_cycle() -> None:
    walks = [np.cumsum(RNG.normal(size=600)) for _ in range(6)]
    assert longer_cycle(Panel.of(walks), 1, horizon=5) is None
    assert longer_cycle(Panel.of([rhythm(100)]), DAY, horizon=6) is None
    assert longer_cycle(Panel.of([np.full(500, 3.0)]), 1, horizon=5) is None


def test_every_expert_moves_with_the_window_and_repeats_a_cycle_exactly() -> None:
    config = ModelConfig("lstm", 84, 8, 10, DAY, DAY, DAY, (DAY, WEEK), hidden_size=8, num_layers=1)
    weights = experts(config)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    shape = RNG.normal(size=WEEK)
    weekly = np.tile(shape, 3)
    errors = np.abs(weights @ weekly[:84] - weekly[84:94]).max(1)
    assert (errors < 1e-5).sum() == 3  # last week, as it was and moved by what is no change at all
    assert errors[0] > 0.5  # the last value


def test_an_untrained_network_forecasts_within_the_range_of_its_experts() -> None:
    panel = Panel.of([rhythm()])
    config = choose(panel, "lstm", DAY, 6).config
    torch.manual_seed(0)
    net = Network(config).eval()
    chunk = ChunkReader(panel, config).read(np.zeros(1, int), np.array([300]), 60, np.ones(1, bool))
    x, _, _ = features(chunk.values, chunk.seen, chunk.gap, config, chunk.phase_means)
    with torch.no_grad():
        median, _, _ = net(x, net.fresh(1))
    plain = np.einsum("khw,tw->tkh", experts(config), x[0, :, : config.memory + config.window].numpy())
    assert (median[0].numpy() < plain.max(1) + 0.2).all() and (median[0].numpy() > plain.min(1) - 0.2).all()


def test_auto_config_gives_its_reasons() -> None:
    choice = choose(Panel.of([rhythm() for _ in range(5)]), "lstm", DAY, 6)
    assert (choice.config.cycles, choice.config.window) == ((DAY, WEEK), 2 * WEEK)
    text = "\n".join(choice.reasons)
    for words in ("last season of 6", "repeat after 42 steps", "window 84: 2 rounds of 42", "1 layer of 128"):
        assert words in text


def test_with_short_series_the_window_is_a_round_and_a_season() -> None:
    choice = choose(Panel.of([rhythm(300) for _ in range(5)]), "lstm", DAY, 6)
    assert (choice.config.cycles, choice.config.window) == ((DAY, WEEK), WEEK + DAY)
    assert "a state keeps the mean round of 42 steps" in choice.reasons[1]
    assert "window 48: 1 round of 42 steps, and 6 more for the level before them" in choice.reasons[2]
    day, week = 4, 3  # as it was, moved, and the means of its rounds; as it was and moved, by a value and by a day
    remembered = 2  # the week's mean round, beside the last value and beside the last day
    assert len(experts(choice.config)) == 2 + day + week + remembered


def test_auto_config_refuses_too_few_values() -> None:
    with pytest.raises(InvalidInput, match="too few values"):
        choose(Panel.of([np.array([1.0, np.nan, 3.0])]), "lstm", 1, 2)


def test_half_of_the_lanes_are_mixed_and_a_quarter_with_a_season() -> None:
    wander = Panel.of([np.cumsum(RNG.normal(size=200)) for _ in range(4)])
    seasons = Panel.of([rhythm() for _ in range(5)])
    shares = [DEFAULTS.mixed_for(choose(panel, "lstm", DAY, horizon=6).config) for panel in (wander, seasons)]
    assert shares == [0.5, 0.25]
