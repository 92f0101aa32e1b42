"""Scores of the shipped version on series that it has never seen, beside naive and seasonal naive."""

from dataclasses import dataclass

import numpy as np

from benchmarks.support import selector
from benchmarks.support.long_files import LongFile
from benchmarks.support.run import Figures
from forecasting.accuracy import ErrorSums, seasonal_error
from forecasting.config import LEVELS
from forecasting.cycles import longer_cycle
from forecasting.evaluation import backtest
from forecasting.kernel.scaling import fill
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.universal.shipped import shipped_bundle

COLD = (1, 2, 4, 8, 16, 32, 64)  # values seen


@dataclass(frozen=True)
class Scored:
    """Error sums of the shipped version, both baselines and the selector at the same origins; unit (n,) of MASE."""

    model: ErrorSums
    naive: ErrorSums
    seasonal: ErrorSums
    selector: ErrorSums
    unit: np.ndarray
    by_phase: np.ndarray  # (phases, 2): values in the 80 % interval, and all


def shipped_for(file: LongFile) -> Bundle:
    """The shipped version as the first ingest of the values before the first origin would promote it."""
    past = file.panel.head(file.origins.stops[:, 0])
    found = longer_cycle(past, file.season, file.horizon)
    return shipped_bundle(file.freq, file.horizon, file.season, [found] if found else [])


def score(file: LongFile) -> Scored:
    """All three at every origin of a file."""
    panel, origins, horizon, season = file.panel, file.origins, file.horizon, file.season
    inside = np.zeros((max(1, min(season, 24)), 2))

    def watch(k: int, quantiles: np.ndarray, actual: np.ndarray) -> None:
        steps = origins.stops[:, k, None] + np.arange(horizon)
        phase = steps % season * len(inside) // season
        known = ~np.isnan(actual)
        held = known & (actual >= quantiles[..., 1]) & (actual <= quantiles[..., -2])
        np.add.at(inside[:, 0], phase[known], held[known])
        np.add.at(inside[:, 1], phase[known], 1)

    bundle = shipped_for(file)
    model = backtest.evaluate(bundle, panel, origins, watch=watch)
    selected = selector.evaluate(bundle, panel, origins)
    points = [_repeated(panel, file, lag) for lag in (1, season)]
    past = panel.head(origins.stops[:, 0])
    unit = seasonal_error(past, season)
    return Scored(model, points[0], points[1], selected, np.where(unit > 0, unit, np.nan), inside)


def _repeated(panel: Panel, file: LongFile, lag: int) -> ErrorSums:
    """Errors of the last values of a lag, repeated; each gap has the value before it."""
    sums = ErrorSums.empty(len(panel), file.horizon, LEVELS)
    reach = max(64, 2 * lag)
    for k in range(len(file.origins)):
        last = fill(panel.window(file.origins.stops[:, k], reach))[:, -lag:]
        point = last[:, np.arange(file.horizon) % lag]
        sums.add(np.repeat(point[..., None], len(LEVELS), -1), backtest.actuals(panel, file.origins, k, file.horizon))
    return sums


def figures(scored: Scored) -> Figures:
    """MASE and WQL with their ratios, and the coverage of the intervals."""
    every = (scored.model, scored.naive, scored.seasonal, scored.selector)
    mase = [_mean(sums.mean("absolute") / scored.unit) for sums in every]
    wql = [_wql(sums) for sums in (scored.model, scored.naive, scored.seasonal)]
    shares = scored.by_phase[:, 0] / np.maximum(scored.by_phase[:, 1], 1)
    total = max(1.0, scored.model.sums["count"].sum())
    return {
        "mase": mase[0],
        "wql": wql[0],
        "mase_over_seasonal_naive": mase[0] / mase[2],
        "wql_over_seasonal_naive": wql[0] / wql[2],
        "mase_over_better": mase[0] / min(mase[1:3]),
        "mase_over_selector": mase[0] / mase[3],
        "coverage_80": float(scored.model.sums["inside_80"].sum() / total),
        "coverage_95": float(scored.model.sums["inside_95"].sum() / total),
        "phase_low": float(shares.min()),
        "phase_high": float(shares.max()),
        "n": int(total),
    }


def cold_figures(file: LongFile) -> Figures:
    """MASE over naive's, and the 80 % interval, of the values after the first 1, 2, 4 … 64 of each series."""
    found: Figures = {}
    bundle = shipped_for(file)
    past = seasonal_error(file.panel.head(file.origins.stops[:, 0]), file.season)
    unit = np.where(past > 0, past, np.nan)
    for count in COLD:
        long = np.flatnonzero(file.panel.lengths >= count + file.horizon)
        panel = file.panel.select(long)
        origins = backtest.Origins.of(np.full((len(long), 1), count))
        one = LongFile(file.name, panel, origins, file.horizon, 1, file.freq)
        model, naive = backtest.evaluate(bundle, panel, origins), _repeated(panel, one, 1)
        mase = [_mean(sums.mean("absolute") / unit[long]) for sums in (model, naive)]
        found[f"cold_{count}_over_naive"] = mase[0] / mase[1]
        found[f"cold_{count}_coverage_80"] = float(model.sums["inside_80"].sum() / model.sums["count"].sum())
    coverages = [found[f"cold_{count}_coverage_80"] for count in COLD]
    return found | {
        "cold_over_naive": max(found[f"cold_{count}_over_naive"] for count in COLD),
        "cold_coverage_low": min(coverages),
        "cold_coverage_high": max(coverages),
    }


def _wql(sums: ErrorSums) -> float:
    size = sums.sums["size"].sum()
    return float(2 * sums.sums["pinball"].sum() / size) if size > 0 else float("nan")


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
