"""Promotes a version that passes the promotion gate, and writes the contexts from which the service starts its states.

`rollback` serves the previous version again, without the promotion gate.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from data.errors import Conflict, GateRefused, NotTrained
from data.store import catalogue, promotions, registry
from data.store.catalogue import Dataset
from data.store.promotions import Event, Promotion
from forecasting.baselines import name_of
from forecasting.evaluation import backtest as engine
from forecasting.evaluation.long_roll import NO_HIDDEN_STATE
from forecasting.rivals import Rivals
from forecasting.rolling.bundle import Bundle
from forecasting.symbols.symbol_baselines import baseline_bundle
from pipelines.console import ProgressCallback
from pipelines.history.history import read_history
from pipelines.history.limits import make_limits
from pipelines.models import mirrored_aliases, model_store, training_part
from pipelines.promotion.anchoring import decide_with_anchor
from pipelines.promotion.gate_comparison import (
    GateComparison,
    compare_candidate,
    decision_evidence,
    gate_rules,
    objections,
)
from pipelines.workspace import Workspace
from states import anchors_in_use


@dataclass(frozen=True)
class Promoted:
    """The version that serves from now on; `promotion_id` is the id of the decision, `evidence` its reasons."""

    dataset: str
    model: str
    version: int
    promotion_id: int
    sentence: str
    evidence: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """The output of --json, where `promotion_id` is called `epoch`."""
        fields = asdict(self)
        return {"epoch" if name == "promotion_id" else name: value for name, value in fields.items()}


def promote(
    workspace: Workspace, name: str, version: int | None, progress: ProgressCallback, by: str | None = None
) -> Promoted:
    """Let the promotion gate decide about a version, and serve it if it passes.

    Without a version the newest candidate is taken. If that is refused and a baseline is better than the champion, the
    baseline serves. by: who asked for it over HTTP; written beside the evidence.

    Raises:
        NotFound: there is no such dataset or version.
        Conflict: there is no candidate, or it rolls in shadow and has too few live values yet.
        GateRefused: the version is not clearly better; what serves stays. The refusal is in the promotion log.
        DamagedArtifact: the promotion log was altered; no decision is added to it.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    promotions.verify_chain(workspace.engine, dataset.id)
    candidate = version if version is not None else model_store.newest_candidate(workspace, dataset)
    bundle = model_store.load(workspace, dataset, candidate)
    progress(0, 2, "comparing")
    comparison = compare_candidate(workspace, dataset, bundle, candidate)
    reasons = objections(comparison, gate_rules(workspace))
    evidence = decision_evidence(comparison, candidate, reasons) | ({} if by is None else {"by": by})
    progress(1, 2, "writing contexts")
    if not reasons:
        return serve(workspace, dataset, candidate, bundle, "promoted", evidence)
    record_refusal(workspace, dataset, candidate, evidence)
    winner = comparison.best()
    if version is not None or (comparison.champion is not None and winner is comparison.champion):
        raise refusal_error(name, comparison, candidate, reasons)
    return serve_baseline(workspace, dataset, comparison, winner.model, reasons, candidate)


def record_refusal(workspace: Workspace, dataset: Dataset, version: int, evidence: dict[str, Any]) -> None:
    """Write a refusal to the promotion log; what serves does not change. If the version rolls in shadow, that ends."""
    promotions.decide(workspace.engine, dataset.id, version, "refused", evidence)
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if challenger is not None and challenger.version == version:
        promotions.decide(workspace.engine, dataset.id, version, "shadow_stopped", {"cause": "refused"})


def refusal_error(name: str, comparison: GateComparison, version: int, reasons: list[str]) -> GateRefused:
    """The error for a refused version: its reasons, and what serves."""
    champion = comparison.champion
    after = f"{champion.model} version {champion.version} goes on serving" if champion else "no version serves"
    sentence = f"{comparison.candidate.model} version {version} of {name!r} was refused: {'; '.join(reasons)}; {after}"
    return GateRefused(sentence, decision_evidence(comparison, version, reasons))


