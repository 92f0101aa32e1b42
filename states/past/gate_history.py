"""The gates of a series over its last steps: the steps are folded once more, from a checkpoint or from the anchor.

The live state does not change, and the thread that writes states is not asked.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Engine

from data.store import observation_log
from forecasting.rolling.gate_trace import GateTrace
from states import folding
from states.champion import Champion
from states.checkpoints import StoredStart
from states.folding import REPLAY, Begun
from states.views.series_state import SeriesState


def gate_history(engine: Engine, champion: Champion, series: int, row: SeriesState, steps: int) -> GateTrace | None:
    """What the recurrent layers did in up to `steps` steps that led to the state `row` of a series.

    There are fewer where neither a checkpoint nor the context of the series reaches so far back, or where more than
    `REPLAY` rows of the log would have to be folded. None for a model without recurrent layers, and where no state is
    near enough to be folded from.

    Raises:
        DamagedArtifact: the log begins after the contexts, or a context is of another model.
        StoreUnavailable: the live store does not answer.
    """
    recording = _recorded(engine, champion, series, row, steps)
    return None if recording is None else recording.trace()


class SymbolHistory(NamedTuple):
    """What a network of symbols did in T steps.

    trace     the gates
    expected  (T, V) the probabilities of each step before its symbol was read; NaN where they were not taken down
    """

    trace: GateTrace
    expected: np.ndarray


def symbol_history(
    engine: Engine, champion: Champion, series: int, row: SeriesState, steps: int
) -> SymbolHistory | None:
    """The same of a series of symbols, with what was expected at each step. None and raises as `gate_history`."""
    recording = _recorded(engine, champion, series, row, steps)
    trace = None if recording is None else recording.trace()
    if recording is None or trace is None:
        return None
    after = recording.probabilities()
    missing = np.full((1, after.shape[1]), np.nan)
    before = np.concatenate([missing, after[:-1]])
    return SymbolHistory(trace, before[len(before) - len(trace.steps) :])


def _recorded(engine: Engine, champion: Champion, series: int, row: SeriesState, steps: int) -> Any:
    """The recording of a fold of up to `steps` steps; None where there is none."""
    inspection = champion.roller.inspection()
    recording = inspection.record(steps) if inspection else None
    if recording is None:
        return None
    recorded = replace(champion, roller=recording.roller, upto=row.sequence)
    begun = _begin(engine, recorded, series, int(row.state.origin[0]) - steps)
    if begun is None:
        return None
    folding.replay(engine, recorded, begun)
    return recording


def _begin(engine: Engine, champion: Champion, series: int, wanted: int) -> Begun | None:
    """Where to fold from: the newest checkpoint up to step `wanted`, else the anchor; where too many rows came after
    these, the oldest checkpoint after which they are few enough."""
    only = np.array([series])
    for start in _tried(engine, champion, series, wanted):
        state = start.state if start else champion.roller.empty(1)
        begun = folding.begun_from(champion, only, state, np.array([start is not None]))
        sizes = observation_log.tail_sizes(engine, champion.dataset_id, begun.after, REPLAY + 1)
        if sizes[0] <= REPLAY:
            return begun
    return None


def _tried(engine: Engine, champion: Champion, series: int, wanted: int) -> Iterator[StoredStart | None]:
    """Valid starts in the order in which they are tried; None is the anchor."""
    checkpoints = champion.checkpoints

    def valid(newest_first: bool) -> Iterator[StoredStart]:
        found = checkpoints.starts(engine, series, newest_first)
        return (each for each in found if checkpoints.out_of_order.holds(series, each.seq, each.origin))

    yield next((start for start in valid(newest_first=True) if start.origin <= wanted), None)
    yield from valid(newest_first=False)
