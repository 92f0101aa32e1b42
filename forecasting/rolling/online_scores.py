"""Scoring on arrival: each value settles the forecast that aimed at it, and what it settles is added up.

One vintage is open per series: all H steps that its model forecast at one origin. The values after that origin settle
it step by step, then the next vintage opens; so every value is scored once, every horizon step equally often, at the
cost of one target per value. A value that came late, or corrects another, settles nothing: its target was passed.

Of each settled target y, with median f and quantiles f_q, `SUMS` add up by horizon bucket:

    settled 1, absolute |y - f|, naive |y - s|, pinball Σ_q max(q (y - f_q), (q - 1)(y - f_q)) over q = 0.1 … 0.9,
    size |y|, inside_80 and inside_95: whether y lay in the interval

where s is the seasonal naive's forecast from the same origin (or the naive one's: see `rival_lag`). Halfway through a
vintage the model looks ahead once more, and for the targets that both forecasts aim at

    compared 1, moved |f' - f|

say how far the forecast of one target moved within half a horizon: its stability, filed under the older step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from forecasting.accuracy import INTERVALS, WQL_LEVELS
from forecasting.config import ModelConfig
from forecasting.kernel.compiled import compiled

SUMS = ("settled", "absolute", "naive", "pinball", "size", "inside_80", "inside_95", "compared", "moved")
TARGETS = SUMS.index("compared")  # sums of settled targets; those of comparisons follow
STILL = 1e-7  # of a series' size: what moves by less is at rest, and as float32 cannot be told from it
IN_UNITS = np.array([name in ("absolute", "naive", "pinball", "size", "moved") for name in SUMS])  # the others count


def rival_lag(config: ModelConfig) -> int:
    """The season where the window holds one, else 1: the lag that the naive rival repeats."""
    return config.season if config.season <= config.window else 1


def rival_name(config: ModelConfig) -> str:
    """What skill is measured against."""
    return "naive" if rival_lag(config) == 1 else "seasonal_naive"


def unit(ring: np.ndarray, lag: int) -> np.ndarray:
    """(n,) divisor of MASE from windows (n, W): mean |y_t - y_(t-lag)|; 0 where values do not move to speak of."""
    if lag >= ring.shape[1]:
        return np.zeros(len(ring))
    change = np.abs(ring[:, lag:] - ring[:, :-lag]).mean(1)
    return np.where(change > STILL * np.abs(ring).mean(1), change, 0.0)


class Positions(NamedTuple):
    """Which bucket each horizon step is in, and where among a model's levels the scored ones are."""

    bucket: np.ndarray  # (H,)
    wql: np.ndarray
    shares: np.ndarray  # the levels themselves
    median: int
    intervals: np.ndarray  # (2, 2): lower and upper level

    @classmethod
    def of(cls, config: ModelConfig) -> "Positions":
        at = config.levels.index
        intervals = np.array([(at(low), at(high)) for low, high in INTERVALS.values()])
        return cls(
            config.bucket_of_step(),
            np.array([at(q) for q in WQL_LEVELS]),
            np.array(WQL_LEVELS),
            config.median,
            intervals,
        )


positions = cache(Positions.of)


@dataclass(frozen=True)
class Ledger:
    """What a fold settles for N rows: sums (N, buckets, len(SUMS)) float64."""

    sums: np.ndarray
    at: Positions

    @classmethod
    def of(cls, config: ModelConfig, rows: int) -> "Ledger":
        """Nothing settled yet."""
        return cls(np.zeros((rows, config.buckets, len(SUMS))), positions(config))

    def settle(
        self, rows: np.ndarray, told: np.ndarray, vintage: np.ndarray, naive: np.ndarray, age: np.ndarray
    ) -> None:
        """Row rows[i] (distinct) learns the value told[i], NaN where there is none, of its open vintage's step age[i].

        vintage (k, L, H) and naive (k, …), a season of it, float32; age (k,) counts from 0 and is below it where no
        vintage is open. A forecast that is not finite was never given to anyone and is not scored.
        """
        score(self.sums, rows, told, vintage, naive, age, *self.at)

    def compare(self, rows: np.ndarray, older: np.ndarray, newer: np.ndarray) -> None:
        """Medians (k, T) float32 of two forecasts of the same T targets, the last T of the older one's horizon."""
        moved = np.abs(newer - older, dtype=np.float64)
        whole = np.isfinite(moved).all(1)
        bucket = self.at.bucket[-moved.shape[1] :]
        own, first, count = np.unique(bucket, return_index=True, return_counts=True)
        added = np.stack(np.broadcast_arrays(count, np.add.reduceat(moved[whole], first, axis=1)), -1)
        self.sums[rows[whole][:, None], own, TARGETS:] += added

    def take(self, rows: np.ndarray) -> "Ledger":
        """A ledger of some rows, to be put back with `put`."""
        return Ledger(self.sums[rows], self.at)

    def view(self, rows: slice) -> "Ledger":
        """The same rows, not a copy."""
        return Ledger(self.sums[rows], self.at)

    def put(self, rows: np.ndarray, part: "Ledger") -> None:
        self.sums[rows] = part.sums


