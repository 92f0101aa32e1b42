"""Scores of several models at the same origins, and once more at the few origins where all of them were scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forecasting.accuracy import ErrorSums, Reference
from forecasting.config import NETWORKS
from forecasting.evaluation import backtest as engine
from forecasting.evaluation import classical
from forecasting.evaluation.backtest import Origins, Progress, Watch
from forecasting.evaluation.classical import CLASSICAL
from forecasting.evaluation.validation import RIVAL
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from pipelines.models.time_budget import TimeBudget

CLASSICAL_ORIGINS = 3  # origins at which a classical method is scored: fitting takes up to half a second per series


@dataclass(frozen=True)
class OriginSet:
    """Origins, and the reference by which errors at them are scaled."""

    origins: Origins
    reference: Reference

    @classmethod
    def of(cls, panel: Panel, origins: Origins, season: int, horizon: int) -> OriginSet:
        return cls(origins, engine.reference(panel, origins, season, horizon))


@dataclass(frozen=True)
class ScoredModel:
    """One model of a comparison.

    made       where it comes from, in a few words
    origin_set the origins it was scored at; the few for a classical method
    scores     at its own origins
    few        its scores at the few origins that all models share
    bundle     None for a classical method, which is fitted at each origin
    """

    kind: str
    made: str
    origin_set: OriginSet
    scores: ErrorSums
    few: ErrorSums
    bundle: Bundle | None = None


@dataclass(frozen=True)
class Comparison:
    """Every model's scores over the first `horizon` steps.

    full, few  all origins, and those at which classical methods are scored; one object where they are the same
    positions  of the few among all
    models     the models that were scored, by kind
    left_out   kinds whose time ran out
    """

    panel: Panel
    season: int
    horizon: int
    full: OriginSet
    few: OriginSet
    positions: np.ndarray
    models: dict[str, ScoredModel] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, panel: Panel, origins: Origins, season: int, horizon: int, kinds: tuple[str, ...]) -> Comparison:
        """A comparison of these kinds, with origins chosen and no model scored yet."""
        slow = [kind for kind in kinds if kind in CLASSICAL]
        positions = engine.spread(len(origins), CLASSICAL_ORIGINS if slow else len(origins))
        if len(slow) == len(kinds):  # every model is scored at the few alone
            origins, positions = origins.at(positions), np.arange(len(positions))
        full = OriginSet.of(panel, origins, season, horizon)
        same = len(positions) == len(origins)
        few = full if same else OriginSet.of(panel, origins.at(positions), season, horizon)
        return cls(panel, season, horizon, full, few, positions)

    def add(self, kind: str, made: str, bundle: Bundle, progress: Progress) -> None:
        """Score a model at all origins, and at the few on the same roll."""
        horizon = bundle.config.horizon
        few = ErrorSums.empty(len(self.panel), horizon, bundle.config.levels)

        def watch(k: int, quantiles: np.ndarray, _: np.ndarray) -> None:
            for at in np.flatnonzero(self.positions == k):
                few.add(quantiles, engine.actuals(self.panel, self.few.origins, int(at), horizon))

        same = self.few is self.full
        scores = engine.evaluate(bundle, self.panel, self.full.origins, progress, None if same else watch)
        self.models[kind] = ScoredModel(kind, made, self.full, scores, scores if same else few, bundle)

    def add_classical(self, kind: str, budget: TimeBudget, progress: Progress) -> None:
        """Fit and score a classical method at the few origins, or leave it out where the time budget is too small."""

        def go_on(done: int, total: int) -> bool:
            progress(done, total)
            return budget.allows_next(done, total)

        scores = classical.evaluate(kind, self.panel, self.few.origins, self.season, self.horizon, go_on)
        if scores is None:
            self.left_out.append(kind)
        else:
            self.models[kind] = ScoredModel(kind, "fitted at each origin", self.few, scores, scores)

    @property
    def uneven(self) -> bool:
        """Whether some models were scored at fewer origins than others."""
        return any(model.origin_set is not self.full for model in self.models.values())

    @property
    def share_of_zeros(self) -> float:
        """Share of the scored values, each counted once for every origin that scores it, that are 0."""
        known = zero = 0
        for k in range(len(self.full.origins)):
            actual = engine.actuals(self.panel, self.full.origins, k, self.horizon)
            known += int(np.count_nonzero(~np.isnan(actual)))
            zero += int(np.count_nonzero(actual == 0))
        return zero / max(1, known)

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Every model's measures and the number of its origins; None and 0 for kinds left out.

        Where not all series have the same rival, `RIVAL` is each series' own.
        """
        found = {kind: self.measures(model.scores, model.origin_set) for kind, model in self.models.items()}
        own = self.measures(self.full.reference.rival, self.full)
        found |= {RIVAL: own} if len(self.full.reference.rivals) > 1 else {}
        return found | {kind: dict.fromkeys(own) | {"origins": 0} for kind in self.left_out}

    def metrics_on_few(self) -> dict[str, dict[str, Any]]:
        """Every model's measures at the few origins that all models share."""
        return {kind: self.measures(model.few, self.few) for kind, model in self.models.items()}

    def measures(self, scores: ErrorSums, origin_set: OriginSet) -> dict[str, Any]:
        """Measures of one model and the number of origins behind them."""
        return scores.summary(origin_set.reference, self.horizon) | {"origins": len(origin_set.origins)}

    def replay(self, model: ScoredModel, rows: np.ndarray, positions: np.ndarray, watch: Watch) -> None:
        """Compute a model's forecasts again and give them to `watch`.

        rows       of the series in the panel
        positions  of the origins among all
        """
        panel, origins = self.panel.select(rows), self.full.origins.of_series(rows).at(positions)
        if model.bundle is not None:
            engine.evaluate(model.bundle, panel, origins, watch=watch)
        else:
            classical.evaluate(model.kind, panel, origins, self.season, self.horizon, lambda *_: True, watch)

    def leader(self) -> ScoredModel | None:
        """The model with the lowest MASE over all origins. Those scored only at the few could be better by chance."""
        models = [model for model in self.models.values() if model.origin_set is self.full]
        return min(models, key=self.error, default=None)

    def rival(self, leader: ScoredModel) -> ScoredModel | None:
        """The model to show beside the leader: the best network beside another model, and the best other model beside
        a network; where there is none of that sort, the next best."""
        others = [model for model in self.models.values() if model is not leader]
        unlike = [model for model in others if (model.kind in NETWORKS) != (leader.kind in NETWORKS)]
        return min(unlike or others, key=self.error_on_few, default=None)

    def has_mase(self) -> bool:
        """Whether MASE is defined for any series; where all of them repeat their season exactly, it is not."""
        return bool(np.isfinite(self.full.reference.unit).any())

    def error(self, model: ScoredModel) -> float:
        """MASE at the model's own origins; infinite where it is not defined."""
        return mase_to_rank(model.scores, model.origin_set, self.horizon)

    def error_on_few(self, model: ScoredModel) -> float:
        """MASE at the few origins; infinite where it is not defined."""
        return mase_to_rank(model.few, self.few, self.horizon)


def mase_to_rank(scores: ErrorSums, origin_set: OriginSet, horizon: int) -> float:
    """MASE for ranking: infinite where it is not defined, which ranks last."""
    value = scores.summary(origin_set.reference, horizon)["mase"]
    return np.inf if value is None else float(value)
