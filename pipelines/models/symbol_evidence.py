"""Scores of a candidate of symbols on its validation tail, for the promotion gate: the error is the log loss."""

from __future__ import annotations

import numpy as np

from data.store.catalogue import Dataset
from forecasting.evaluation.long_roll import LongRoll
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.symbols.symbol_evaluation import SymbolScores, score_tail, scored_series
from pipelines.history.cells import Windows, read_values
from pipelines.history.history import History
from pipelines.history.moment import newest_moment
from pipelines.models.evidence import Evidence, validated_series
from pipelines.models.promotion_gate import Contender, Role
from pipelines.workspace import Workspace

CARRIED = LongRoll(note="the state is carried over the whole tail that symbols are scored on")


def gather_symbol_evidence(
    history: History, panel: Panel, tail: np.ndarray, scores: dict[str, SymbolScores]
) -> Evidence:
    """Evidence from the scores of several models, by name, on the last `tail` (n,) steps of each series."""
    return Evidence(
        series=history.series.tolist(),
        first=panel.first.tolist(),
        last=panel.last.tolist(),
        tail=tail.tolist(),
        horizon=history.dataset.horizon,
        origins=int(np.max([np.isfinite(found.given).sum() for found in scores.values()])),
        scores={name: found.summary() for name, found in scores.items()},
        errors={name: found.units() for name, found in scores.items()},
        long_roll=CARRIED,
        begin=(panel.first - history.skipped).tolist() if history.skipped.any() else None,
        most=len(scored_series(panel, tail)),
    )


def measure_symbol_contender(
    workspace: Workspace, dataset: Dataset, evidence: Evidence, bundle: Bundle, version: int, role: Role
) -> Contender:
    """Errors and scores of another model on the same symbols, with the corrections made since.

    Raises Conflict when rows were added before the first ones that the candidate was validated on.
    """
    moment = newest_moment(workspace, dataset)
    ends, tail = validated_series(workspace, dataset, moment, evidence)
    stops = ends.lengths - np.minimum(tail, ends.lengths)
    windows = Windows.of(ends, ends.first + stops - bundle.config.context)
    cells = read_values(workspace, dataset, windows, moment)
    panel = Panel(ends.unique_ids, cells.values, windows.offsets, windows.start)
    found = score_tail(bundle, panel, tail)
    return Contender(bundle.config.kind, version, np.array(found.units()), found.summary(), role)
