"""What is wrong with each series of a dataset, and how badly: the order in which an operator looks at them.

A series has the worst class that applies, and within its class a size:

    class          applies                                                        size
    silent         no value for longer than the window                            steps since its last value
    stale          its state could not follow the log                             1
    degraded       another model answers because the promoted one is damaged      1
    quarantined    its last values broke a rule                                   their number
    miscalibrated  |z| > 3.5 of its 80 % interval over 50 recent targets or more  |z|
    worse          recent skill below -0.1 over 50 recent targets or more         -skill
    warming        too few values for the model to answer                         1

Recent targets are those of `forecasting.rolling.recent_scores`. Two standard errors would flag five in a hundred sound
series; 3.5 flags one in two thousand.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from forecasting.rolling.recent_scores import RecentScores, recent_scores
from states.champion import Champion
from states.views.series_state import RowsNow

CLASSES = ("warming", "worse", "miscalibrated", "quarantined", "degraded", "stale", "silent")  # mildest first
SOUND = -1  # the class of a series without trouble
MIN_TARGETS = 50
MAX_Z = 3.5
MIN_SKILL = -0.1


class Troubles(NamedTuple):
    """The trouble of N series, in the order of the champion's rows."""

    series: np.ndarray  # (N,) int64
    kind: np.ndarray  # (N,) int8, index into `CLASSES`, or `SOUND`
    size: np.ndarray  # (N,) float64, 0 without trouble
    recent: RecentScores  # of N series


class Place(NamedTuple):
    """Where a series stands in the ranking; the fields are in the order of comparison."""

    kind: int  # index into `CLASSES`
    size: float
    dataset: int
    series: int


def words_of(kind: int, size: float) -> dict[str, Any] | None:
    """A trouble as answers show it; None where there is none."""
    return None if kind == SOUND else {"class": CLASSES[kind], "size": size}


def trouble(champion: Champion, held: Mapping[int, int]) -> Troubles:
    """The trouble of every series now. From any thread; a row in the middle of a step may be half old, half new.

    held: by series, the number of its last values in quarantine.
    """
    rows = champion.states.peek()
    found = trouble_of(champion, rows, np.arange(len(rows.series)), held)
    return Troubles(rows.series, *found, recent_scores(rows.recent))


def trouble_of(
    champion: Champion, rows: RowsNow, chosen: np.ndarray, held: Mapping[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """(k,) class and (k,) size of some of the rows."""
    scores = recent_scores(rows.recent[chosen])
    state, roller = rows.state, champion.roller
    begun = state.observed[chosen] > 0
    silence = champion.states.newest - state.origin[chosen] + roller.silence(state, chosen)
    judged = scores.n >= MIN_TARGETS
    sizes = {
        "warming": roller.warming(state, chosen).astype(float),
        "worse": np.where(judged & (scores.skill < MIN_SKILL), -scores.skill, 0),
        "miscalibrated": np.where(judged & (np.abs(scores.z) > MAX_Z), np.abs(scores.z), 0),
        "quarantined": _held(rows.series[chosen], held),
        "degraded": np.full(len(chosen), float(champion.replaces_damaged)),
        "stale": rows.stale[chosen].astype(float),
        "silent": np.where(silence > champion.config.window, silence, 0),
    }
    kind, size = np.full(len(chosen), SOUND, np.int8), np.zeros(len(chosen))
    for number, name in enumerate(CLASSES):
        own = np.flatnonzero(begun & (sizes[name] > 0))
        kind[own], size[own] = number, sizes[name][own]
    return kind, size


def _held(series: np.ndarray, held: Mapping[int, int]) -> np.ndarray:
    """(k,) values in quarantine of each of these series."""
    waiting = np.zeros(len(series))
    places = np.flatnonzero(np.isin(series, np.fromiter(held, np.int64, len(held)))) if held else ()
    for place in places:
        waiting[place] = held[int(series[place])]
    return waiting
