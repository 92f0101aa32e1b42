"""Measures of accuracy, as sums that are added up origin by origin.

For series with training values x_1 … x_n, season m, actual y and forecast f (Hyndman and Koehler 2006; the M4
competition's definitions for OWA, MSIS and Naive2):

    sMAPE = 200 mean |y - f| / (|y| + |f|)          MASE = mean |y - f| / d,  d = mean |x_t - x_(t-m)|
    OWA   = (sMAPE / sMAPE of Naive2 + MASE / MASE of Naive2) / 2
    WQL   = mean over levels q = 0.1 … 0.9 of 2 Σ ρ_q(y - f_q) / Σ |y|
    MSIS  = mean of (u - l) + 2/a (l - y)[y < l] + 2/a (y - u)[y > u], a = 0.05, divided by d
    skill = 1 - MASE / MASE of each series' rival (`forecasting.rivals`)

A measure is averaged over steps and origins of a series, then over the series; WQL and coverage are over everything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecasting.kernel.scaling import fill
from forecasting.panel import Panel

WQL_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
INTERVALS = {80: (0.1, 0.9), 95: (0.025, 0.975)}
SUMS = tuple("count absolute squared bias smape size pinball inside_80 inside_95 width_80 width_95 winkler".split())


def seasonal_error(panel: Panel, season: int) -> np.ndarray:
    """(n,) MASE divisor: mean |y_t - y_(t-m)| of each series over its known pairs; NaN without any."""
    return np.concatenate([np.empty(0), *(_seasonal_error(block, season) for block in panel.blocks())])


def _seasonal_error(panel: Panel, season: int) -> np.ndarray:
    index = np.arange(len(panel.values))
    inside = index - np.repeat(panel.offsets[:-1], panel.lengths) >= season
    change = np.abs(panel.values[index[inside]] - panel.values[index[inside] - season])
    owner = np.repeat(np.arange(len(panel)), panel.lengths)[inside]
    known = ~np.isnan(change)
    total = np.bincount(owner[known], change[known], len(panel))
    count = np.bincount(owner[known], minlength=len(panel))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass
class ErrorSums:
    """Sums of errors, (n, H) by series and horizon step; by_origin has the mean |error| (n,) of each origin."""

    sums: dict[str, np.ndarray]
    levels: tuple[float, ...]
    by_origin: list[np.ndarray] = field(default_factory=list)
    warming: int = 0  # forecasts by the fallback, because too few values were observed
    not_finite: int = 0

    @classmethod
    def empty(cls, series: int, horizon: int, levels: tuple[float, ...]) -> "ErrorSums":
        return cls({name: np.zeros((series, horizon)) for name in SUMS}, levels)

    def add(self, quantiles: np.ndarray, actual: np.ndarray) -> None:
        """Adds one origin's forecasts: quantiles (n, H, L) at `levels`, actual (n, H), NaN where nothing is scored."""
        known = ~np.isnan(actual)
        finite = np.isfinite(quantiles).all(-1)
        self.not_finite += int((known & ~finite).sum())
        y, q = np.where(known, actual, 0.0), np.where(known[..., None], quantiles, 0.0)
        at = {level: q[..., self.levels.index(level)] for level in (*WQL_LEVELS, 0.025, 0.975)}
        error = y - at[0.5]
        size = np.abs(y) + np.abs(at[0.5])
        low, high = at[0.025], at[0.975]
        missed = np.maximum(low - y, 0) + np.maximum(y - high, 0)
        added = {
            "count": known,
            "absolute": np.abs(error),
            "squared": error**2,
            "bias": -error,
            "smape": 200 * np.abs(error) / np.where(size > 0, size, 1),
            "size": np.abs(y),
            "pinball": np.mean([_pinball(y - at[level], level) for level in WQL_LEVELS], 0),
            "winkler": high - low + 40 * missed,
        }
        for percent, (lower, upper) in INTERVALS.items():
            added[f"inside_{percent}"] = known & (y >= at[lower]) & (y <= at[upper])
            added[f"width_{percent}"] = at[upper] - at[lower]
        for name, value in added.items():
            self.sums[name] += value
        with np.errstate(invalid="ignore"):
            self.by_origin.append(np.abs(error).sum(1) / np.where(known.any(1), known.sum(1), np.nan))

    @classmethod
    def chosen(cls, parts: Sequence["ErrorSums"], choice: np.ndarray) -> "ErrorSums":
        """Of each series i the sums of parts[choice[i]], models scored at the same origins; choice (n,)."""
        rows = np.arange(len(choice))
        sums = {name: np.stack([part.sums[name] for part in parts])[choice, rows] for name in SUMS}
        by_origin = [np.stack(errors)[choice, rows] for errors in zip(*(part.by_origin for part in parts), strict=True)]
        return cls(sums, parts[0].levels, by_origin, not_finite=max(part.not_finite for part in parts))

    def counts(self, horizon: int | None = None) -> np.ndarray:
        """(n,) number of scored values over steps 1 … horizon and all origins."""
        return np.asarray(self.sums["count"][:, :horizon].sum(1), np.int64)

    def mean(self, name: str, horizon: int | None = None) -> np.ndarray:
        """(n,) mean over steps 1 … horizon and all origins; NaN for a series without a scored step."""
        count = self.sums["count"][:, :horizon].sum(1)
        total = self.sums[name][:, :horizon].sum(1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    def summary(self, reference: "Reference", horizon: int | None = None) -> dict[str, Any]:
        """Every measure over the first `horizon` steps, as plain numbers; None where undefined."""
        sums = {name: value[:, :horizon] for name, value in self.sums.items()}
        total = max(1.0, sums["count"].sum())
        unit = reference.unit
        mase, smape = _mean(self.mean("absolute", horizon) / unit), _mean(self.mean("smape", horizon))
        size = sums["size"].sum()
        measures = {
            "mase": mase,
            "smape": smape,
            "owa": reference.owa(smape, mase, horizon),
            "wql": float(2 * sums["pinball"].sum() / size) if size > 0 else None,
            "wql_error": 2 * _clustered_error(sums["pinball"], sums["size"]),
            "msis": _mean(self.mean("winkler", horizon) / unit),
            "coverage_80": float(sums["inside_80"].sum() / total),
            "coverage_95": float(sums["inside_95"].sum() / total),
            "coverage_80_error": _clustered_error(sums["inside_80"], sums["count"]),
            "coverage_95_error": _clustered_error(sums["inside_95"], sums["count"]),
            "skill": reference.skill(mase, horizon),
            "mae": _mean(self.mean("absolute", horizon)),
            "rmse": float(np.sqrt(sums["squared"].sum() / total)),
            "bias": _mean(self.mean("bias", horizon)),
            "width_80": _mean(self.mean("width_80", horizon) / unit),
            "width_95": _mean(self.mean("width_95", horizon) / unit),
        }
        counts = {"n": int(total), "warming": self.warming, "not_finite": self.not_finite}
        return {name: _number(value) for name, value in measures.items()} | counts

    def by_step(self, reference: "Reference") -> list[dict[str, Any]]:
        """MASE, coverage and width of each horizon step."""
        count = np.maximum(self.sums["count"], 1)
        rows = []
        for step in range(count.shape[1]):
            column = {name: self.sums[name][:, step] / count[:, step] for name in SUMS}
            inside = {
                p: self.sums[f"inside_{p}"][:, step].sum() / max(1.0, self.sums["count"][:, step].sum())
                for p in (80, 95)
            }
            measures = {
                "mase": _mean(column["absolute"] / reference.unit),
                "mae": _mean(column["absolute"]),
                "coverage_80": float(inside[80]),
                "coverage_95": float(inside[95]),
                "width_80": _mean(column["width_80"] / reference.unit),
            }
            rows.append({"horizon_step": step + 1} | {name: _number(value) for name, value in measures.items()})
        return rows

    def by_series(
        self, ids: tuple[str, ...], reference: "Reference", horizon: int | None = None
    ) -> list[dict[str, Any]]:
        """MASE, sMAPE and coverage of each series over the first `horizon` steps, worst MASE first."""
        mase, smape = self.mean("absolute", horizon) / reference.unit, self.mean("smape", horizon)
        inside = {percent: self.mean(f"inside_{percent}", horizon) for percent in INTERVALS}
        order = np.argsort(-np.nan_to_num(mase, nan=-np.inf))
        return [
            {"unique_id": ids[i], "mase": _number(mase[i]), "smape": _number(smape[i])}
            | {f"coverage_{percent}": _number(value[i]) for percent, value in inside.items()}
            for i in order
        ]


@dataclass(frozen=True)
class Reference:
    """What errors are compared with: the MASE divisors `unit` (n,) from the training part, and the errors of Naive2 and
    of each series' rival at the same origins. `rivals` is the number of series by the name of their rival, the most
    frequent first."""

    unit: np.ndarray
    naive2: ErrorSums
    rival: ErrorSums
    rivals: Mapping[str, int] = field(default_factory=dict)

    def owa(self, smape: float, mase: float, horizon: int | None) -> float:
        """Overall weighted average, relative to Naive2."""
        other = _mean(self.naive2.mean("smape", horizon)), _mean(self.naive2.mean("absolute", horizon) / self.unit)
        return (smape / other[0] + mase / other[1]) / 2 if min(other) > 0 else float("nan")

    def skill(self, mase: float, horizon: int | None) -> float:
        """1 - MASE / MASE of the rivals."""
        other = _mean(self.rival.mean("absolute", horizon) / self.unit)
        return 1 - mase / other if other > 0 else float("nan")


def _pinball(miss: np.ndarray, level: float) -> np.ndarray:
    return np.maximum(level * miss, (level - 1) * miss)


def _clustered_error(part: np.ndarray, whole: np.ndarray) -> float:
    """Standard error of the ratio Σ part / Σ whole, (n, H) each. Errors of one series are correlated, so the series are
    the independent units (Cochran 1977, §11.8). NaN for fewer than two of them."""
    parts, wholes = part.sum(1), whole.sum(1)
    parts, wholes = parts[wholes > 0], wholes[wholes > 0]
    if len(wholes) < 2:
        return float("nan")
    departure = parts - wholes * parts.sum() / wholes.sum()
    return float(np.sqrt(len(wholes) / (len(wholes) - 1) * (departure**2).sum()) / wholes.sum())


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)


