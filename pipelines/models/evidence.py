"""Scores and errors of a candidate on its validation tail, kept in its manifest for the promotion gate."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from data.errors import Conflict
from data.store.catalogue import Dataset
from forecasting.accuracy import ErrorSums, Reference, seasonal_error
from forecasting.baselines import name_of
from forecasting.evaluation.backtest import Origins, evaluate
from forecasting.evaluation.long_roll import LongRoll
from forecasting.evaluation.validation import MANY_SERIES, MOST_SERIES, Validation, sampled, tail_origins
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.history.cells import Windows, blocks, read_values
from pipelines.history.ends import Ends, read_ends
from pipelines.history.history import History
from pipelines.history.moment import Moment, newest_moment
from pipelines.models import promotion_gate
from pipelines.models.promotion_gate import Contender, Role
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Evidence:
    """Scores and paired errors by the model's name, and what is needed to score another model at the same origins.

    series, first, last, tail  by series: integer id, grid steps of the first and last value read, steps of the tail
    begin                      grid steps of the first value known, where not all of them were read
    most                       series that were compared at most: fewer than usual where a training's time was short
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
    begin: list[int] | None = None
    most: int = MOST_SERIES

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
        names = ("series", "first", "last", "tail", "horizon", "most")
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
        begin=(panel.first - history.skipped).tolist() if history.skipped.any() else None,
        most=validation.most,
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


def measure_contender(
    workspace: Workspace, dataset: Dataset, evidence: Evidence, bundle: Bundle, version: int, role: Role = ""
) -> Contender:
    """Errors and scores of another model at the same origins, with the corrections made since.

    Reads the contexts and the tails of the series that were validated on, and for their MASE divisors the values before
    them, some series at a time.

    Raises Conflict when rows were added before the first ones that the candidate was validated on.
    """
    moment = newest_moment(workspace, dataset)
    ends, tail = validated_series(workspace, dataset, moment, evidence)
    origins = tail_origins(outline(ends), tail, evidence.horizon)
    windows = Windows.of(ends, ends.first + origins.stops[:, 0] - bundle.config.context)
    cells = read_values(workspace, dataset, windows, moment)
    panel = Panel(ends.unique_ids, cells.values, windows.offsets, windows.start)
    scores = evaluate(bundle, panel, replace(origins, stops=origins.stops - (windows.start - ends.first)[:, None]))
    unit = read_divisors(workspace, dataset, moment, ends, origins.stops[:, 0])
    nothing = ErrorSums.empty(len(panel), evidence.horizon, bundle.config.levels)
    divisors = Reference(unit, nothing, nothing)  # the decision records no measure relative to another model
    name = name_of(bundle.config)
    validation = Validation(origins, divisors, {name: scores})
    paired = unit_errors(scores, validation, overlapping_origins(origins, evidence.horizon))
    return Contender(name, version, np.array(paired), scores.summary(divisors), role)


def validated_series(
    workspace: Workspace, dataset: Dataset, moment: Moment, evidence: Evidence
) -> tuple[Ends, np.ndarray]:
    """The series that models were compared on, with the steps known at that time, and the steps of their tails.

    Raises Conflict when a series is gone or starts earlier now.
    """
    ends = read_ends(workspace, dataset, moment.log_seq)
    series, first, last = (np.array(column, np.int64) for column in (evidence.series, evidence.first, evidence.last))
    rows = np.minimum(np.searchsorted(ends.series, series), len(ends) - 1)
    gone = not len(ends) or (ends.series[rows] != series).any()
    begin = first if evidence.begin is None else np.array(evidence.begin, np.int64)
    if gone or has_values_before(workspace, dataset, moment, ends.select(rows), begin):
        raise Conflict(
            "rows were added before the candidate's first ones, so no other model can be scored at its origins; "
            "train again"
        )
    then = replace(ends.select(rows), first=first, last=last)
    chosen = sampled(len(then), evidence.most)
    return then.select(chosen), np.array(evidence.tail, np.int64)[chosen]


def has_values_before(workspace: Workspace, dataset: Dataset, moment: Moment, ends: Ends, first: np.ndarray) -> bool:
    """Whether a series has a value before step `first` (n,)."""
    earlier = np.flatnonzero(ends.first < first)
    for rows in (earlier[block] for block in blocks((first - ends.first)[earlier])):
        cells = read_values(workspace, dataset, Windows.of(ends.select(rows), stop=first[rows]), moment)
        if not np.isnan(cells.values).all():
            return True
    return False


def outline(ends: Ends) -> Panel:
    """A panel without values: origins depend on the lengths of the series alone."""
    return Panel(ends.unique_ids, np.empty(0), np.concatenate([[0], np.cumsum(ends.lengths)]), ends.first)


def read_divisors(workspace: Workspace, dataset: Dataset, moment: Moment, ends: Ends, stops: np.ndarray) -> np.ndarray:
    """(n,) MASE divisors from the first `stops` (n,) steps of each series; NaN where all seasons are equal."""
    unit = []
    for rows in blocks(stops):
        own = ends.select(rows)
        windows = Windows.of(own, stop=own.first + stops[rows])
        cells = read_values(workspace, dataset, windows, moment)
        unit.append(seasonal_error(Panel(own.unique_ids, cells.values, windows.offsets, own.first), dataset.season))
    found = np.concatenate(unit)
    return np.where(found > 0, found, np.nan)
