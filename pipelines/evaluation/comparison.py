"""Models side by side on the same origins, and once more on the few origins that every one of them could afford."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecasting.accuracy import Reference, Scores
from forecasting.config import NETWORKS
from forecasting.evaluation import backtest as engine
from forecasting.evaluation import classical
from forecasting.evaluation.backtest import Origins, Progress, Watch
from forecasting.evaluation.classical import CLASSICAL
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.models.time_budget import TimeBudget

CLASSICAL_ORIGINS = 3  # origins at which a classical method is fitted: each costs up to half a second a series


@dataclass(frozen=True)
class OriginSet:
    """Origins, and what errors at them are measured against."""

    origins: Origins
    reference: Reference

    @classmethod
    def of(cls, panel: Panel, origins: Origins, season: int, horizon: int) -> OriginSet:
        return cls(origins, engine.reference(panel, origins, season, horizon))


@dataclass(frozen=True)
class ScoredModel:
    """One model of a comparison.

    made    where it comes from, in a few words
    course  the origins it was scored on; a classical method meets the few
    scores  on its own course
    few     its scores at the few origins that all models met
    bundle  None for a classical method, which is fitted anew at each origin
    """

    kind: str
    made: str
    course: OriginSet
    scores: Scores
    few: Scores
    bundle: Bundle | None = None


@dataclass(frozen=True)
class Comparison:
    """Every model's scores over the first `horizon` steps.

    full, few  all origins, and those that classical methods can afford; one object where all models meet all origins
    positions  of the few among all
    entries    the models that were scored, by kind
    left_out   kinds whose time ran out
    """

    panel: Panel
    season: int
    horizon: int
    full: OriginSet
    few: OriginSet
    positions: np.ndarray
    entries: dict[str, ScoredModel] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, panel: Panel, origins: Origins, season: int, horizon: int, kinds: tuple[str, ...]) -> Comparison:
        """The course that these kinds will meet, and no entry yet."""
        slow = [kind for kind in kinds if kind in CLASSICAL]
        positions = engine.spread(len(origins), CLASSICAL_ORIGINS if slow else len(origins))
        if len(slow) == len(kinds):  # nobody meets more than the few
            origins, positions = origins.at(positions), np.arange(len(positions))
        full = OriginSet.of(panel, origins, season, horizon)
        same = len(positions) == len(origins)
        few = full if same else OriginSet.of(panel, origins.at(positions), season, horizon)
        return cls(panel, season, horizon, full, few, positions)

    def enter(self, kind: str, made: str, bundle: Bundle, progress: Progress) -> None:
        """Score a model that rolls through all origins, and by the way at the few."""
        horizon = bundle.config.horizon
        few = Scores.empty(len(self.panel), horizon, bundle.config.levels)

        def watch(k: int, quantiles: np.ndarray, _: np.ndarray) -> None:
            for at in np.flatnonzero(self.positions == k):
                few.add(quantiles, engine.actuals(self.panel, self.few.origins, int(at), horizon))

        alike = self.few is self.full
        scores = engine.evaluate(bundle, self.panel, self.full.origins, progress, None if alike else watch)
        self.entries[kind] = ScoredModel(kind, made, self.full, scores, scores if alike else few, bundle)

    def enter_classical(self, kind: str, allowance: TimeBudget, progress: Progress) -> None:
        """Fit and score a classical method at the few origins, or leave it out when that takes more than is allowed."""

        def go_on(done: int, total: int) -> bool:
            progress(done, total)
            return allowance.holds(done, total)

        scores = classical.evaluate(kind, self.panel, self.few.origins, self.season, self.horizon, go_on)
        if scores is None:
            self.left_out.append(kind)
        else:
            self.entries[kind] = ScoredModel(kind, "fitted at each origin", self.few, scores, scores)

    @property
    def uneven(self) -> bool:
        """Were some models scored on fewer origins than others?"""
        return any(entry.course is not self.full for entry in self.entries.values())

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every model's measures and the number of its origins; None and 0 for those left out."""
        found = {kind: self.measures(entry.scores, entry.course) for kind, entry in self.entries.items()}
        names = self.full.reference.seasonal_naive.summary(self.full.reference, self.horizon)
        return found | {kind: dict.fromkeys(names) | {"origins": 0} for kind in self.left_out}

    def metrics_on_few(self) -> dict[str, dict[str, Any]]:
        """The same at the few origins that all models met."""
        return {kind: self.measures(entry.few, self.few) for kind, entry in self.entries.items()}

    def measures(self, scores: Scores, course: OriginSet) -> dict[str, Any]:
        """Measures of one model and the number of origins behind them."""
        return scores.summary(course.reference, self.horizon) | {"origins": len(course.origins)}

    def replay(self, entry: ScoredModel, rows: np.ndarray, positions: np.ndarray, watch: Watch) -> None:
        """Show `watch` once more what a model forecast for some series at some of all origins."""
        panel, origins = self.panel.select(rows), self.full.origins.of_series(rows).at(positions)
        if entry.bundle is not None:
            engine.evaluate(entry.bundle, panel, origins, watch=watch)
        else:
            classical.evaluate(entry.kind, panel, origins, self.season, self.horizon, lambda *_: True, watch)

    def leader(self) -> ScoredModel | None:
        """The model with the lowest MASE over all origins; one that met only a few is no match for it by chance."""
        entries = [entry for entry in self.entries.values() if entry.course is self.full]
        return min(entries, key=self.error, default=None)

    def rival(self, leader: ScoredModel) -> ScoredModel | None:
        """Whom to show beside the leader: the best model of another sort, network or not, else the next best."""
        others = [entry for entry in self.entries.values() if entry is not leader]
        unlike = [entry for entry in others if (entry.kind in NETWORKS) != (leader.kind in NETWORKS)]
        return min(unlike or others, key=self.error_on_few, default=None)

    def has_mase(self) -> bool:
        """Is MASE defined for any series? Where all of them repeat their season exactly it is not."""
        return bool(np.isfinite(self.full.reference.unit).any())

    def error(self, entry: ScoredModel) -> float:
        """MASE on the model's own course; infinite where it is not defined."""
        return mase_to_rank(entry.scores, entry.course, self.horizon)

    def error_on_few(self, entry: ScoredModel) -> float:
        """MASE at the few origins; infinite where it is not defined."""
        return mase_to_rank(entry.few, self.few, self.horizon)


def mase_to_rank(scores: Scores, course: OriginSet, horizon: int) -> float:
    """MASE to rank by."""
    value = scores.summary(course.reference, horizon)["mase"]
    return np.inf if value is None else float(value)