def seasonal_indices(x: np.ndarray, season: int) -> np.ndarray:
    """(m,) multiplicative indices of Naive2 by position modulo m; ones without a significant season.

    Classical decomposition of x (n,) by a centred moving average, after the competition's 90 % autocorrelation test.
    """
    n, flat = len(x), np.ones(season)
    if season == 1 or n < 3 * season or not is_seasonal(x, season) or (x <= 0).any():
        return flat
    weights = np.ones(season + 1) / season if season % 2 == 0 else np.ones(season) / season
    if season % 2 == 0:
        weights[[0, -1]] /= 2
    trend = np.convolve(x, weights, "valid")
    half = (n - len(trend)) // 2
    ratio = x[half : half + len(trend)] / trend
    position = (np.arange(len(ratio)) + half) % season
    indices = np.bincount(position, ratio, season) / np.bincount(position, minlength=season)
    return np.asarray(indices / indices.mean())


def is_seasonal(x: np.ndarray, season: int) -> bool:
    """Whether the autocorrelation at lag m is significant: |r_m| > 1.645 sqrt((1 + 2 Σ_(i<m) r_i²) / n)."""
    centred = x - x.mean()
    power = (centred**2).sum()
    if power == 0:
        return False
    r = np.array([(centred[lag:] * centred[:-lag]).sum() / power for lag in range(1, season + 1)])
    return bool(abs(r[-1]) > 1.645 * np.sqrt((1 + 2 * (r[:-1] ** 2).sum()) / len(x)))


def naive2_indices(panel: Panel, season: int) -> np.ndarray:
    """(n, m) Naive2's indices of each series of the training part, gaps filled with the value before."""
    return np.stack([seasonal_indices(fill(panel.series(i)[None])[0], season) for i in range(len(panel))])


def naive2(last: np.ndarray, stop: np.ndarray, indices: np.ndarray, horizon: int) -> np.ndarray:
    """(n, H) Naive2: the last value (n,) at position stop - 1, deseasonalised, repeated and seasonalised again."""
    season = indices.shape[1]
    rows = np.arange(len(last))[:, None]
    ahead = indices[rows, (np.asarray(stop)[:, None] + np.arange(horizon)) % season]
    now = indices[rows[:, 0], (np.asarray(stop) - 1) % season]
    return (last / now)[:, None] * ahead
