"""Draws docs/rolling-forecast.svg: one sensor, and the forecast at four moments as observations come in.

The model is trained on the first four fifths for --minutes, is not registered, and is rolled as in the service.
"""

from forecasting.kernel.threads import prepare

prepare()

import argparse  # noqa: E402  the processor's kernels are chosen before NumPy loads

import matplotlib as mpl  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib import pyplot as plt  # noqa: E402

from benchmarks.machine_temperature import SOURCE  # noqa: E402
from benchmarks.support import loop  # noqa: E402
from data.formats.options import SourceOptions  # noqa: E402
from forecasting.evaluation.backtest import advance, start  # noqa: E402
from forecasting.panel import Panel  # noqa: E402
from forecasting.rolling.roller import Roller  # noqa: E402
from forecasting.training.fit_network import TrainingSpec, fit  # noqa: E402
from pipelines.history.history import read_history  # noqa: E402
from pipelines.ingestion.ingest import ingest  # noqa: E402

HORIZON, EVERY, SHOWN, LATER = 72, 96, 4, 216  # forecast steps; between moments; moments; steps before the first
INK, SEEN, FAN = "#1f2933", "#52606d", "#0b7285"


def sensor() -> Panel:
    """The bundled sensor on its grid."""
    with loop.workspace() as place:
        options = SourceOptions(freq="5m", tz="UTC", season=288, horizon=HORIZON, series="machine_temperature")
        ingest(place, SOURCE, "machine_temperature", options)
        return read_history(place, "machine_temperature").panel


def rolled(panel: Panel, minutes: float) -> list[tuple[int, np.ndarray]]:
    """(last known position, (H, L) quantiles) at each moment."""
    known = (panel.lengths * 4) // 5
    roller = Roller(fit(panel.head(known), TrainingSpec("lstm", 288, HORIZON, max_minutes=minutes)).bundle)
    state, moments = start(roller, panel, known), []
    advance(roller, state, panel, known, known + LATER)
    known = known + LATER
    for _ in range(SHOWN):
        moments.append((int(known[0]), roller.forecast(state, np.zeros(1, int))[0]))
        advance(roller, state, panel, known, known + EVERY)
        known = known + EVERY
    return moments


def draw(panel: Panel, moments: list[tuple[int, np.ndarray]], path: str) -> None:
    """One panel: the sensor in grey, each forecast as a median with its 80 % and 95 % intervals."""
    mpl.rcParams |= {"svg.hashsalt": "rollcast", "font.family": "sans-serif", "svg.fonttype": "none"}
    first, last = moments[0][0] - EVERY, moments[-1][0] + HORIZON
    hours = np.arange(first, last) / 12 - moments[0][0] / 12
    figure, axes = plt.subplots(figsize=(9, 3.2))
    axes.plot(hours, panel.series(0)[first:last], color=SEEN, lw=1, label="observed")
    for number, (known, quantiles) in enumerate(moments):
        ahead = (np.arange(HORIZON) + known) / 12 - moments[0][0] / 12
        label = dict.fromkeys(("95 %", "80 %", "median")) | (
            {w: w for w in ("95 %", "80 %", "median")} if not number else {}
        )
        axes.fill_between(ahead, quantiles[:, 0], quantiles[:, -1], color=FAN, alpha=0.15, lw=0, label=label["95 %"])
        axes.fill_between(ahead, quantiles[:, 1], quantiles[:, -2], color=FAN, alpha=0.30, lw=0, label=label["80 %"])
        axes.plot(ahead, quantiles[:, 5], color=FAN, lw=1.6, label=label["median"])
        axes.axvline(ahead[0], color=INK, lw=0.6, ls=":")
    low, high = panel.series(0)[first:last].min(), panel.series(0)[first:last].max()
    axes.set_ylim(low - 0.4 * (high - low), high + 0.4 * (high - low))
    axes.set_xlabel("hours", color=INK)
    axes.set_ylabel("temperature", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0)
    axes.legend(frameon=False, ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=9)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=1.0, help="of training")
    options.add_argument("--out", default="docs/rolling-forecast.svg")
    chosen = options.parse_args()
    panel = sensor()
    draw(panel, rolled(panel, chosen.minutes), chosen.out)
    print(f"wrote {chosen.out}")


if __name__ == "__main__":
    main()
