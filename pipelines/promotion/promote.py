"""Let the gate decide which version serves, and hand the service the contexts to start from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from data.errors import Conflict, GateRefused, NotTrained
from data.store import catalogue, promotions, registry
from data.store.catalogue import Dataset
from data.store.promotions import Event
from forecasting.evaluation import backtest as engine
from forecasting.evaluation.long_roll import NO_MEMORY
from forecasting.rolling.bundle import Bundle
from pipelines.console import Report
from pipelines.history.history import History, pack_contexts, read_history
from pipelines.models import model_store, training_part
from pipelines.promotion.gate_comparison import (
    GateComparison,
    compare_candidate,
    decision_evidence,
    gate_rules,
    objections,
)
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Promoted:
    """Who serves from now on; `promotion_id` numbers the decision, `evidence` is what it rests on."""

    dataset: str
    model: str
    version: int
    promotion_id: int
    sentence: str
    evidence: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        fields = asdict(self)
        return {"epoch" if name == "promotion_id" else name: value for name, value in fields.items()}


def promote(workspace: Workspace, name: str, version: int | None, moved: Report) -> Promoted:
    """Without a version the best of candidate and baselines serves; with one, that version or nothing.

    Raises:
        NotFound: no such dataset or version.
        Conflict: no candidate is waiting for a decision, or it rolls in shadow and has met too few live values yet.
        GateRefused: the candidate is not clearly better, and what serves stays; the refusal is in the promotion log.
        DamagedArtifact: the promotion log was altered; nothing is decided on top of it.
    """
    history = read_history(workspace, name)
    promotions.verify_chain(workspace.engine, history.dataset.id)
    waiting = version if version is not None else model_store.newest_candidate(workspace, history.dataset)
    bundle = model_store.load(workspace, history.dataset, waiting)
    moved(0, 2, "comparing")
    contest = compare_candidate(workspace, history, bundle, waiting)
    reasons = objections(contest, gate_rules(workspace))
    moved(1, 2, "writing contexts")
    if not reasons:
        return serve(workspace, history, waiting, bundle, "promoted", decision_evidence(contest, waiting, []))
    record_refusal(workspace, history.dataset, waiting, decision_evidence(contest, waiting, reasons))
    winner = contest.best()
    if version is not None or (contest.champion is not None and winner is contest.champion):
        raise refusal_error(name, contest, waiting, reasons)
    return serve_baseline(workspace, history, contest, winner.model, reasons, waiting)


def record_refusal(workspace: Workspace, dataset: Dataset, version: int, evidence: dict[str, Any]) -> None:
    """Log a refusal; what serves is not touched. A version that was refused rolls in shadow no longer."""
    promotions.decide(workspace.engine, dataset.id, version, "refused", evidence)
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if challenger is not None and challenger.version == version:
        promotions.decide(workspace.engine, dataset.id, version, "shadow_stopped", {"cause": "refused"})


def refusal_error(name: str, contest: GateComparison, version: int, reasons: list[str]) -> GateRefused:
    """The error that says so."""
    stays = contest.champion
    after = f"{stays.model} version {stays.version} goes on serving" if stays else "nothing is served"
    sentence = f"{contest.candidate.model} version {version} of {name!r} was refused: {'; '.join(reasons)}; {after}"
    return GateRefused(sentence, decision_evidence(contest, version, reasons))


def serve(
    workspace: Workspace,
    history: History,
    version: int,
    bundle: Bundle,
    event: Event,
    evidence: dict[str, Any],
    why: str = "",
) -> Promoted:
    """Log the decision with everything the service needs to start from, then tell the mirror."""
    dataset = history.dataset
    before = promotions.served(workspace.engine, dataset.id)
    blobs = pack_contexts(history, bundle)
    decision = promotions.decide(workspace.engine, dataset.id, version, event, evidence, blobs, history.log_seq)
    model_store.point_aliases(workspace, dataset, version, before.version if before else None)
    kind = bundle.config.kind
    sentence = f"{kind} version {version} serves {dataset.name!r}{why}"
    return Promoted(dataset.name, kind, version, decision.id, sentence, evidence)


def serve_baseline(
    workspace: Workspace, history: History, contest: GateComparison, kind: str, reasons: list[str], candidate: int
) -> Promoted:
    """Register the baseline that did best as a version of its own, and serve it."""
    bundle = build_baseline(history, contest, kind)
    version = registered_version(workspace, history.dataset, bundle)
    if version is None:
        version = model_store.register(workspace, history.dataset, bundle, contest.evidence.scores)
    evidence = decision_evidence(contest, candidate, reasons)
    refused = "it" if version == candidate else f"{contest.candidate.model} version {candidate}"
    why = f", a baseline and the best there is: {refused} was refused as a candidate because {'; '.join(reasons)}"
    return serve(workspace, history, version, bundle, "promoted", evidence, why)


def build_baseline(history: History, contest: GateComparison, kind: str) -> Bundle:
    """A baseline with intervals from its errors over all that training may see, and the candidate's evidence."""
    panel, part = training_part.choose_training_part(history, None)
    bundle = engine.baseline(kind, panel, history.dataset.season, contest.evidence.horizon)
    words = {"known": part.to_dict(), "snapshot": history.snapshot, "dataset": history.dataset.name}
    return replace(bundle, manifest={**words, **replace(contest.evidence, long_roll=NO_MEMORY).to_manifest()})


def registered_version(workspace: Workspace, dataset: Dataset, bundle: Bundle) -> int | None:
    """The newest version with this very digest."""
    rows = registry.models(workspace.engine, dataset.id)
    return max((row.version for row in rows if row.digest == bundle.digest), default=None)


def rollback(workspace: Workspace, name: str) -> Promoted:
    """Serve the version that served before the present one, from contexts of today.

    Raises Conflict when there was none.
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
    history = read_history(workspace, name)
    return serve(
        workspace,
        history,
        before[-1],
        bundle,
        "rolled_back",
        evidence,
        f", rolled back from version {served[-1].version}",
    )
