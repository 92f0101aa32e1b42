"""Anchors: moments of the series of a panel, what a model reads of the engine's states there, and the values after.

A series is read once. At its anchors the state of the engine is copied, so that a model that is fitted sees the states
that it will have when it serves. Each state knows only the values before its anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from forecasting.kernel.threads import each
from forecasting.panel import Panel
from forecasting.universal.engine import Engine
from forecasting.universal.layout import LAST, SCALE

COLD = (1, 2, 3, 4, 6, 8, 12, 16)  # numbers of values of a series that has just begun
MOST_VALUES = 1_000_000  # that are read: of all series, or of as many of them, evenly spread
MOST_ANCHORS = 40_000
BLOCK = 512  # states that are held at once, of each thread

States = dict[str, np.ndarray]
Reader = Callable[[Engine, States], dict[str, np.ndarray]]  # rows of what is read, one for each state


@dataclass(frozen=True)
class Anchors:
    """One row for each anchor, ordered by series and time.

    features  what the reader gave; series (n,) row of the panel; stop (n,) steps before the anchor, all of them known
    seen, last, scale (n,)  values so far, the last one and the usual change; actual (n, K) float64 values at the leads
    """

    features: dict[str, np.ndarray]
    series: np.ndarray
    stop: np.ndarray
    seen: np.ndarray
    last: np.ndarray
    scale: np.ndarray
    actual: np.ndarray

    def __len__(self) -> int:
        return len(self.stop)

    def rows(self, chosen: np.ndarray) -> Anchors:
        """Some of them."""
        own = {name: value[chosen] for name, value in vars(self).items() if name != "features"}
        return Anchors({name: value[chosen] for name, value in self.features.items()}, **own)


def anchor_steps(
    lengths: np.ndarray, tail: np.ndarray, cycles: Sequence[int], most: int = MOST_ANCHORS
) -> list[np.ndarray]:
    """Of each series, after how many steps it has an anchor: the cold ones, the one where its last `tail` (n,) steps
    begin, and between and after them one every so many steps, about `most` of all series together.

    Their distance has no factor in common with a cycle, so that every phase is met. A step follows each anchor.
    """
    step = max(1, -(-int(lengths.sum()) // max(1, most)))
    while any(gcd(step, cycle) > 1 for cycle in cycles):
        step += 1
    cold = np.array(COLD)
    found = []
    for length, last in zip(lengths.tolist(), tail.tolist(), strict=True):
        wanted = [cold, np.arange(COLD[-1] + step, length - last, step), np.arange(length - last, length, step)]
        every = np.unique(np.concatenate(wanted))
        found.append(every[(every > 0) & (every < length)])
    return found


def gather_anchors(engine: Engine, panel: Panel, stops: Sequence[np.ndarray], read: Reader) -> Anchors:
    """The anchors of a panel after stops[i] steps of each series; those before its first value are left out."""
    rows = [row for row, own in enumerate(stops) if len(own)]
    found = each(lambda row: _of_series(engine, panel, row, stops[row], read), rows)
    parts = [part for own in found for part in own]
    names = [name for name in vars(parts[0]) if name != "features"]
    features = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
    return Anchors(features, **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _of_series(engine: Engine, panel: Panel, row: int, stops: np.ndarray, read: Reader) -> list[Anchors]:
    values = panel.series(row)
    return [
        part.rows(np.flatnonzero(part.seen > 0))
        for states, at in _states(engine, values, stops, int(panel.first[row]))
        for part in [_anchors(engine, states, values, at, row, read)]
    ]


def _states(engine: Engine, values: np.ndarray, stops: np.ndarray, first: int) -> Iterator[tuple[States, np.ndarray]]:
    """The states at the anchors of one series, some at a time."""
    before: States | int = first
    begin = 0
    for at in np.split(stops, range(BLOCK, len(stops), BLOCK)):
        states = engine.states_at(values[begin : at[-1]], at - begin, before)
        yield states, at
        before, begin = {name: array[-1:] for name, array in states.items()}, int(at[-1])


def _anchors(engine: Engine, states: States, values: np.ndarray, at: np.ndarray, row: int, read: Reader) -> Anchors:
    places = at[:, None] + engine.leads[:, 0] - 1
    actual = np.where(places < len(values), values[np.minimum(places, len(values) - 1)], np.nan)
    numbers = states["numbers"]
    return Anchors(
        read(engine, states),
        np.full(len(at), row),
        at,
        states["observed"],
        numbers[:, LAST],
        numbers[:, SCALE],
        actual,
    )


def read_mix(engine: Engine, states: States) -> dict[str, np.ndarray]:
    """What the mix is a function of: error (A, 2, K, experts + 1) float32 and count (A, K, experts + 1), the mix last;
    forecast (A, K, experts) float32, distances from the last value."""
    last = states["numbers"][:, LAST, None, None]
    forecast = (engine.expect(states) - last).astype(np.float32)
    return {"error": states["error"], "count": states["count"], "forecast": forecast}
