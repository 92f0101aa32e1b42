"""Scores and errors of a candidate on its validation tail, kept in its manifest for the promotion gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.errors import Conflict
from forecasting.accuracy import ErrorSums
from forecasting.baselines import name_of
from forecasting.evaluation.backtest import Origins, evaluate, reference
from forecasting.evaluation.long_roll import LongRoll
from forecasting.evaluation.validation import MANY_SERIES, Validation, sample_series, tail_origins
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.history.history import History
from pipelines.models import promotion_gate
from pipelines.models.promotion_gate import Contender, Role


@dataclass(frozen=True)
class Evidence:
    """Scores and paired errors by the model's name, and what is needed to score another model at the same origins.

    series, first, last, tail  by series: integer id, grid steps of the first and last value known, steps of the tail
    horizon, origins           steps of each forecast; number of origins
    scores, errors             by name: measures of accuracy; mean scaled errors, one for each unit
    long_roll                  of the model itself; None for models registered before there was that check
    """

    series: list[int]
    first: list[int]
    last: list[int]
    tail: list[int]
    horizon: int
    origins: int
    scores: dict[str, dict[str, Any]]
    errors: dict[str, list[float]]  # unit i is the same series, or the same run of origins, for every kind
    long_roll: LongRoll | None = None

    def to_manifest(self) -> dict[str, Any]:
        """The entry `evidence` of the model's manifest."""
        return {"evidence": {**asdict(self), "long_roll": self.long_roll.to_dict() if self.long_roll else None}}

    @classmethod
    def from_bundle(cls, bundle: Bundle) -> Evidence:
        """The evidence in a model's manifest. Raises Conflict where it has none."""
        if "evidence" not in bundle.manifest:
            raise Conflict(
                "this version was registered without a validation, so the promotion gate has nothing to compare; "
                "train again"
            )
        fields = dict(bundle.manifest["evidence"])
        long_roll = fields.pop("long_roll", None)
        return cls(**fields, long_roll=LongRoll.from_dict(long_roll) if long_roll else None)

    def contender(self, name: str, version: int | None, role: Role = "") -> Contender:
        """The errors and scores of one model that the evidence holds."""
        errors = [np.nan if error is None else error for error in self.errors[name]]
        return Contender(name, version, np.array(errors), self.scores[name], role)

    def same_origins(self, other: Evidence) -> bool:
        """Whether both were computed at the same origins."""
        names = ("series", "first", "last", "tail", "horizon")
        return all(getattr(self, name) == getattr(other, name) for name in names)


def gather_evidence(
    history: History, panel: Panel, tail: np.ndarray, validation: Validation, long_roll: LongRoll
) -> Evidence:
    """Evidence from a validation and a long roll; `tail` (n,) steps of each series that were validated on."""
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


def unit_errors(scores: ErrorSums, validation: Validation, block: int) -> list[float]:
    """Mean scaled errors in units that can be paired between two models; NaN where a forecast was not finite.

    With MANY_SERIES series or more, each series is a unit. With fewer, which are often correlated, a unit is a run of
    `block` successive origins, because errors of overlapping forecasts are correlated too.
    """
    divisor = validation.reference.unit
    if not np.isfinite(divisor).any():  # every series repeats its season exactly: no MASE, but errors still differ
        divisor = np.ones_like(divisor)
    scaled = np.stack(scores.by_origin) / divisor  # (origins, series)
    known = np.isfinite(scaled)
    axis = 0 if scaled.shape[1] >= MANY_SERIES else 1
    means = np.where(known, scaled, 0.0).sum(axis)[known.any(axis)] / known.sum(axis)[known.any(axis)]
    units = means if axis == 0 else promotion_gate.block_means(means, block)
    return [float("nan")] * max(1, len(units)) if scores.not_finite else units.tolist()


def overlapping_origins(origins: Origins, horizon: int) -> int:
    """Number of successive origins whose forecasts overlap, at least 1."""
    spacing = float(np.median(origins.stops[:, -1] - origins.stops[:, 0])) / max(1, len(origins) - 1)
    return int(np.ceil(horizon / spacing)) if spacing > 0 else 1


def measure_contender(history: History, evidence: Evidence, bundle: Bundle, version: int, role: Role = "") -> Contender:
    """Errors and scores of another model at the same origins.

    Raises Conflict when rows were added before the first ones that the candidate was validated on.
    """
    panel, tail = sample_series(validated_panel(history, evidence), np.array(evidence.tail))
    origins = tail_origins(panel, tail, evidence.horizon)
    divisors = reference(panel, origins, history.dataset.season, evidence.horizon)
    scores = evaluate(bundle, panel, origins)
    name = name_of(bundle.config)
    validation = Validation(origins, divisors, {name: scores})
    paired = unit_errors(scores, validation, overlapping_origins(origins, evidence.horizon))
    return Contender(name, version, np.array(paired), scores.summary(divisors), role)


def validated_panel(history: History, evidence: Evidence) -> Panel:
    """The panel of the evidence: the series and steps known at that time, with the corrections made since.

    Raises Conflict when a series is gone or starts earlier now.
    """
    rows = np.searchsorted(history.series, evidence.series)
    rows = np.minimum(rows, len(history.series) - 1)
    same = (history.series[rows] == evidence.series).all() and (history.panel.first[rows] == evidence.first).all()
    if not same:
        raise Conflict(
            "rows were added before the candidate's first ones, so no other model can be scored at its origins; "
            "train again"
        )
    chosen = history.panel.select(rows) if len(rows) < len(history.panel) else history.panel
    return chosen.head(np.array(evidence.last) - np.array(evidence.first) + 1)
