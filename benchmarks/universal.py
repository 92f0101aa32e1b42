"""What the shipped version costs: one value and its forecast, batches of series, bytes of a state.

Keys of --json: observe_and_forecast_us (microseconds to fold one value of an hourly series, its scores included, and
to forecast 48 steps at 11 levels), observe_us and forecast_us (its parts), series_steps_per_second (2,000 series, 48
steps at once, vintages included), context_steps_per_second (of contexts that are read), hourly_state_bytes (cycles 24
and 168, horizon 48), minute_state_bytes (cycles 1,440 and 10,080, horizon 60).
"""

from forecasting.kernel.threads import prepare

prepare()

import time  # noqa: E402  the processor's kernels are chosen before NumPy loads

import numpy as np  # noqa: E402

from benchmarks.support.run import Figures, command, finish, parser, seconds  # noqa: E402
from benchmarks.support.thresholds import asked  # noqa: E402
from forecasting.kinds import model_of  # noqa: E402
from forecasting.universal.shipped import shipped_bundle  # noqa: E402

SERIES, STEPS = 2_000, 48
ONE = np.zeros(1, np.int64)


def single() -> Figures:
    """Microseconds of one series."""
    roller = model_of(shipped_bundle("1h", 48, 24))
    values = day_and_week(1, 1_000)
    state = roller.start(values[:, : roller.config.context], np.array([roller.config.context - 1]))
    ledger = roller.ledger(1)

    def observe() -> None:
        roller.fold(state, ONE, state.origin + 1, values[0, state.origin % 1_000], ledger)

    def forecast() -> None:
        roller.forecast(state, ONE)

    def both() -> None:
        observe()
        forecast()

    found = {"observe_us": observe, "forecast_us": forecast, "observe_and_forecast_us": both}
    return {name: 1e6 * seconds(work, 500) for name, work in found.items()}


def batches() -> Figures:
    """Steps of series a second, with all cores."""
    roller = model_of(shipped_bundle("1h", 48, 24))
    values = day_and_week(SERIES, roller.config.context + STEPS)
    context = np.ascontiguousarray(values[:, : roller.config.context])
    began = time.perf_counter()
    state = roller.start(context, np.full(SERIES, roller.config.context - 1))
    read = time.perf_counter() - began
    steps = np.tile(roller.config.context + np.arange(STEPS), SERIES)
    ledger = roller.ledger(SERIES)
    began = time.perf_counter()
    roller.fold(state, np.repeat(np.arange(SERIES), STEPS), steps, values[:, roller.config.context :].ravel(), ledger)
    taken = time.perf_counter() - began
    return {
        "series_steps_per_second": SERIES * STEPS / taken,
        "context_steps_per_second": SERIES * roller.config.context / read,
    }


def sizes() -> Figures:
    """Bytes of the state of one series."""
    shapes = {"hourly": ("1h", 48, 24), "minute": ("1m", 60, 1_440)}
    return {f"{name}_state_bytes": state_bytes(*shape) for name, shape in shapes.items()}


def state_bytes(freq: str, horizon: int, season: int) -> int:
    state = model_of(shipped_bundle(freq, horizon, season)).empty(1)
    return sum(array.nbytes for array in state.arrays.values())


def day_and_week(series: int, length: int) -> np.ndarray:
    """(series, length) hourly values with a day, a weekend and noise."""
    rng, hour = np.random.default_rng(0), np.arange(length)
    shape = 50 + 10 * np.sin(hour / 24 * 2 * np.pi) - 5 * (hour // 24 % 7 > 4)
    return shape + rng.standard_normal((series, length))


def main() -> None:
    chosen = parser(__doc__).parse_args()
    model_of(shipped_bundle("1h", 48, 24)).warm_up()
    figures = {**single(), **batches(), **sizes()}
    table = [[name, f"{value:,.4g}", *asked("universal", name)] for name, value in figures.items()]
    finish("universal", figures, [["figure", "measured", "reach", "stretch"], *table], chosen)


if __name__ == "__main__":
    command(main)
