"""A series of which little has been seen has the intervals that series like it turned out to need."""

import json
from dataclasses import replace

import numpy as np
import pytest

from forecasting.config import KINDS
from forecasting.evaluation.backtest import baseline
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle, from_bytes, to_bytes
from forecasting.rolling.conformal import Calibration
from forecasting.rolling.fit_scale_prior import fit_scale_prior
from forecasting.rolling.roller import NumericState, Roller
from forecasting.rolling.scale_prior import ScalePrior
from tests.support.forecasting_kit import tiny_bundle, wave

ONE = np.array([0])
LOW, MIDDLE, HIGH = 1, 5, -2  # levels 0.1, 0.5 and 0.9


def sensors(count: int, length: int = 200, level: float = 20.0, reach: float = 5.0) -> list[np.ndarray]:
    """Sensors that jump about evenly within `reach` of a level."""
    draw = np.random.default_rng(count)
    return [level + draw.uniform(-reach, reach, length) for _ in range(count)]


def seen(roller: Roller, values: list[float]) -> NumericState:
    """The state of a new series that has sent these values, one a step."""
    state = roller.empty(1)
    roller.fold(state, np.zeros(len(values), int), np.arange(len(values)), np.array(values))
    return state


def interval(bundle: Bundle, values: list[float]) -> np.ndarray:
    """(3,) ends and middle of the fallback's 80 % interval one step ahead."""
    roller = Roller(bundle)
    return roller.fallback(seen(roller, values), ONE, 1)[0, 0, [LOW, MIDDLE, HIGH]]


def without_prior(bundle: Bundle) -> Bundle:
    return replace(bundle, calibration=replace(bundle.calibration, scale_prior=None))


def prior_of(series: list[np.ndarray]) -> ScalePrior:
    found = baseline("naive", Panel.of(series), 1, 4).calibration.scale_prior
    assert found is not None
    return found


def test_one_value_of_a_sensor_that_moves_by_five_has_an_interval_of_about_that() -> None:
    low, middle, high = interval(baseline("naive", Panel.of(sensors(20)), 1, 4), [20.0])
    assert middle == pytest.approx(20)
    assert 13 < low < 16 and 24 < high < 27  # two even draws within 10 of each other differ by less than 5.5 in 80 %


def test_a_model_without_the_prior_answers_as_it_did() -> None:
    low, _, high = interval(without_prior(baseline("naive", Panel.of(sensors(20)), 1, 4)), [20.0])
    assert high - low < 0.01


