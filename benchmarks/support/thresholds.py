"""The bounds of figures, which --check applies: benchmark, figure, at most or at least, value.

The parts of a benchmark are named with a dot, such as `m4.weekly`; a part that was not run is not checked.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Bound(NamedTuple):
    """The bound of one figure of one benchmark; `stretch` is a better value to aim for."""

    benchmark: str
    figure: str
    side: Literal["at most", "at least"]
    value: float
    why: str
    stretch: float | None = None


def around(benchmark: str, figure: str, middle: float, reach: float, why: str, stretch: float) -> tuple[Bound, Bound]:
    """The bounds of a figure that has to be within `reach` of its middle, and preferably within `stretch`."""
    return (
        Bound(benchmark, figure, "at least", middle - reach, why, middle - stretch),
        Bound(benchmark, figure, "at most", middle + reach, why, middle + stretch),
    )


def coverage(benchmark: str) -> tuple[Bound, ...]:
    """Both intervals cover their share of the values within two points, preferably one."""
    return tuple(
        bound
        for percent in (80, 95)
        for bound in around(
            benchmark, f"coverage_{percent}", percent / 100, 0.02, f"issue 3: the {percent} % interval", 0.01
        )
    )


def zeroshot(name: str, mase: tuple[float, float], wql: tuple[float, float], low: float) -> tuple[Bound, ...]:
    """Absolute figures of one set of M4 without training, with their stretch, and its first values."""
    benchmark = f"zeroshot.{name}"
    return (
        Bound(benchmark, "mase", "at most", mase[0], "issue 25: zero-shot", mase[1]),
        Bound(benchmark, "wql", "at most", wql[0], "issue 25: zero-shot", wql[1]),
        Bound(benchmark, "cold_over_naive", "at most", 1.0, "issue 25: MASE after 1, 2, 4 … 64 values"),
        Bound(benchmark, "cold_coverage_low", "at least", low, "issue 25: 80 % interval after as many values"),
        Bound(benchmark, "cold_coverage_high", "at most", 0.90, "issue 25: 80 % interval after as many values"),
    )


def between(benchmark: str, figure: str, low: float, high: float, why: str) -> tuple[Bound, Bound]:
    """The bounds of a figure that has to lie between two values."""
    return Bound(benchmark, figure, "at least", low, why), Bound(benchmark, figure, "at most", high, why)


BOUNDS = (
    Bound("kernel", "single_step_ratio", "at most", 1 / 3, "one series, one step and forecast, against torch"),
    Bound("kernel", "batch_rate_with_heads", "at least", 0.40, "batch 256 against the float32 matrix product"),
    Bound("kernel", "batch_rate_without_heads", "at least", 0.45, "the same without forecasts"),
    Bound("kernel", "long_roll_ratio", "at most", 1.10, "cost after 100,000 steps against after 100"),
    Bound("symbols.characters", "kernel_loss", "at most", 1.70, "issue 24: nats over the last tenth", 1.60),
    Bound("symbols.characters", "torch_apart", "at most", 1e-3, "issue 24: kernel and torch, state carried"),
    Bound("symbols.characters", "characters_per_second", "at least", 3_000, "issue 24: of one stream", 6_000),
    Bound("symbols.characters", "chi_square_p", "at least", 0.01, "issue 24: draws by the printed probabilities"),
    Bound("symbols.book", "expected_mistakes", "at most", 3, "issue 24: in 10,000 sentences"),
    Bound("symbols.book", "counted_mistakes", "at most", 8, "issue 24: in 10,000 sentences"),
    Bound("symbols.book", "object_open", "at least", 0.9, "issue 24: no memorised story"),
    Bound("symbols.book", "subject_open", "at least", 0.9, "issue 24: no memorised story"),
    Bound("symbols.book", "sentence_open", "at least", 0.9, "issue 24: no memorised story"),
    Bound("symbols.dinner", "dinner_right", "at least", 0.99, "issue 24: from the days before, 30 % unwritten"),
    Bound("symbols.machines", "machines_over_truth", "at most", 1.02, "issue 24: log loss against the truth's"),
    Bound("symbols.machines", "machines_bins_held", "at least", 8, "issue 24: failures within 20 steps, of ten bins"),
    Bound("symbols.machines", "machines_fewest", "at least", 30, "issue 24: windows of a bin"),
    Bound("machine_temperature", "mase_12_over_naive", "at most", 0.9999, "horizon 12 beats naive"),
    Bound("machine_temperature", "mase_12_over_seasonal_naive", "at most", 0.9999, "horizon 12 beats seasonal naive"),
    Bound(
        "machine_temperature", "mase_72_over_naive", "at most", 1.02, "horizon 72 is not worse than naive by over 2 %"
    ),
    Bound("machine_temperature", "coverage_80_at_12", "at least", 0.75, "the 80 % interval"),
    Bound("machine_temperature", "coverage_80_at_12", "at most", 0.85, "the 80 % interval"),
    Bound("machine_temperature", "coverage_80_at_72", "at least", 0.75, "the 80 % interval"),
    Bound("machine_temperature", "coverage_80_at_72", "at most", 0.85, "the 80 % interval"),
    Bound("drift", "false_alarms", "at most", 0.02, "issue 5: of a statistic and a look, on series that do not change"),
    Bound("drift", "noticed_shift", "at least", 0.95, "issue 5: a level that moves by three standard deviations"),
    Bound("drift", "noticed_variance", "at least", 0.95, "issue 5: three times the standard deviation"),
    Bound("drift", "noticed_stuck", "at least", 0.95, "issue 5: the same value again and again"),
    Bound("start", "warm_serve", "at most", 1.5, "seconds to ready where byte-code and compiled loops are there"),
    Bound("start", "nothing_serve", "at most", 4.0, "seconds to ready where both must be made"),
    Bound("start", "image_serve", "at most", 1.5, "seconds to ready where both were built in"),
    Bound("start", "warm_status", "at most", 0.8, "seconds of a command that looks at the live store"),
    Bound("start", "warm_series_list", "at most", 0.8, "seconds of a command that looks at the lake too"),
    Bound("lecture", "far_rnn", "at most", 1e-6, "issue 24: gradient at lag 50 over lag 1, rnn (uniform)"),
    Bound("lecture", "far_lstm", "at most", 1e-6, "issue 24: the same, lstm as torch initialises it"),
    Bound("lecture", "far_lstm_bias_1", "at least", 1e-4, "issue 24: the same, forget bias 1"),
    Bound("lecture", "far_lstm_bias_3", "at least", 0.1, "issue 24: the same, forget bias 3"),
    Bound("lecture", "chain_errors", "at most", 3, "issue 24: the lecture's network is the exact two-word chain"),
    Bound("lecture", "weights_apart", "at most", 0.05, "issue 24: networks of the book at equal weights"),
    Bound("lecture", "dinner_yesterday", "at least", 0.99, "issue 24: dinners predicted from the days before"),
    Bound("lecture", "counts_wrong", "at most", 0, "issue 24: weights by formula and by tensors, 20 random sizes"),
    Bound("lecture", "gradients_wrong", "at most", 0, "issue 24: gradients by hand, numeric and of autograd"),
    Bound("cold_start", "lowest_coverage", "at least", 0.75, "issue 20: 80 % interval, 1 to 16 values seen"),
    Bound("cold_start", "highest_coverage", "at most", 0.90, "issue 20: 80 % interval, 1 to 16 values seen"),
    Bound("cold_start", "width_ratio", "at most", 0.8, "issue 20: 16 values seen against one"),
    Bound("service.ready", "ready_seconds", "at most", 1.5, "process start to ready"),
    Bound("service.forecast", "warm_rate_ratio", "at least", 0.5, "issue 4: against a bare route of the same bytes"),
    Bound("service.forecast", "warm_p99_ratio", "at most", 2.0, "issue 4: against a bare route of the same bytes"),
    Bound("service.observe", "distinct_rows_per_second", "at least", 25_000, "issue 4: 100 rows of 100 series"),
    Bound("service.observe", "distinct_rate_ratio", "at least", 0.25, "issue 4: against a route that decodes JSON"),
    Bound("service.observe", "parsed_rate_ratio", "at least", 0.25, "issue 4: against the same route that only parses"),
    Bound("service.latency", "row_p50_ms", "at most", 5, "issue 4: one row observed, and its new forecast"),
    Bound("service.latency", "row_p99_ms", "at most", 25, "issue 4: one row observed, and its new forecast"),
    Bound("service.advance", "advance_rate", "at least", 0.45, "issue 4: of the float32 matrix product"),
    Bound("service.scale", "memory_100k_kb", "at most", 1_500_000, "issue 4: 100,000 series"),
    Bound("service.scale", "restart_100k_s", "at most", 20, "issue 4: 100,000 series"),
    Bound("service.scale", "restart_10k_s", "at most", 3, "issue 4: 10,000 series"),
    Bound("service.soak", "soak_failures", "at most", 0, "issue 4: nothing fails under mixed load"),
    Bound("service.soak", "soak_memory_grown", "at most", 1.1, "issue 4: flat"),
    Bound("service.soak", "soak_handles_grown", "at most", 1.1, "issue 4: flat"),
    Bound("service.soak", "soak_p50_grown", "at most", 1.2, "issue 4: flat"),
    Bound("service.kills", "kill_failures", "at most", 0, "issue 4: 0 rows lost, 0 doubled, states equal to the log"),
    Bound("zeroshot", "mase_over_seasonal_naive", "at most", 0.85, "issue 25: mean over the files", 0.83),
    Bound("zeroshot", "wql_over_seasonal_naive", "at most", 0.70, "issue 25: mean over the files", 0.665),
    Bound("zeroshot", "mase_over_selector", "at most", 0.98, "issue 25: the best of its own experts lately", 0.96),
    Bound("zeroshot", "worst_over_better", "at most", 1.02, "issue 25: the better of naive and seasonal naive"),
    Bound("zeroshot", "coverage_80", "at least", 0.76, "issue 25: the 80 % interval, pooled"),
    Bound("zeroshot", "coverage_80", "at most", 0.84, "issue 25: the 80 % interval, pooled"),
    *zeroshot("m4_hourly", (0.85, 0.78), (0.028, 0.0257), 0.70),
    *zeroshot("m4_weekly", (2.15, 2.05), (0.040, 0.0375), 0.75),
    Bound("zeroshot.etth1", "mse_96", "at most", 0.375, "issue 25; four plain profiles averaged 0.370", 0.362),
    Bound("field.stores.zero_shot", "mae_over_mean_of_weeks", "at most", 1.03, "issue 25: 200 stores, zero-shot"),
    Bound("field.stores.tuned", "mae_over_mean_of_weeks", "at most", 0.95, "issue 25: 200 stores, tuned", 0.90),
    Bound("field.minutes.zero_shot", "over_better", "at most", 0.9, "issue 25: minute sensors, 60 steps ahead"),
    Bound("field.minutes.zero_shot", "over_better_worst", "at most", 1.02, "issue 25: each minute sensor"),
    *between("field.prices.zero_shot", "next_coverage_80", 0.77, 0.83, "issue 25: prices, the next day"),
    *between("field.prices.zero_shot", "calmest_coverage_80", 0.72, 0.86, "issue 25: prices, after calm days"),
    *between("field.prices.zero_shot", "wildest_coverage_80", 0.72, 0.86, "issue 25: prices, after wild days"),
    *(
        bound
        for name in ("yearly", "quarterly", "monthly")
        for bound in between(f"field.{name}.zero_shot", "coverage_80", 0.76, 0.84, f"issue 25: short {name} series")
    ),
    Bound("universal", "observe_and_forecast_us", "at most", 100, "issue 25: one value, 48 × 11", 60),
    Bound("universal", "series_steps_per_second", "at least", 100_000, "issue 25: batches"),
    Bound("universal", "hourly_state_bytes", "at most", 9_000, "issue 25: cycles 24 and 168, horizon 48"),
    Bound("universal", "minute_state_bytes", "at most", 16_000, "issue 25: cycles 1,440 and 10,080, horizon 60"),
    Bound("competition", "mase_over_seasonal_naive", "at most", 1.0, "issue 3: does well on data it has never seen"),
    Bound("m4.weekly", "owa", "at most", 0.70, "issue 3; best entry of the competition 0.739", 0.68),
    Bound("m4.weekly", "mase", "at most", 1.95, "issue 3; best published 1.990", 1.88),
    Bound("m4.weekly", "wql", "at most", 0.0365, "issue 3; best published 0.0367", 0.035),
    *coverage("m4.weekly"),
    Bound("m4.weekly", "long_roll_passed", "at least", 1.0, "issue 3: rolled for long is not worse than fresh"),
    Bound("m4.hourly", "owa", "at most", 0.41, "issue 3; best entry of the competition 0.410", 0.39),
    Bound("m4.hourly", "mase", "at most", 0.72, "issue 3; best published 0.722", 0.66),
    Bound("m4.hourly", "wql", "at most", 0.0205, "issue 3; best published 0.0202", 0.019),
    *coverage("m4.hourly"),
    Bound("m4.hourly", "long_roll_passed", "at least", 1.0, "issue 3: rolled for long is not worse than fresh"),
    Bound("etth1.96", "mse", "at most", 0.370, "issue 3; best published 0.351", 0.350),
    Bound("etth1.192", "mse", "at most", 0.410, "issue 3; best published 0.392", 0.390),
    Bound("etth1.336", "mse", "at most", 0.430, "issue 3; best published 0.422", 0.420),
    Bound("etth1.720", "mse", "at most", 0.460, "issue 3; best published 0.447", 0.445),
    *(bound for horizon in (96, 192, 336, 720) for bound in coverage(f"etth1.{horizon}")),
    Bound("pipelines.ingest", "ingest_ratio", "at least", 0.3, "issue 5: CSV to lake, against bare Polars"),
    Bound(
        "pipelines.ingest",
        "ingest_ours_peak_mb",
        "at most",
        1_300,
        "issue 5: memory is bounded whatever the file's size",
    ),
    Bound("pipelines.forecast", "forecast_warm_s", "at most", 60, "issue 5: 100,000 series × 48 × 9 into the lake"),
    Bound("pipelines.forecast", "forecast_warm_peak_kb", "at most", 2_000_000, "issue 5: the same"),
    *(
        bound
        for name in ("promote", "monitor", "ingest", "rollback")
        for bound in (
            Bound(f"bounded.{name}", f"{name}_s", "at most", 60, "issue 20: on 5,000 series of 20,000 rows"),
            Bound(f"bounded.{name}", f"{name}_peak_kb", "at most", 2_000_000, "issue 20: the same"),
        )
    ),
    *(Bound(f"road.{part}", f"{part}_ingest_s", "at most", 3, "issue 20: in the process") for part in ("few", "round")),
    *(Bound(f"road.{part}", f"{part}_get_p99_ratio", "at most", 2, "issue 20") for part in ("few", "round")),
    *(Bound(f"road.{part}", f"{part}_post_p99_ms", "at most", 50, "issue 20") for part in ("few", "round")),
    Bound("road.corrected", "corrected_taken_in_s", "at most", 120, "issue 20: 5,000 × 168 corrections"),
    Bound("road.alone", "alone_ratio", "at most", 1.2, "issue 20: a run's cost does not grow with the log"),
    Bound("road.alone", "alone_differs", "at most", 1e-5, "issue 20: a service answers the same"),
    Bound("history.read", "wide_p99_ms", "at most", 100, "100,000 values of one series, thinned for the screen"),
    Bound("history.read", "fine_p99_ms", "at most", 100, "the same in bins of less than 64 steps"),
    Bound("history.store", "noise_bytes", "at most", 120, "of a value, in the live store on SQLite"),
    Bound("operations.trouble", "trouble_p99_ms", "at most", 50, "100,000 series while 5,000 rows a second arrive"),
    Bound(
        "operations.watch", "value_worst_s", "at most", 1, "50 watchers of one series, 50 of all, 5,000 rows a second"
    ),
    Bound("operations.watch", "notice_worst_s", "at most", 1, "the same"),
    Bound("operations.cost", "cost_observe_ratio", "at least", 0.9, "issue 23: with what the page needs and without"),
    Bound("operations.cost", "cost_forecast_ratio", "at least", 0.95, "the same"),
    Bound("operations.cost", "cost_memory_ratio", "at most", 1.05, "the same"),
    Bound("operations.bytes", "sqlite_bytes", "at most", 120, "issue 23: past and earlier forecasts, a value"),
    Bound("operations.bytes", "postgresql_bytes", "at most", 70, "the same"),
    Bound("operations.opening", "opening_p99_ratio", "at most", 2, "issue 23: hours at which forecasts are opened"),
    Bound("training.step", "step_rate", "at least", 0.6, "issue 3: a step against a bare float32 nn.LSTM"),
    Bound("training.memory", "peak_kb", "at most", 3_000_000, "issue 3: 100,000 series of 250 values"),
    Bound("training_limits.minutes", "worst_over", "at most", 0, "minutes kept within 15 % or 10 s"),
    Bound("training_limits.memory", "huge_peak_kb", "at most", 1_500_000, "2.4 M values, horizon 168"),
    Bound("training_limits.memory", "most_peak_kb", "at most", 2_500_000, "25 M values"),
    Bound("training.race", "weekly_owa", "at most", 0.739, "issue 3: as good as the best entry of the competition"),
    Bound("training.race", "weekly_seconds", "at most", 60, "issue 3: within a minute"),
    Bound("training.race", "hourly_owa", "at most", 0.44, "issue 3: as good as the winner of the competition"),
    Bound("training.race", "hourly_seconds", "at most", 360, "issue 3: within six minutes"),
)


def bounds(benchmark: str, figure: str) -> list[Bound]:
    """The bounds of one figure: two if it has to be between them."""
    return [bound for bound in BOUNDS if (bound.benchmark, bound.figure) == (benchmark, figure)]


def asked(benchmark: str, figure: str) -> tuple[str, str]:
    """Bound and stretch of a figure, for a table; empty without a bound."""
    found = bounds(benchmark, figure)
    reach = " – ".join(f"{bound.value:.4g}" for bound in found)
    return reach, " – ".join(f"{bound.stretch:.4g}" for bound in found if bound.stretch is not None)


def shortfalls(benchmark: str, figures: Mapping[str, object]) -> list[str]:
    """A sentence for each figure that is outside its bound or was not measured."""
    found = []
    for bound in (bound for bound in BOUNDS if bound.benchmark == benchmark):
        value = figures.get(bound.figure)
        if not isinstance(value, int | float):
            found.append(f"{bound.figure} was not measured ({bound.why})")
        elif (value > bound.value) if bound.side == "at most" else (value < bound.value):
            found.append(f"{bound.figure} is {value:.4g}, {bound.side} {bound.value:.4g} is asked ({bound.why})")
    return found