def serve(
    workspace: Workspace,
    dataset: Dataset,
    version: int,
    bundle: Bundle,
    event: Event,
    evidence: dict[str, Any],
    why: str = "",
) -> Promoted:
    """Write the limits of live values, the decision and its contexts to the store, then update MLflow's aliases.

    `why` ends the sentence.
    """
    if not dataset.has_symbols:
        make_limits(workspace, dataset)
    decision = decide_with_anchor(workspace, dataset, version, bundle, event, evidence)
    return announce(workspace, dataset, decision, name_of(bundle.config), why)


def announce(workspace: Workspace, dataset: Dataset, decision: Promotion, kind: str, why: str) -> Promoted:
    """Update MLflow's aliases after a decision. `why` ends the sentence."""
    mirrored_aliases.follow(workspace, [dataset])
    sentence = f"{kind} version {decision.version} serves {dataset.name!r}{why}"
    return Promoted(dataset.name, kind, decision.version, decision.id, sentence, decision.evidence)


def serve_baseline(
    workspace: Workspace, dataset: Dataset, comparison: GateComparison, name: str, reasons: list[str], candidate: int
) -> Promoted:
    """Register the best baseline as a version, unless the same one is registered already, and serve it."""
    bundle = build_baseline(workspace, dataset, comparison, name)
    version = registered_version(workspace, dataset, bundle)
    if version is None:
        version = model_store.register(workspace, dataset, bundle, comparison.evidence.scores)
    evidence = decision_evidence(comparison, candidate, reasons)
    refused = "as a candidate it" if version == candidate else f"{comparison.candidate.model} version {candidate}"
    why = f": it is the best baseline; {refused} was refused: {'; '.join(reasons)}"
    return serve(workspace, dataset, version, bundle, "promoted", evidence, why)


def build_baseline(workspace: Workspace, dataset: Dataset, comparison: GateComparison, name: str) -> Bundle:
    """The baseline of this name, fitted to all that training may read, with the candidate's evidence."""
    history = read_history(workspace, dataset.name)
    panel, part = training_part.choose_training_part(history, None)
    source = {"known": part.to_dict(), "snapshot": history.snapshot, "dataset": history.dataset.name}
    evidence = replace(comparison.evidence, long_roll=NO_HIDDEN_STATE).to_manifest()
    if dataset.has_symbols:
        counted = baseline_bundle(name, panel, dataset.vocabulary or (), comparison.evidence.horizon)
        return replace(counted, manifest={**source, **evidence})
    bundle = engine.baseline(name, panel, history.dataset.season, comparison.evidence.horizon)
    return replace(bundle, manifest={**source, **Rivals.choose(panel, bundle.config).to_manifest(), **evidence})


def registered_version(workspace: Workspace, dataset: Dataset, bundle: Bundle) -> int | None:
    """The newest version with the same digest; None where there is none."""
    rows = registry.models(workspace.engine, dataset.id)
    return max((row.version for row in rows if row.digest == bundle.digest), default=None)


def rollback(workspace: Workspace, name: str) -> Promoted:
    """Serve the previous version again: from the states that it kept, or from new contexts where its log was cut short.

    Raises NotTrained where nothing serves, and Conflict where only one version ever served.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    served = [row for row in promotions.decisions(workspace.engine, dataset.id) if row.serves]
    if not served:
        raise NotTrained(name)
    before = [row.version for row in served if row.version != served[-1].version]
    if not before:
        raise Conflict(f"only version {served[-1].version} of {name!r} ever served; there is nothing to roll back to")
    bundle = model_store.load(workspace, dataset, before[-1])
    evidence = {"from": served[-1].version, "to": before[-1]}
    why = f", rolled back from version {served[-1].version}"
    previous = promotions.previous(workspace.engine, dataset.id)
    kept = anchors_in_use.kept_by(workspace.engine, previous) if previous is not None else None
    if kept is None:
        why += ", and starts anew from the history: the log that its states followed was cut short"
        return serve(workspace, dataset, before[-1], bundle, "rolled_back", evidence, why)
    decision = promotions.decide(
        workspace.engine, dataset.id, before[-1], "rolled_back", evidence, log_seq=kept.log_seq, shared=kept
    )
    return announce(workspace, dataset, decision, name_of(bundle.config), why)
