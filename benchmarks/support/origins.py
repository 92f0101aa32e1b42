"""A backtest over many origins in one pass of rolled states, against reading every context again at each origin."""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks.support.memory import panel as noisy_seasons  # noqa: E402
from benchmarks.support.peak import peak_kb  # noqa: E402
from benchmarks.support.run import Figures  # noqa: E402
from benchmarks.support.store import CONFIG, network  # noqa: E402
from forecasting.accuracy import ErrorSums  # noqa: E402
from forecasting.evaluation import backtest  # noqa: E402
from forecasting.evaluation.backtest import Origins  # noqa: E402
from forecasting.panel import Panel  # noqa: E402
from forecasting.rolling.bundle import Bundle  # noqa: E402
from forecasting.rolling.roller import Roller  # noqa: E402


def measure(series: int, origins: int, sample: int) -> Figures:
    """Runs in a new process, so that its memory can be measured."""
    asked = {"series": series, "origins": origins, "sample": sample}
    command = [sys.executable, "-m", "benchmarks.support.origins"]
    command += [word for name, value in asked.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def roll(bundle: Bundle, panel: Panel, origins: Origins) -> float:
    """Seconds to score every origin in one pass."""
    began = time.perf_counter()
    backtest.evaluate(bundle, panel, origins)
    return time.perf_counter() - began


def encode_again(bundle: Bundle, panel: Panel, origins: Origins) -> float:
    """Seconds to score them with states that are started from the context at each origin."""
    began = time.perf_counter()
    roller, rows = Roller(bundle), np.arange(len(panel))
    scores = ErrorSums.empty(len(panel), CONFIG.horizon, CONFIG.levels)
    for k in range(len(origins)):
        state = backtest.start(roller, panel, origins.stops[:, k])
        scores.add(backtest.answer(roller, state, rows)[0], backtest.actuals(panel, origins, k, CONFIG.horizon))
    return time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("series", "origins", "sample"):
        options.add_argument(f"--{name}", type=int, required=True)
    chosen = options.parse_args()
    length = CONFIG.context + chosen.origins + CONFIG.horizon
    panel, bundle = noisy_seasons(chosen.series, length, 24), network()
    first = np.full(chosen.series, CONFIG.context + 1)
    origins = backtest.rolling_origins(panel, first, CONFIG.horizon, chosen.origins)
    few = origins.at(backtest.spread(len(origins), chosen.sample))
    before, rolled, again = peak_kb(), roll(bundle, panel, origins), encode_again(bundle, panel, few)
    figures = {
        "backtest_rolled_s": rolled,
        "backtest_again_s": again / len(few) * len(origins),
        "backtest_sample": len(few),
        "backtest_ratio": again / len(few) * len(origins) / rolled,
        "backtest_forecasts_per_second": chosen.series * len(origins) / rolled,
        "backtest_grown_kb": peak_kb() - before,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
