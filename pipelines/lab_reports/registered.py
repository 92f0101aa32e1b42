"""Finds a registered recurrent model and follows it along one series of its dataset."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.errors import InvalidInput
from data.grid.stamps import format_all
from data.store import promotions, registry
from forecasting.config import CELL_ARRAYS
from forecasting.kinds import model_of
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.gate_trace import GateTrace
from pipelines.history.history import History, read_history
from pipelines.models import model_store
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Followed:
    """What the gates of a version did along the last steps of a series; `times` are its stamps."""

    name: str
    series: str
    version: int
    bundle: Bundle
    trace: GateTrace
    times: list[str]
    memory: float | None  # effective memory in steps; infinite where it is too long to measure


def follow(workspace: Workspace, name: str, series: str | None, version: int | None, steps: int) -> Followed:
    """The gates of a version, by default of the champion or else of the newest recurrent one, along a series, by
    default the first.

    Raises NotFound, Conflict, and InvalidInput for a series or a model that has no gates.
    """
    history = read_history(workspace, name)
    number = version if version is not None else usual_version(workspace, history)
    bundle = model_store.load(workspace, history.dataset, model_store.find(workspace, history.dataset, number).version)
    if bundle.config.kind not in CELL_ARRAYS:
        raise InvalidInput(f"version {number} of {name!r} is a {bundle.config.kind}, which has no gates; train an lstm")
    row = _row(history, series)
    return _followed(history, bundle, number, row, steps)


def usual_version(workspace: Workspace, history: History) -> int:
    """The champion where it has gates, else the newest version that has. Raises InvalidInput."""
    models = {row.version: row.kind for row in registry.models(workspace.engine, history.dataset.id)}
    served = promotions.served(workspace.engine, history.dataset.id)
    if served is not None and models.get(served.version) in CELL_ARRAYS:
        return served.version
    recurrent = [number for number, kind in models.items() if kind in CELL_ARRAYS]
    if not recurrent:
        name = history.dataset.name
        raise InvalidInput(f"no version of {name!r} has recurrent layers; run `rollcast train {name}` first")
    return max(recurrent)


def _row(history: History, series: str | None) -> int:
    ids = history.panel.ids
    if series is None:
        return 0
    if series not in ids:
        shown = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        raise InvalidInput(f"there is no series {series!r} in {history.dataset.name!r}, which has {shown}")
    return ids.index(series)


def _followed(history: History, bundle: Bundle, version: int, row: int, steps: int) -> Followed:
    panel, config = history.panel.select(np.array([row])), bundle.config
    roller = model_of(bundle)
    recording = roller.inspection().record(steps)
    stop = max(1, int(panel.lengths[0]) - steps)
    context = panel.window(np.array([stop]), config.context)
    state = recording.roller.start(context, panel.first + stop - 1)
    for step in range(stop, int(panel.lengths[0])):
        recording.roller.fold(state, np.arange(1), panel.first + step, panel.series(0)[step : step + 1])
    trace = recording.trace()
    if trace is None:
        raise InvalidInput(f"the series {panel.ids[0]!r} has no value that the model could read; choose another")
    end = panel.lengths[:1]
    memory = roller.inspection().effective_memory(panel.window(end, config.context), panel.first + end - 1)
    stamps = history.dataset.grid.label_stamps(trace.steps, history.labels[row])
    times = [str(time) for time in format_all(stamps, history.dataset.grid.kind)]
    return Followed(history.dataset.name, panel.ids[0], version, bundle, trace, times, memory)
