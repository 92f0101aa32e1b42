"""What a candidate did on its validation tail, kept in its manifest: the gate compares nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.errors import Conflict
from forecasting.accuracy import Scores
from forecasting.evaluation.backtest import Origins, evaluate, reference
from forecasting.evaluation.long_roll import LongRoll
from forecasting.evaluation.validation import MANY, Validation, tail_origins, witnesses
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.history.history import History, select
from pipelines.models import promotion_gate
from pipelines.models.promotion_gate import Contender, Role


@dataclass(frozen=True)
class Evidence:
    """Scores and paired errors by model kind, and all that is needed to meet the very same origins again.

    series, first, last, tail  by series: surrogate id, grid steps of the first and last value known, steps of the tail
    """

    series: list[int]
    first: list[int]
    last: list[int]
    tail: list[int]
    horizon: int
    origins: int
    scores: dict[str, dict[str, Any]]
    errors: dict[str, list[float]]  # by kind; unit i is the same series, or the same run of origins, for all
    long_roll: LongRoll | None = None  # of the model itself; None from before there was such a check

    def to_manifest(self) -> dict[str, Any]:
        """As the model's manifest keeps it."""
        return {"evidence": {**asdict(self), "long_roll": self.long_roll.to_dict() if self.long_roll else None}}

    @classmethod
    def of(cls, bundle: Bundle) -> Evidence:
        """What was gathered when a model was trained. Raises Conflict for one that came with none."""
        if "evidence" not in bundle.manifest:
            raise Conflict("this version was registered without a validation, so the gate cannot judge it; train again")
        words = dict(bundle.manifest["evidence"])
        rolled = words.pop("long_roll", None)
        return cls(**words, long_roll=LongRoll.from_dict(rolled) if rolled else None)

    def contender(self, kind: str, version: int | None, role: Role = "") -> Contender:
        """A model that was measured when the evidence was gathered."""
        errors = [np.nan if error is None else error for error in self.errors[kind]]
        return Contender(kind, version, np.array(errors), self.scores[kind], role)

    def same_origins(self, other: Evidence) -> bool:
        """Were both gathered at the very same origins?"""
        words = ("series", "first", "last", "tail", "horizon")
        return all(getattr(self, word) == getattr(other, word) for word in words)


def gather_evidence(
    history: History, panel: Panel, tail: np.ndarray, validation: Validation, long_roll: LongRoll
) -> Evidence:
    """Evidence from the scores of a validation and of a long roll."""
    horizon = history.dataset.horizon
    block = overlapping_origins(validation.origins, horizon)
    return Evidence(
        series=history.series.tolist(),
        first=panel.first.tolist(),
        last=panel.last.tolist(),
        tail=tail.tolist(),
        horizon=horizon,
        origins=len(validation.origins),
        scores=validation.summary(),
        errors={kind: unit_errors(scores, validation, block) for kind, scores in validation.scores.items()},
        long_roll=long_roll,
    )


def unit_errors(scores: Scores, validation: Validation, block: int) -> list[float]:
    """Scaled errors in units that two models share: one for each of many series, or one for each run of origins.

    Few series often move together, and forecasts that overlap err together: neither would count as many witnesses.
    """
    unit = validation.reference.unit
    if not np.isfinite(unit).any():  # each repeats its season exactly: no MASE, and yet some forecasts are better
        unit = np.ones_like(unit)
    scaled = np.stack(scores.by_origin) / unit  # (origins, series)
    known = np.isfinite(scaled)
    axis = 0 if scaled.shape[1] >= MANY else 1
    means = np.where(known, scaled, 0.0).sum(axis)[known.any(axis)] / known.sum(axis)[known.any(axis)]
    units = means if axis == 0 else promotion_gate.block_means(means, block)
    return [float("nan")] * max(1, len(units)) if scores.not_finite else units.tolist()


def overlapping_origins(origins: Origins, horizon: int) -> int:
    """Successive origins whose forecasts overlap."""
    spacing = float(np.median(origins.stops[:, -1] - origins.stops[:, 0])) / max(1, len(origins) - 1)
    return int(np.ceil(horizon / spacing)) if spacing > 0 else 1


def measure_contender(history: History, evidence: Evidence, bundle: Bundle, version: int, role: Role = "") -> Contender:
    """Another model at the very same origins.

    Raises Conflict when the history before them is no longer what it was.
    """
    panel, tail = witnesses(validated_panel(history, evidence), np.array(evidence.tail))
    origins = tail_origins(panel, tail, evidence.horizon)
    divisors = reference(panel, origins, history.dataset.season, evidence.horizon)
    scores = evaluate(bundle, panel, origins)
    validation = Validation(origins, divisors, {bundle.config.kind: scores})
    paired = unit_errors(scores, validation, overlapping_origins(origins, evidence.horizon))
    return Contender(bundle.config.kind, version, np.array(paired), scores.summary(divisors), role)


def validated_panel(history: History, evidence: Evidence) -> Panel:
    """The panel that the evidence was gathered on: series and steps known then, with today's corrections."""
    rows = np.searchsorted(history.series, evidence.series)
    rows = np.minimum(rows, len(history.series) - 1)
    same = (history.series[rows] == evidence.series).all() and (history.panel.first[rows] == evidence.first).all()
    if not same:
        raise Conflict("rows were added before the candidate's first ones, so nothing compares with it; train again")
    chosen = select(history.panel, rows) if len(rows) < len(history.panel) else history.panel
    return chosen.head(np.array(evidence.last) - np.array(evidence.first) + 1)
