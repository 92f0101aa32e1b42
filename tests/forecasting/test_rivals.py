"""Each series is judged against the one of naive and seasonal naive that forecasts its training part best."""

import time
from importlib import resources

import numpy as np

from forecasting.baselines import fit, is_baseline, lag_name, name_of
from forecasting.evaluation.backtest import baseline
from forecasting.panel import Panel
from forecasting.rivals import Rivals, candidates, choose_lags, counts

DAY, WEEK, HORIZON = 24, 168, 24
RNG = np.random.default_rng(0)
ROUND = 5 * RNG.standard_normal(WEEK)  # one week, whose days differ


def weekly(length: int = 1_000) -> np.ndarray:
    """Hours that repeat after a week and not after a day, with a little noise."""
    return np.resize(ROUND, length) + 0.1 * RNG.standard_normal(length)


def daily(length: int = 1_000) -> np.ndarray:
    """Hours that repeat after a day, and have a slope: a week ago they were lower than a day ago."""
    return np.resize(ROUND[:DAY], length) + 0.05 * np.arange(length)


def walk(length: int = 1_000) -> np.ndarray:
    return np.cumsum(RNG.standard_normal(length))


def test_a_panel_whose_changes_repeat_after_168_steps_has_the_rival_that_repeats_last_week() -> None:
    panel = Panel.of([weekly() for _ in range(5)])
    assert candidates(panel, DAY, HORIZON) == (1, DAY, WEEK)
    found = Rivals.choose(panel, baseline("seasonal_naive(168)", panel, DAY, HORIZON).config)
    assert found == Rivals(WEEK, {})
    assert counts(found.lags(panel.ids), DAY) == {"seasonal_naive(168)": 5}


def test_random_walks_have_naive() -> None:
    panel = Panel.of([walk() for _ in range(5)])
    assert choose_lags(panel, HORIZON, (1, DAY, WEEK)).tolist() == [1] * 5


def test_every_series_of_a_mixed_panel_has_its_own_and_only_exceptions_are_kept() -> None:
    panel = Panel.of([weekly(), walk(), daily(), weekly(), weekly()], ["a", "b", "c", "d", "e"])
    assert choose_lags(panel, HORIZON, (1, DAY, WEEK)).tolist() == [WEEK, 1, DAY, WEEK, WEEK]
    kept = Rivals.choose(panel, baseline("seasonal_naive(168)", panel, DAY, HORIZON).config).to_manifest()
    assert kept == {"rivals": {"usual": WEEK, "other": {"b": 1, "c": DAY}}}


def test_a_series_born_later_has_the_rival_that_most_series_have() -> None:
    assert Rivals(WEEK, {"b": 1}).lags(["a", "b", "born"]).tolist() == [WEEK, 1, WEEK]


def test_gaps_are_filled_with_the_value_before_and_the_rest_decides() -> None:
    series = [weekly(), walk()]
    for values in series:
        values[RNG.random(1_000) < 0.1] = np.nan
    assert choose_lags(Panel.of(series), HORIZON, (1, DAY, WEEK)).tolist() == [WEEK, 1]


def test_series_that_tell_nothing_have_what_most_others_have() -> None:
    constant, empty, single = np.full(1_000, 3.0), np.full(1_000, np.nan), np.ones(1)
    panel = Panel.of([weekly(), constant, empty, single])
    assert choose_lags(panel, HORIZON, (1, DAY, WEEK)).tolist() == [WEEK] * 4
    assert choose_lags(Panel.of([constant]), HORIZON, (1, DAY, WEEK)).tolist() == [1]
    assert choose_lags(Panel.of([]), HORIZON, (1, DAY)).tolist() == []


def test_a_lag_is_open_to_series_of_two_rounds() -> None:
    panel = Panel.of([weekly(2 * WEEK - 1), weekly(2 * WEEK), weekly(30)])
    assert choose_lags(panel, HORIZON, (1, WEEK)).tolist() == [1, WEEK, 1]


def test_a_lag_beyond_the_window_of_a_model_is_no_rival_of_its_states() -> None:
    panel = Panel.of([weekly() for _ in range(3)])
    config = baseline("naive", panel, DAY, HORIZON).config
    assert config.window < WEEK
    assert Rivals.choose(panel, config).longest <= DAY


def test_a_manifest_without_rivals_means_the_season_that_the_window_holds_or_naive() -> None:
    panel = Panel.of([walk()])
    config = baseline("seasonal_naive", panel, DAY, HORIZON).config
    assert Rivals.of({}, config) == Rivals(DAY, {})
    short = baseline("naive", panel, 500, HORIZON).config
    assert Rivals.of({}, short) == Rivals(1, {})
    assert Rivals.of({"rivals": {"usual": 10**6, "other": {"s0": 0, "s1": 7}}}, config) == Rivals(DAY, {"s1": 7})


def test_the_demos_sensor_is_judged_against_naive() -> None:
    lines = (resources.files("data") / "samples/machine_temperature_system_failure.csv").read_text().split()
    values = np.array([float(line.split(",")[-1]) for line in lines[1:] if "," in line])
    panel = Panel.of([values], ["machine_temperature"])
    every = candidates(panel, 288, 12)
    assert {1, 288} <= set(every)
    assert choose_lags(panel, 12, every).tolist() == [1]


def test_a_baseline_at_another_lag_repeats_it_and_keeps_the_season_of_mase() -> None:
    panel = Panel.of([np.resize(ROUND, 1_000)])
    config, weights = fit("seasonal_naive(168)", panel, DAY, HORIZON)
    assert (config.kind, config.season, config.skip_lag, config.unit_lag) == ("seasonal_naive", DAY, WEEK, DAY)
    last = panel.series(0)[-config.window :]
    assert np.array_equal(weights["linear"] @ last, panel.series(0)[-WEEK:][:HORIZON])
    assert name_of(config) == "seasonal_naive(168)"


def test_names_of_baselines() -> None:
    assert [lag_name(lag, DAY) for lag in (1, DAY, WEEK)] == ["naive", "seasonal_naive", "seasonal_naive(168)"]
    panel = Panel.of([walk()])
    for season in (1, DAY):
        for name in ("naive", "seasonal_naive", "drift"):
            assert name_of(baseline(name, panel, season, HORIZON).config) == name
    assert is_baseline("seasonal_naive(168)")
    assert not any(is_baseline(name) for name in ("seasonal_naive()", "seasonal_naive(1)", "naive(3)", "lstm", "rival"))


def test_a_hundred_thousand_series_are_decided_in_seconds() -> None:
    series = 100_000
    values = RNG.standard_normal(series * 200)
    panel = Panel(tuple(map(str, range(series))), values, 200 * np.arange(series + 1), np.zeros(series, np.int64))
    begun = time.perf_counter()
    assert len(choose_lags(panel, HORIZON, (1, DAY))) == series
    assert time.perf_counter() - begun < 30  # a second on two cores