def test_a_calm_series_is_believed_the_more_the_longer_it_is_calm() -> None:
    bundle = baseline("naive", Panel.of(sensors(10) + sensors(10, reach=0.5)), 1, 4)
    calm = [20.0 + 0.1 * (step % 2) for step in range(16)]
    widths = [float(np.ptp(interval(bundle, calm[:count]))) for count in (1, 2, 4, 8, 16)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 5 and widths[-1] < 1.5


@pytest.mark.parametrize("values", [[20.0], [20.0, 24.0], [20.0, 24.0, 18.0, 17.0]])
def test_the_interval_holds_its_share_of_series_that_were_left_out(values: list[float]) -> None:
    count = len(values)
    draw = np.random.default_rng(0)
    spread = np.exp(draw.normal(0, 1, 400))  # some move twenty times as much as others
    panel = [20 + scale * draw.standard_normal(60).cumsum() for scale in spread]
    bundle, held = baseline("naive", Panel.of(panel[:200]), 1, 4), []
    for series in panel[200:]:
        low, _, high = interval(bundle, series[:count].tolist())
        held.append(low <= series[count] <= high)
    assert 0.75 < np.mean(held) < 0.9


def test_the_scale_counts_the_prior_as_so_many_changes() -> None:
    prior = ScalePrior(np.log(2.0), 0.0, 1.0, 3.0, np.array([1]), np.array([1]), np.ones((1, 2, 5, 1)))
    ring, level = np.array([[10.0, 10.0, 10.0, 11.0, 13.0]]), np.array([13.0])
    assert prior.scale(ring[:, :3], level, np.array([1])) == pytest.approx(2)  # no change was seen
    assert prior.scale(ring, level, np.array([3])) == pytest.approx((3 * 2 + 1 + 2) / (3 + 2))


def test_a_scale_grows_with_the_level_where_that_of_the_training_series_does() -> None:
    draw = np.random.default_rng(0)
    levels = 10.0 ** np.arange(1, 6).repeat(4)
    share = prior_of([level * (1 + 0.05 * draw.standard_normal(100)) for level in levels])
    same = prior_of([level + draw.standard_normal(100) for level in levels])
    assert share.slope > 0.9 and same.slope < 0.1
    assert share.expected(np.array([1e4]))[0] == pytest.approx(564, rel=0.2)  # 2 / sqrt(pi) of a deviation of 500
    assert same.expected(np.array([1e4]))[0] == pytest.approx(1.13, rel=0.2)


def test_one_training_series_says_little_of_the_level_and_less_of_others_than_many_do() -> None:
    one, many = prior_of(sensors(1)), prior_of(sensors(40))
    assert one.slope == pytest.approx(0.5, abs=0.05)
    assert one.weight < 5 < many.weight
    width = [prior.distances(np.array([1]))[0, :, :4, 0].sum() for prior in (one, many)]
    assert 1.2 < width[0] / width[1] < 2


def test_with_a_full_window_the_prior_is_gone() -> None:
    bundle = baseline("naive", Panel.of(sensors(20)), 1, 4)
    width, rollers = bundle.config.window, (Roller(bundle), Roller(without_prior(bundle)))
    full, fewer = (seen(rollers[0], sensors(1, count)[0].tolist()) for count in (width, width - 1))
    np.testing.assert_array_equal(*(roller.fallback(full, ONE) for roller in rollers))
    assert not np.array_equal(*(roller.fallback(fewer, ONE) for roller in rollers))


@pytest.mark.parametrize("kind", sorted({"lstm", "gru", "mlp"} & set(KINDS)))
def test_a_networks_own_forecasts_and_states_are_the_same_with_and_without_a_prior(kind: str) -> None:
    panel = Panel.of(wave(3))
    bare = tiny_bundle(kind, panel)
    prior = fit_scale_prior(panel, bare.config, bare.weights["fallback.linear"])
    rollers = [
        Roller(bundle) for bundle in (bare, replace(bare, calibration=replace(bare.calibration, scale_prior=prior)))
    ]
    states = [seen(roller, wave(1, 60)[0].tolist()) for roller in rollers]
    for name, array in states[0].arrays.items():
        np.testing.assert_array_equal(array, states[1].arrays[name], err_msg=name)
    first, second = (roller.forecast(state, ONE) for roller, state in zip(rollers, states, strict=True))
    np.testing.assert_array_equal(first, second)
    assert rollers[0].fingerprint == rollers[1].fingerprint


def test_until_a_season_was_seen_the_last_value_is_repeated() -> None:
    season = [10.0, 20.0, 30.0, 40.0]
    bundle = baseline("seasonal_naive", Panel.of([np.tile(season, 20) + noise for noise in wave(5, 80)]), 4, 4)
    roller = Roller(bundle)
    medians = [roller.fallback(seen(roller, season[:count]), ONE)[0, :, MIDDLE] for count in (1, 2, 4)]
    np.testing.assert_allclose(medians[0], [10, 10, 10, 10])
    np.testing.assert_allclose(medians[1], [20, 20, 10, 20])  # a season before the third step, 10 was seen
    np.testing.assert_allclose(medians[2], season)


def test_a_context_with_gaps_still_repeats_the_season_that_it_holds() -> None:
    season = [10.0, 20.0, 30.0, 40.0]
    bundle = baseline("seasonal_naive", Panel.of([np.tile(season, 20) + noise for noise in wave(5, 80)]), 4, 4)
    roller, context = Roller(bundle), np.tile(season, bundle.config.context)[: bundle.config.context]
    context[1::2] = np.nan  # half of the steps are missing, and each repeats the value before it
    state = roller.start(context[None], np.array([len(context) - 1]))
    np.testing.assert_allclose(roller.fallback(state, ONE)[0, :, MIDDLE], [10, 10, 30, 30])


def test_missing_steps_are_no_changes_and_no_values() -> None:
    bundle = baseline("naive", Panel.of(sensors(20)), 1, 4)
    ends = [interval(bundle, values) for values in ([20.0, 24.0], [20.0, np.nan, np.nan, 24.0])]
    np.testing.assert_allclose(*ends)


@pytest.mark.parametrize("series", [[np.full(30, 7.0)], [np.array([7.0])], [np.full(9, np.nan)], []])
def test_where_no_training_series_moves_there_is_no_prior(series: list[np.ndarray]) -> None:
    assert baseline("naive", Panel.of(series), 1, 4).calibration.scale_prior is None


@pytest.mark.parametrize("length", [2, 3, 5, 9, 20])
def test_a_short_training_series_gives_an_interval_at_every_step(length: int) -> None:
    bundle = baseline("naive", Panel.of([np.arange(float(length))]), 1, 12)
    roller = Roller(bundle)
    ahead = roller.fallback(seen(roller, [5.0]), ONE)[0]
    assert (np.diff(ahead[:, [LOW, MIDDLE, HIGH]]) > 0).all() and np.isfinite(ahead).all()


def test_the_prior_is_in_the_artifact_and_in_its_digest_but_in_no_fingerprint() -> None:
    bundle = baseline("naive", Panel.of(sensors(3)), 1, 4)
    bare = without_prior(bundle)
    again = from_bytes(to_bytes(bundle), bundle.digest)
    np.testing.assert_array_equal(interval(again, [20.0]), interval(bundle, [20.0]))
    assert (bare.fingerprint == bundle.fingerprint) and bare.digest != bundle.digest
    assert "scale_prior" not in json.loads(bare.files["calibration.json"])
    assert Calibration.from_dict(json.loads(bare.files["calibration.json"])).scale_prior is None