@compiled
def score(
    sums: np.ndarray,
    rows: np.ndarray,
    told: np.ndarray,
    vintage: np.ndarray,
    naive: np.ndarray,
    age: np.ndarray,
    bucket: np.ndarray,
    wql: np.ndarray,
    shares: np.ndarray,
    median: int,
    intervals: np.ndarray,
) -> None:
    """The loop of `Ledger.settle`. Values are rounded as forecasts are, so that a perfect one has no error."""
    for i, row in enumerate(rows):
        step = age[i]
        if step < 0 or np.isnan(told[i]):
            continue
        quantiles, y, found = vintage[i, :, step], np.float32(told[i]), sums[row, bucket[step]]
        whole = True
        for k in range(len(quantiles)):
            whole &= np.isfinite(quantiles[k])
        if not whole:
            continue
        found[0] += 1
        found[1] += abs(y - quantiles[median])
        found[2] += abs(y - naive[i, step % naive.shape[1]])
        for k, level in enumerate(shares):
            miss = np.float64(y) - quantiles[wql[k]]
            found[3] += max(level * miss, (level - 1) * miss)
        found[4] += abs(y)
        for k in range(len(intervals)):
            found[5 + k] += quantiles[intervals[k, 0]] <= y and y <= quantiles[intervals[k, 1]]


@dataclass(frozen=True)
class Totals:
    """Sums over series, (buckets, len(SUMS)) each: raw in data units, scaled in those of each series' MASE divisor.

    Series without a divisor, whose values never moved, are in `raw` alone.
    """

    raw: np.ndarray
    scaled: np.ndarray

    @classmethod
    def of(cls, sums: np.ndarray, unit: np.ndarray) -> "Totals":
        """sums (n, buckets, len(SUMS)) of n series, unit (n,) their divisors, 0 where there is none."""
        has = unit > 0
        weight = np.where(IN_UNITS, 1 / np.where(has, unit, 1)[:, None], 1.0) * has[:, None]
        return cls(sums.sum(0), np.einsum("nbs,ns->bs", sums, weight))

    def plus(self, other: "Totals") -> "Totals":
        return Totals(self.raw + other.raw, self.scaled + other.scaled)

    def minus(self, earlier: "Totals") -> "Totals":
        """What was settled since then."""
        return Totals(self.raw - earlier.raw, self.scaled - earlier.scaled)

    def to_dict(self) -> dict[str, list[list[float]]]:
        return {"raw": self.raw.tolist(), "scaled": self.scaled.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, list[list[float]]]) -> "Totals":
        return cls(np.array(values["raw"]), np.array(values["scaled"]))


def bucket_steps(config: ModelConfig) -> list[tuple[int, int]]:
    """First and last horizon step, counted from 1, of each bucket."""
    steps = [np.flatnonzero(config.bucket_of_step() == bucket) + 1 for bucket in range(config.buckets)]
    return [(int(own[0]), int(own[-1])) for own in steps]


def report(totals: Totals, steps: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Every measure over all steps, and `by_horizon` for each bucket of `steps`; None where nothing is known.

    `mae` and `pinball` are in data units; `mase`, `skill` and `stability` are means over targets in MASE units, of the
    series that have them; `wql` is in shares of the values' own size.
    """
    lines = [
        {"first_step": first, "last_step": last, **measures(raw, scaled)}
        for (first, last), raw, scaled in zip(steps, totals.raw, totals.scaled, strict=True)
    ]
    return {**measures(totals.raw.sum(0), totals.scaled.sum(0)), "by_horizon": lines}


def measures(raw: np.ndarray, scaled: np.ndarray) -> dict[str, float | int | None]:
    """The measures of one line of sums (len(SUMS),), raw and scaled."""
    total, in_units = dict(zip(SUMS, raw.tolist(), strict=True)), dict(zip(SUMS, scaled.tolist(), strict=True))
    n, levels = total["settled"], len(WQL_LEVELS)
    relative = _share(in_units["absolute"], in_units["naive"])
    return {
        "n": int(n),
        "mae": _share(total["absolute"], n),
        "mase": _share(in_units["absolute"], in_units["settled"]),
        "pinball": _share(total["pinball"], levels * n),
        "wql": _share(2 * total["pinball"], levels * total["size"]),
        "coverage_80": _share(total["inside_80"], n),
        "coverage_95": _share(total["inside_95"], n),
        "skill": None if relative is None else 1 - relative,
        "stability": _share(in_units["moved"], in_units["compared"]),
    }


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
