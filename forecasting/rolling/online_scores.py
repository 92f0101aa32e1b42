"""Online scores: each arriving value settles its target in the open vintage, and the errors are added up.

One vintage is open per series: the H steps that its model forecast at one origin. The values after that origin settle
it step by step, then the next vintage opens. So every value is scored once and every horizon step equally often, at the
cost of one target per value. A late value or a correction settles nothing: its target was passed already.

For each settled target y, with median f and quantiles f_q, `SUMS` are added up by horizon bucket:

    settled 1, absolute |y - f|, naive |y - s|, pinball Σ_q max(q (y - f_q), (q - 1)(y - f_q)) over q = 0.1 … 0.9,
    size |y|, inside_80 and inside_95: whether y lay in the interval

where s is the forecast of the series' rival from the same origin, see `forecasting.rivals`. Halfway through a vintage
the model forecasts again. For the targets of both forecasts

    compared 1, moved |f' - f|

are added to the bucket of the older forecast: how far the forecast of one target moved within half a horizon, which is
its stability.

Beside them stand recent sums of each series, over all horizon steps, in which every settled target makes the earlier
ones weigh less: see `forecasting.rolling.recent_scores`.

A fold over many steps closes vintages that nobody has read from the state: the ledger takes each of them down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from forecasting.accuracy import INTERVALS, WQL_LEVELS
from forecasting.config import ModelConfig
from forecasting.kernel.compiled import compiled
from forecasting.rolling.recent_scores import DECAY, RECENT
from forecasting.rolling.vintages import Vintages

SUMS = ("settled", "absolute", "naive", "pinball", "size", "inside_80", "inside_95", "compared", "moved")
COMPARISONS = SUMS.index("compared")  # index of the first sum of comparisons, after those of settled targets
AT_REST = 1e-7  # of a series' size: smaller changes count as none, because float32 cannot represent them
IN_UNITS = np.array(
    [name in ("absolute", "naive", "pinball", "size", "moved") for name in SUMS]
)  # the others are counts


def unit(ring: np.ndarray, lag: int) -> np.ndarray:
    """(n,) divisor of MASE from windows (n, W): mean |y_t - y_(t-lag)|; 0 where it is negligible."""
    if lag >= ring.shape[1]:
        return np.zeros(len(ring))
    change = np.abs(ring[:, lag:] - ring[:, :-lag]).mean(1)
    return np.where(change > AT_REST * np.abs(ring).mean(1), change, 0.0)


class Positions(NamedTuple):
    """The bucket of each horizon step, and the indices of the scored levels among a model's levels."""

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
    """The sums that a fold adds up for N rows: (N, buckets, len(SUMS)) float64, and `recent` (N, len(RECENT)).

    closed: the vintages that were open before the fold or opened in it, and are open no more; of a row oldest first.
    """

    sums: np.ndarray
    recent: np.ndarray
    at: Positions
    closed: list[Vintages] = field(default_factory=list)

    @classmethod
    def of(cls, config: ModelConfig, rows: int) -> "Ledger":
        """A ledger of zeros."""
        sums, recent = np.zeros((rows, config.buckets, len(SUMS))), np.zeros((rows, len(RECENT)))
        return cls(sums, recent, positions(config))

    def settle(
        self,
        rows: np.ndarray,
        values: np.ndarray,
        vintage: np.ndarray,
        naive: np.ndarray,
        rival: np.ndarray,
        age: np.ndarray,
    ) -> None:
        """Scores values[i], NaN where there is none, against step age[i] of the open vintage of row rows[i] (distinct).

        vintage (k, L, H) and naive (k, M), float32; rival (k,) lags; age (k,) counts from 0 and is negative where no
        vintage is open.
        A forecast that is not finite was never answered and is not scored.
        """
        score(self.sums, self.recent, DECAY, rows, values, vintage, naive, rival, age, *self.at)

    def compare(self, rows: np.ndarray, older: np.ndarray, newer: np.ndarray) -> None:
        """Adds the distance of two forecasts' medians (k, T) float32 of the same T targets, the last T of the older
        horizon."""
        moved = np.abs(newer - older, dtype=np.float64)
        whole = np.isfinite(moved).all(1)
        bucket = self.at.bucket[-moved.shape[1] :]
        own, first, count = np.unique(bucket, return_index=True, return_counts=True)
        added = np.stack(np.broadcast_arrays(count, np.add.reduceat(moved[whole], first, axis=1)), -1)
        self.sums[rows[whole][:, None], own, COMPARISONS:] += added

    def take(self, rows: np.ndarray) -> "Ledger":
        """A copy of some rows without the closed vintages, to be written back with `put`."""
        return Ledger(self.sums[rows], self.recent[rows], self.at)

    def view(self, rows: slice) -> "Ledger":
        """The same sums, not a copy, without the closed vintages."""
        return Ledger(self.sums[rows], self.recent[rows], self.at)

    def put(self, rows: np.ndarray, part: "Ledger") -> None:
        self.sums[rows], self.recent[rows] = part.sums, part.recent


