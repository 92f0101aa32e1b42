"""What goes on inside the model of one series: its gates over the last steps, what its forecast leans on, how long it
remembers, and one cell with its numbers."""

import math
from typing import Any

import numpy as np
from sqlalchemy import Engine

from data.grid.stamps import format_all
from forecasting.rolling.gate_trace import CellStep, GateTrace
from forecasting.symbol_config import is_symbols
from service.forecast import answers
from service.forecast.answers import Reading
from states.champion import Champion
from states.past.effective_memories import EffectiveMemories
from states.past.gate_history import SymbolHistory, gate_history, symbol_history
from states.views import symbol_forecasts

DIGITS = 6  # after the point of gates and weights
NO_LAYERS = "A model of the kind {kind} has no recurrent layers: no gates and no memory of its own, only the window."
NO_GATES = "A model of the kind {kind} has no gates: its hidden values are replaced at every step."
NO_STEPS = "No stored state is near enough to fold the last steps from; the next snapshot brings one."
NO_WINDOW = "A model of symbols reads no window: all that it knows of the past is in its hidden values."
NO_LEAN = "No value of the window moves the forecast."
TOO_LONG = "The recurrent layers remember for longer than is measured."


def network(engine: Engine, memories: EffectiveMemories, reading: Reading, steps: int) -> dict[str, Any]:
    """The body of the answer, over at most `steps` steps. Raises StoreUnavailable, DamagedArtifact."""
    target, champion, row = reading
    config, inspection, symbols = champion.config, champion.roller.inspection(), is_symbols(champion.config)
    history = symbol_history(engine, champion, target.series, row, steps) if symbols else None
    trace = (history and history.trace) if symbols else gate_history(engine, champion, target.series, row, steps)
    weights = inspection.leans_on(row.state) if inspection else None
    recurrent = inspection is not None and inspection.recurrent
    memory = memories.measure(champion)
    notes = [
        (NO_LAYERS, not recurrent),
        (NO_STEPS, recurrent and trace is None),
        (NO_GATES, trace is not None and not any(trace.layers)),
        (NO_LEAN, weights is None and not symbols),
        (NO_WINDOW, symbols),
        (TOO_LONG, memory == math.inf),
    ]
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        "model": champion.model,
        "origin": answers.summary_of(target, champion, row)["origin"],
        "sequence": row.sequence,
        "asked": steps,
        **_over_time(reading, trace),
        "expected": _expected(champion, history),
        "leans_on": None if weights is None else {"weights": weights.round(DIGITS), "averaged_over": config.horizon},
        "effective_memory": memory if memory is not None and math.isfinite(memory) else None,
        "cell": None if trace is None else _cell(trace.cell),
        "notes": [text.format(kind=config.kind) for text, holds in notes if holds],
    }


def _over_time(reading: Reading, trace: GateTrace | None) -> dict[str, Any]:
    """The steps, their values, and the gates of each layer."""
    if trace is None:
        return {"steps": 0, "ds": [], "y": [], "layers": []}
    grid = reading.champion.grid
    layers = [
        {"layer": number, "units": trace.units, "gates": {name: _range(values) for name, values in layer.items()}}
        for number, layer in enumerate(trace.layers, 1)
        if layer
    ]
    return {
        "steps": len(trace.steps),
        "ds": format_all(grid.label_stamps(trace.steps, reading.target.label), grid.kind),
        "y": [reading.target.served.dataset.shown(value) for value in trace.values.tolist()],
        "layers": layers,
    }


def _expected(champion: Champion, history: SymbolHistory | None) -> list[dict[str, Any] | None] | None:
    """The likeliest symbols of each step before its symbol came; None where values are numbers."""
    if history is None:
        return None
    known = ~np.isnan(history.expected[:, 0])
    return [likeliest(champion, p) if own else None for p, own in zip(history.expected, known, strict=True)]


def likeliest(champion: Champion, p: np.ndarray) -> dict[str, Any]:
    """The likeliest symbols of p (V,), and what is left for all others."""
    config = symbol_forecasts.symbol_model(champion.roller).config
    vocabulary, codes = config.vocabulary, symbol_forecasts.likeliest(p, config.top)
    shown: list[dict[str, Any]] = [{"symbol": vocabulary[code], "p": float(p[code])} for code in codes]
    rest = max(0.0, 1.0 - sum(one["p"] for one in shown)) if len(codes) < len(vocabulary) else 0.0
    return {"probabilities": shown, "rest": rest}


def _range(values: np.ndarray) -> dict[str, Any]:
    return dict(zip(("mean", "low", "high"), values.round(DIGITS), strict=True))


def _cell(cell: CellStep) -> dict[str, Any]:
    before, after = cell.hidden
    kept = {"carry_before": cell.carry[0], "carry_after": cell.carry[1]} if cell.carry else {}
    return {
        "member": cell.member + 1,
        "unit": cell.unit + 1,
        **dict.fromkeys(("input", "forget", "output", "reset", "update", "new", "carry_before", "carry_after")),
        **cell.gates,
        **kept,
        "hidden_before": before,
        "hidden_after": after,
    }
