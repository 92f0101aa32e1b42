"""A candidate and everyone it has to beat, on the very same origins; and what became of it in shadow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.errors import DamagedArtifact
from data.store import promotions
from data.store.promotions import Promotion
from forecasting.config import BASELINES, RECURRENT
from forecasting.rolling.bundle import Bundle
from pipelines.console import say
from pipelines.history.history import History
from pipelines.models import model_store, promotion_gate, serving_cost
from pipelines.models.evidence import Evidence, measure_contender
from pipelines.models.promotion_gate import Contender, GateRules, ServingCost, ShadowResult
from pipelines.promotion.shadow import final_shadow_result
from pipelines.workspace import Workspace

RIVAL_BASELINES = ("naive", "seasonal_naive")  # baselines that every candidate has to beat


@dataclass(frozen=True)
class GateComparison:
    """A candidate with its rivals, its price and its record in shadow, where it has one."""

    candidate: Contender
    evidence: Evidence
    champion: Contender | None
    previous: Contender | None
    baselines: tuple[Contender, ...]
    cost: ServingCost
    trial: ShadowResult | None

    @property
    def rivals(self) -> tuple[Contender, ...]:
        """Everyone but the candidate; a baseline is no rival of itself, nor a second time where it serves."""
        served = tuple(one for one in (self.champion, self.previous) if one is not None)
        met = {self.candidate.model, *(one.model for one in served)}
        return *served, *(rival for rival in self.baselines if rival.model not in met)

    def best(self) -> Contender:
        """Whoever erred least of champion and baselines; of equals the one that serves already."""
        field = [*([self.champion] if self.champion else []), *self.baselines]
        return field[int(np.argmin(np.nan_to_num([one.error for one in field], nan=np.inf)))]


def compare_candidate(workspace: Workspace, history: History, bundle: Bundle, version: int) -> GateComparison:
    """Everyone's errors at the origins that the candidate was validated on."""
    evidence = Evidence.of(bundle)
    candidate = evidence.contender(bundle.config.kind, version)
    baselines = tuple(evidence.contender(kind, None) for kind in RIVAL_BASELINES)
    served = promotions.served(workspace.engine, history.dataset.id)
    champion = served_contender(workspace, history, evidence, served, version, "champion")
    previous = served_contender(
        workspace, history, evidence, previous_promotion(workspace, history), version, "previous"
    )
    live = final_shadow_result(workspace, history.dataset, version)
    return GateComparison(
        candidate, evidence, champion, previous, baselines, serving_cost.measure_serving_cost(bundle), live
    )


def previous_promotion(workspace: Workspace, history: History) -> Promotion | None:
    """The version that served before the champion; none that an operator rolled back from, whatever its figures."""
    events = promotions.decisions(workspace.engine, history.dataset.id)
    left = {row.evidence.get("from") for row in events if row.event == "rolled_back"}
    before = promotions.before(workspace.engine, history.dataset.id)
    return before if before is not None and before.version not in left else None


def served_contender(
    workspace: Workspace,
    history: History,
    evidence: Evidence,
    served: Promotion | None,
    candidate: int,
    role: promotion_gate.Role,
) -> Contender | None:
    """A model that serves or served, at the candidate's origins: as it was validated there, or rolled through them now.

    One that was fitted to those values has an advantage then, and keeps it: the gate leans towards staying. One that
    forecasts another number of steps is no comparison and no rival; nor is one whose artifact is damaged.
    """
    if served is None or served.version == candidate:
        return None
    try:
        bundle = model_store.load(workspace, history.dataset, served.version)
    except DamagedArtifact as error:
        say(f"version {served.version}, the {role}, is left out: {error}")
        return None
    if bundle.config.horizon != evidence.horizon:
        return None
    if "evidence" in bundle.manifest and (own := Evidence.of(bundle)).same_origins(evidence):
        return own.contender(bundle.config.kind, served.version, role)
    return measure_contender(history, evidence, bundle, served.version, role)


def gate_rules(workspace: Workspace) -> GateRules:
    """What is asked, as it is configured."""
    settings = workspace.settings
    return GateRules(
        gain=settings.gate_gain, largest_bytes=settings.gate_largest_bytes, longest_ms=settings.gate_longest_ms
    )


def objections(contest: GateComparison, asked: GateRules) -> list[str]:
    """Why the candidate may not serve. A baseline asks for no proof of gain: nothing may be better, that is all."""
    baseline = contest.candidate.model in BASELINES
    found = promotion_gate.accuracy_objections(
        contest.candidate, contest.rivals, asked.leniently() if baseline else asked
    )
    found += promotion_gate.cost_objections(contest.cost, asked) + promotion_gate.shadow_objections(contest.trial)
    remembers = contest.candidate.model in RECURRENT
    return [*found, *promotion_gate.long_roll_objections(contest.evidence.long_roll)] if remembers else found


def decision_evidence(contest: GateComparison, version: int, reasons: list[str]) -> dict[str, Any]:
    """The decision's evidence, as the promotion log keeps it."""
    rows = [contender_row(contest.candidate, None)]
    rows += [
        contender_row(rival, promotion_gate.compare_with_rival(contest.candidate, rival)) for rival in contest.rivals
    ]
    rolled = contest.evidence.long_roll
    return {"candidate": version, "origins": contest.evidence.origins, "horizon": contest.evidence.horizon,
            "reasons": reasons, "contenders": rows, "long_roll": rolled.to_dict() if rolled else None,
            "cost": asdict(contest.cost), "shadow": asdict(contest.trial) if contest.trial else None}  # fmt: skip


def contender_row(contender: Contender, comparison: promotion_gate.RivalComparison | None) -> dict[str, Any]:
    """One contender's figures; gain and chance are the candidate's against it."""
    figures = {name: contender.scores.get(name) for name in ("mase", "wql", "coverage_80")}
    against = {"gain": comparison.gain, "p_value": comparison.p_value} if comparison else {}
    about = {"model": contender.model, "role": contender.role or None, "version": contender.version}
    return {**about, "error": contender.error, **figures, **against}
