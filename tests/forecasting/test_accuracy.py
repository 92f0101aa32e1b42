"""Measures, checked by hand and against the figures that the M4 competition published."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from forecasting.accuracy import ErrorSums, Reference, naive2, seasonal_error, seasonal_indices
from forecasting.config import LEVELS
from forecasting.evaluation import backtest
from forecasting.panel import Panel

DATA = Path(os.environ.get("ROLLCAST_DATA", "../shared/data"))


def point(values: list[float]) -> np.ndarray:
    """(1, H, L) forecast whose quantiles are all equal."""
    return np.repeat(np.array(values)[None, :, None], len(LEVELS), 2)


def scored(forecast: np.ndarray, actual: list[float], unit: float = 1.0) -> dict[str, float]:
    scores = ErrorSums.empty(1, len(actual), LEVELS)
    scores.add(forecast, np.array([actual]))
    rival = ErrorSums.empty(1, len(actual), LEVELS)
    rival.add(point([0.0] * len(actual)), np.array([actual]))
    return scores.summary(Reference(np.array([unit]), rival, rival))


def test_a_perfect_forecaster_scores_zero_at_every_step() -> None:
    scores = ErrorSums.empty(1, 3, LEVELS)
    scores.add(point([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 3.0]]))
    reference = Reference(np.ones(1), scores, scores)
    assert [row["mase"] for row in scores.by_step(reference)] == [0.0, 0.0, 0.0]
    assert scores.summary(reference)["wql"] == 0.0


def test_measures_of_a_forecast_worked_by_hand() -> None:
    found = scored(point([2.0, 4.0]), [1.0, 8.0], unit=2.0)
    assert found["mae"] == 2.5  # (1 + 4) / 2
    assert found["mase"] == 1.25
    assert found["rmse"] == pytest.approx(np.sqrt(8.5), abs=1e-6)
    assert found["smape"] == pytest.approx(100 * (1 / 3 + 4 / 12), abs=1e-5)
    assert found["wql"] == pytest.approx(5 / 9, abs=1e-6)  # a point forecast: Σ|y - f| / Σ|y|
    assert found["msis"] == pytest.approx(40 * (1 + 4) / 2 / 2, abs=1e-5)
    assert found["coverage_80"] == 0.0
    assert found["skill"] == pytest.approx(1 - 2.5 / 4.5, abs=1e-6)  # the rival forecasts zero


def test_scores_by_series_are_sorted_worst_first() -> None:
    scores = ErrorSums.empty(2, 1, LEVELS)
    scores.add(np.concatenate([point([1.0]), point([1.0])]), np.array([[2.0], [9.0]]))
    rows = scores.by_series(("near", "far"), Reference(np.ones(2), scores, scores))
    assert [(row["unique_id"], row["mase"], row["coverage_80"]) for row in rows] == [
        ("far", 8.0, 0.0),
        ("near", 1.0, 0.0),
    ]


def test_intervals_are_counted_and_measured() -> None:
    forecast = np.array(LEVELS)[None, None].repeat(4, 1)  # 0.025 … 0.975 at each of four steps
    found = scored(forecast, [0.5, 0.85, 0.95, 2.0])
    assert (found["coverage_80"], found["coverage_95"]) == (0.5, 0.75)
    assert found["width_80"] == pytest.approx(0.8)
    assert found["msis"] == pytest.approx(0.95 + 40 * (2 - 0.975) / 4, abs=1e-5)


def test_the_error_of_a_coverage_counts_series_and_not_values() -> None:
    certain = np.array(LEVELS)[None, None].repeat(4, 0).repeat(5, 1)  # 0.025 … 0.975, four series, five steps
    scores = ErrorSums.empty(4, 5, LEVELS)
    scores.add(certain, np.repeat([[0.5], [0.5], [0.5], [2.0]], 5, 1))  # three series inside at every step, one never
    summary = scores.summary(Reference(np.ones(4), scores, scores))
    assert summary["coverage_80"] == 0.75
    assert summary["coverage_80_error"] == 0.25  # sd of 1, 1, 1, 0 over the root of 4, though there are 20 values
    assert scored(point([1.0]), [1.0])["coverage_80_error"] is None  # one series is no evidence of the spread


def test_the_error_of_wql_counts_series_as_well() -> None:
    scores = ErrorSums.empty(4, 1, LEVELS)
    scores.add(point([0.9, 1.0, 1.0, 1.0]).transpose(1, 0, 2), np.ones((4, 1)))  # a tenth off in one series of four
    summary = scores.summary(Reference(np.ones(4), scores, scores))
    assert (summary["wql"], summary["wql_error"]) == (0.025, 0.025)  # sd of 0.1, 0, 0, 0 over the root of 4


def test_unknown_actual_values_are_left_out() -> None:
    assert scored(point([2.0, 5.0]), [1.0, float("nan")])["mae"] == 1.0


def test_the_mase_divisor_is_the_mean_seasonal_change_of_the_training_part() -> None:
    panel = Panel.of([np.array([1.0, 5.0, 2.0, 9.0]), np.array([1.0, np.nan, 4.0, 2.0]), np.array([3.0])])
    np.testing.assert_array_equal(seasonal_error(panel, 2), [2.5, 3.0, np.nan])


def test_seasonal_indices_of_a_seasonal_series_average_one() -> None:
    x = np.tile([1.0, 3.0], 30) * 10
    np.testing.assert_allclose(seasonal_indices(x, 2), [0.5, 1.5])
    np.testing.assert_array_equal(seasonal_indices(np.random.default_rng(0).random(60) + 1, 2), [1, 1])


def test_naive2_repeats_the_last_value_in_its_season() -> None:
    indices = np.array([[0.5, 1.5]])
    np.testing.assert_allclose(naive2(np.array([30.0]), np.array([60]), indices, 3), [[10.0, 30.0, 10.0]])


@pytest.mark.parametrize(
    ("name", "season", "horizon", "naive", "seasonal", "second"),
    [("weekly", 1, 13, (9.161, 2.777, 1.0), (9.161, 2.777, 1.0), (9.161, 2.777, 1.0)),
     ("hourly", 24, 48, (43.003, 11.608, 3.593), (13.912, 1.193, 0.627), (18.383, 2.395, 1.0))],
)  # fmt: skip
def test_baselines_reach_the_published_figures_of_the_competition(name, season, horizon, naive, seasonal, second):
    path = DATA / f"m4_{name}.parquet"
    if not path.exists():
        pytest.skip(f"needs {path.name}: set ROLLCAST_DATA to the folder that holds it")
    frame = pl.read_parquet(path).group_by("unique_id", maintain_order=True)
    groups = frame.agg("y", known=(pl.col("split") != "test").sum())
    panel = Panel.of([np.array(y) for y in groups["y"]])
    origins = backtest.rolling_origins(panel, groups["known"].to_numpy().astype(np.int64), horizon)
    reference = backtest.reference(panel, origins, season, horizon)
    past = panel.head(origins.stops[:, 0])
    models = {kind: backtest.baseline(kind, past, season, horizon) for kind in ("naive", "seasonal_naive")}
    found = {kind: backtest.evaluate(model, panel, origins) for kind, model in models.items()}
    for scores, expected in ((found["naive"], naive), (found["seasonal_naive"], seasonal), (reference.naive2, second)):
        summary = scores.summary(reference)
        assert (summary["smape"], summary["mase"], summary["owa"]) == pytest.approx(expected, abs=6e-4)