@compiled
def score(
    sums: np.ndarray,
    recent: np.ndarray,
    decay: float,
    rows: np.ndarray,
    values: np.ndarray,
    vintage: np.ndarray,
    naive: np.ndarray,
    rival: np.ndarray,
    age: np.ndarray,
    bucket: np.ndarray,
    wql: np.ndarray,
    shares: np.ndarray,
    median: int,
    intervals: np.ndarray,
) -> None:
    """The loop of `Ledger.settle`. Values are rounded to float32 as forecasts are, so that a perfect one has no
    error."""
    for i, row in enumerate(rows):
        step = age[i]
        if step < 0 or np.isnan(values[i]):
            continue
        quantiles, y, found = vintage[i, :, step], np.float32(values[i]), sums[row, bucket[step]]
        whole = True
        for k in range(len(quantiles)):
            whole &= np.isfinite(quantiles[k])
        if not whole:
            continue
        found[0] += 1
        error, rivals_error = abs(y - quantiles[median]), abs(y - naive[i, step % rival[i]])
        found[1] += error
        found[2] += rivals_error
        for k, level in enumerate(shares):
            miss = np.float64(y) - quantiles[wql[k]]
            found[3] += max(level * miss, (level - 1) * miss)
        found[4] += abs(y)
        for k in range(len(intervals)):
            found[5 + k] += quantiles[intervals[k, 0]] <= y and y <= quantiles[intervals[k, 1]]
        inside = quantiles[intervals[0, 0]] <= y and y <= quantiles[intervals[0, 1]]
        late = recent[row]
        late[0] = decay * late[0] + 1
        late[1] = decay * decay * late[1] + 1
        late[2] = decay * late[2] + inside
        late[3] = decay * late[3] + error
        late[4] = decay * late[4] + rivals_error


@dataclass(frozen=True)
class Totals:
    """Sums over series, (buckets, len(SUMS)) each: raw in data units, scaled in those of each series' MASE divisor.

    Series without a divisor, whose values never changed, are only in `raw`.
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
        """The sums since `earlier`."""
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


def summarize(totals: Totals, steps: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Every measure over all steps, and `by_horizon` for each bucket of `steps`; None where undefined.

    `mae` and `pinball` are in data units; `mase`, `skill` and `stability` are means over targets in MASE units, of the
    series that have them; `wql` is relative to the size of the values.
    """
    lines = [
        {"first_step": first, "last_step": last, **measures(raw, scaled)}
        for (first, last), raw, scaled in zip(steps, totals.raw, totals.scaled, strict=True)
    ]
    return {**measures(totals.raw.sum(0), totals.scaled.sum(0)), "by_horizon": lines}


def measures(raw: np.ndarray, scaled: np.ndarray) -> dict[str, float | int | None]:
    """The measures from one row of sums (len(SUMS),), raw and scaled."""
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
