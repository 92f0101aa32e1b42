"""The rival of a series: the one of naive and seasonal naive that forecasts its training part best.

Skill is measured against it. Candidates are naive, which repeats the last value, and seasonal naive at the stated
season and at the longer cycle that `cycles.longer_cycle` finds. A rival is named by its lag, 1 for naive. It is chosen
on the training part alone and kept in the manifest of the model, which no hash covers. A series born later has the
rival that most series have.

A state can repeat only what its window holds, so the rivals of a model are chosen among the lags within its window;
backtests and the promotion gate read the whole past and choose among all lags.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.baselines import lag_name
from forecasting.config import ModelConfig
from forecasting.cycles import longer_cycle
from forecasting.panel import Panel

TARGETS = 20_000_000  # targets of all series together that a choice reads, if every series has a few origins
FEWEST_ORIGINS, MOST_ORIGINS = 8, 200  # of one series


@dataclass(frozen=True)
class Rivals:
    """The lag that each series' rival repeats: `usual`, unless `other` names another one for its unique_id."""

    usual: int
    other: Mapping[str, int]

    @classmethod
    def choose(cls, panel: Panel, config: ModelConfig, longest: int | None = None) -> "Rivals":
        """The rivals of a model that was fitted to this panel, among the lags up to `longest`, by default its window:
        the number of last values that a state holds."""
        every = candidates(panel, config.season, config.horizon)
        lags = choose_lags(panel, config.horizon, [lag for lag in every if lag <= (longest or config.window)])
        usual = most_common(lags)
        apart = np.flatnonzero(lags != usual).tolist()
        return cls(usual, {panel.ids[i]: int(lags[i]) for i in apart})

    @classmethod
    def of(cls, manifest: Mapping[str, Any], config: ModelConfig) -> "Rivals":
        """The rivals in a manifest. One without any, of an earlier version, has the season if the window holds it, else
        naive, for every series. Lags that the window does not hold are left out: no hash covers a manifest."""
        kept = manifest.get("rivals") or {"usual": config.unit_lag, "other": {}}
        usual = kept["usual"] if kept["usual"] in range(1, config.window + 1) else config.unit_lag
        return cls(usual, {name: lag for name, lag in kept["other"].items() if lag in range(1, config.window + 1)})

    def to_manifest(self) -> dict[str, Any]:
        """The entry `rivals` of a manifest."""
        return {"rivals": {"usual": self.usual, "other": dict(self.other)}}

    @property
    def longest(self) -> int:
        """The longest lag that any series repeats."""
        return max([self.usual, *self.other.values()])

    def lags(self, ids: Iterable[str]) -> np.ndarray:
        """(n,) int32 lag of each of these series."""
        return np.array([self.other.get(name, self.usual) for name in ids], np.int32)


def candidates(panel: Panel, season: int, horizon: int) -> tuple[int, ...]:
    """Lags that a rival may repeat, ascending: 1, the season, and the longer cycle if the panel has one."""
    return tuple(sorted({1, season, longer_cycle(panel, season, horizon) or 1}))


def counts(lags: np.ndarray, season: int) -> dict[str, int]:
    """Number of series by the name of their rival, the most frequent first."""
    found, often = np.unique(lags, return_counts=True)
    order = np.argsort(-often, kind="stable")
    return {lag_name(int(found[i]), season): int(often[i]) for i in order}


def most_common(lags: np.ndarray) -> int:
    """The lag that most series have, the shortest of equally frequent ones; 1 without series."""
    found, often = np.unique(lags, return_counts=True)
    return int(found[np.argmax(often)]) if len(found) else 1


def choose_lags(panel: Panel, horizon: int, lags: Sequence[int]) -> np.ndarray:
    """(n,) int32: for each series the one of `lags`, ascending, whose repetition has the lowest mean error.

    Errors are those of all steps of the horizon, at origins evenly spread over the series, the same for every lag. A
    lag is open to series of at least two rounds of it. Where all lags do equally well, or no value can be compared, the
    series has the lag that most others have.
    """
    count = int(np.clip(TARGETS // max(1, len(panel) * horizon), FEWEST_ORIGINS, MOST_ORIGINS))
    every = np.array(lags, np.int64)
    errors = np.concatenate([np.empty((0, len(every))), *(_errors(b, horizon, every, count) for b in panel.blocks())])
    chosen = every[np.argmin(errors, axis=1)]
    decided = errors.min(axis=1) < errors.max(axis=1)
    return np.where(decided, chosen, most_common(chosen[decided])).astype(np.int32)


def _errors(panel: Panel, horizon: int, lags: np.ndarray, count: int) -> np.ndarray:
    """(n, lags) mean |error| of each lag's repetition, at `count` origins of each series; infinite where the series is
    too short for the lag."""
    held, lengths = _held(panel), panel.lengths
    open_to = (lengths[:, None] >= 2 * lags) | (lags == 1)
    first = np.where(open_to, lags, 1).max(axis=1)
    last = np.maximum(first, lengths - horizon)
    stops = first[:, None] + np.rint((last - first)[:, None] * np.linspace(0, 1, count)).astype(np.int64)
    total, known = np.zeros(open_to.shape), np.zeros(open_to.shape)
    for stop in stops.T:
        targets = panel.window(stop + horizon, horizon)
        for k, lag in enumerate(lags.tolist()):
            error = np.abs(targets - _repetition(held, stop, lag, horizon))
            total[:, k] += np.nansum(error, axis=1)
            known[:, k] += (~np.isnan(error)).sum(axis=1)
    return np.where(open_to & (known > 0), total / np.maximum(known, 1), np.inf)


def _repetition(held: Panel, stop: np.ndarray, lag: int, horizon: int) -> np.ndarray:
    """(n, H) the last `lag` values before each stop, repeated over the horizon."""
    width = min(lag, horizon)
    return held.window(stop - lag + width, width)[:, np.arange(horizon) % lag]


def _held(panel: Panel) -> Panel:
    """The panel with each gap filled by the value before it."""
    position = np.arange(len(panel.values))
    last = np.maximum.accumulate(np.where(np.isnan(panel.values), -1, position)) if len(position) else position
    begin = np.repeat(panel.offsets[:-1], panel.lengths)
    return Panel(panel.ids, np.where(last >= begin, panel.values[last], np.nan), panel.offsets, panel.first)
