"""Compares a candidate with its rivals at the same origins, and with the champion in shadow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.errors import DamagedArtifact
from data.store import promotions
from data.store.catalogue import Dataset
from data.store.promotions import Promotion
from forecasting.baselines import is_baseline, name_of
from forecasting.config import RECURRENT
from forecasting.evaluation.validation import RIVAL
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SYMBOL_BASELINES
from pipelines.console import say
from pipelines.models import model_store, promotion_gate, serving_cost
from pipelines.models.evidence import Evidence, measure_contender
from pipelines.models.promotion_gate import Contender, GateRules, ServingCost, ShadowResult
from pipelines.models.symbol_evidence import measure_symbol_contender
from pipelines.promotion.shadow import final_shadow_result
from pipelines.workspace import Workspace

FIGURES = ("mase", "wql", "coverage_80")
SYMBOL_FIGURES = ("log_loss", "accuracy", "coverage_80")


def repeating_baselines(evidence: Evidence) -> list[str]:
    """Names of the baselines that a candidate has to beat: naive, and seasonal naive at every lag that was scored."""
    return [name for name in evidence.errors if stands_alone(name) and name != "drift"]


def stands_alone(name: str) -> bool:
    """Whether a model of this name is a baseline, of numbers or of symbols."""
    return is_baseline(name) or name in SYMBOL_BASELINES


@dataclass(frozen=True)
class GateComparison:
    """What the promotion gate decides by: a candidate, its rivals, its cost, and its shadow result if it has one.

    own_rivals  each series forecast by its own rival, where the series have different ones; cannot serve
    """

    candidate: Contender
    evidence: Evidence
    champion: Contender | None
    previous: Contender | None
    baselines: tuple[Contender, ...]
    own_rivals: Contender | None
    cost: ServingCost
    shadow_result: ShadowResult | None

    @property
    def rivals(self) -> tuple[Contender, ...]:
        """Champion, previous version, baselines and, for a network, each series' own rival. A baseline that is the
        candidate or one of the served versions is left out, so that none is compared twice."""
        served = tuple(rival for rival in (self.champion, self.previous) if rival is not None)
        known = {self.candidate.model, *(rival.model for rival in served)}
        others = tuple(rival for rival in self.baselines if rival.model not in known)
        own = () if self.own_rivals is None or stands_alone(self.candidate.model) else (self.own_rivals,)
        return *served, *others, *own

    def best(self) -> Contender:
        """The champion or baseline with the lowest error; the champion where errors are equal."""
        models = [*([self.champion] if self.champion else []), *self.baselines]
        return models[int(np.argmin(np.nan_to_num([model.error for model in models], nan=np.inf)))]


def compare_candidate(workspace: Workspace, dataset: Dataset, bundle: Bundle, version: int) -> GateComparison:
    """Score every rival at the origins that the candidate was validated on.

    Raises Conflict where the candidate has no evidence, its origins cannot be scored any more, or it rolls in shadow
    and has too few live values.
    """
    evidence = Evidence.from_bundle(bundle)
    candidate = evidence.contender(name_of(bundle.config), version)
    baselines = tuple(evidence.contender(name, None) for name in repeating_baselines(evidence))
    own_rivals = evidence.contender(RIVAL, None) if RIVAL in evidence.errors else None
    served = promotions.served(workspace.engine, dataset.id)
    champion = served_contender(workspace, dataset, evidence, served, version, "champion")
    previous = served_contender(
        workspace, dataset, evidence, previous_promotion(workspace, dataset), version, "previous"
    )
    in_shadow = final_shadow_result(workspace, dataset, version)
    cost = serving_cost.measure_serving_cost(bundle)
    return GateComparison(candidate, evidence, champion, previous, baselines, own_rivals, cost, in_shadow)


def previous_promotion(workspace: Workspace, dataset: Dataset) -> Promotion | None:
    """The decision of the version that served before the champion; None where an operator rolled back from it."""
    events = promotions.decisions(workspace.engine, dataset.id)
    rolled_back = {row.evidence.get("from") for row in events if row.event == "rolled_back"}
    previous = promotions.previous(workspace.engine, dataset.id)
    return previous if previous is not None and previous.version not in rolled_back else None


def served_contender(
    workspace: Workspace,
    dataset: Dataset,
    evidence: Evidence,
    served: Promotion | None,
    candidate: int,
    role: promotion_gate.Role,
) -> Contender | None:
    """Errors of the champion or the previous version at the candidate's origins.

    They are taken from its own validation where that used the same origins; otherwise it is rolled through them now.
    In that case it may have been fitted to those values; this advantage is accepted, because it favours the version
    that serves. None where there is no such version, it is the candidate, it has another horizon, or its artifact is
    damaged, which is printed.
    """
    if served is None or served.version == candidate:
        return None
    try:
        bundle = model_store.load(workspace, dataset, served.version)
    except DamagedArtifact as error:
        say(f"version {served.version}, the {role}, is left out of the comparison: {error}")
        return None
    if bundle.config.horizon != evidence.horizon:
        return None
    if "evidence" in bundle.manifest and (own := Evidence.from_bundle(bundle)).same_origins(evidence):
        return own.contender(name_of(bundle.config), served.version, role)
    measure = measure_symbol_contender if dataset.has_symbols else measure_contender
    return measure(workspace, dataset, evidence, bundle, served.version, role)


def gate_rules(workspace: Workspace) -> GateRules:
    """The rules of the promotion gate, with what is configured."""
    settings = workspace.settings
    return GateRules(
        gain=settings.gate_gain, largest_bytes=settings.gate_largest_bytes, longest_ms=settings.gate_longest_ms
    )


def objections(comparison: GateComparison, rules: GateRules) -> list[str]:
    """Why the candidate may not serve, one clause each; empty when it may. A baseline only must not be worse."""
    baseline = stands_alone(comparison.candidate.model)
    found = promotion_gate.accuracy_objections(
        comparison.candidate, comparison.rivals, rules.without_gain() if baseline else rules
    )
    found += promotion_gate.cost_objections(comparison.cost, rules)
    found += promotion_gate.shadow_objections(comparison.shadow_result)
    recurrent = comparison.candidate.model in RECURRENT
    return [*found, *promotion_gate.long_roll_objections(comparison.evidence.long_roll)] if recurrent else found


def decision_evidence(comparison: GateComparison, version: int, reasons: list[str]) -> dict[str, Any]:
    """The evidence of a decision, as it is stored in the promotion log."""
    rows = [contender_row(comparison.candidate, None)]
    rows += [
        contender_row(rival, promotion_gate.compare_with_rival(comparison.candidate, rival))
        for rival in comparison.rivals
    ]
    long_roll, in_shadow = comparison.evidence.long_roll, comparison.shadow_result
    return {"candidate": version, "origins": comparison.evidence.origins, "horizon": comparison.evidence.horizon,
            "reasons": reasons, "contenders": rows, "long_roll": long_roll.to_dict() if long_roll else None,
            "cost": asdict(comparison.cost), "shadow": in_shadow.to_dict() if in_shadow else None}  # fmt: skip


def contender_row(contender: Contender, comparison: promotion_gate.RivalComparison | None) -> dict[str, Any]:
    """Figures of one model; `gain` and `p_value` are the candidate's against it."""
    names = SYMBOL_FIGURES if "log_loss" in contender.scores else FIGURES
    figures = {name: contender.scores.get(name) for name in names}
    against = {"gain": comparison.gain, "p_value": comparison.p_value} if comparison else {}
    about = {"model": contender.model, "role": contender.role or None, "version": contender.version}
    return {**about, "error": contender.error, **figures, **against}
