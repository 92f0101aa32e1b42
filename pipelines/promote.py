"""Let the gate decide which version serves, and hand the service the contexts to start from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from data import catalogue, models
from data.catalogue import Dataset
from data.errors import Conflict, GateRefused, NotTrained
from data.models import Event
from forecasting import backtest as engine
from forecasting.bundle import Bundle
from forecasting.config import BASELINES, RECURRENT
from forecasting.longroll import NO_MEMORY
from pipelines import gate, known, registered
from pipelines.console import Report
from pipelines.contexts import pack_contexts
from pipelines.evidence import Evidence, measure
from pipelines.gate import Contender, Rules
from pipelines.history import History, read_history
from pipelines.workspace import Workspace

RIVALS = ("naive", "seasonal_naive")  # baselines that every candidate has to beat


@dataclass(frozen=True)
class Promoted:
    """Who serves from now on; `epoch` numbers the decision, `evidence` is what it rests on."""

    dataset: str
    model: str
    version: int
    epoch: int
    sentence: str
    evidence: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Contest:
    """A candidate, and everyone it has to beat on the very same origins."""

    candidate: Contender
    evidence: Evidence
    champion: Contender | None
    baselines: tuple[Contender, ...]

    @property
    def rivals(self) -> tuple[Contender, ...]:
        """Everyone but the candidate; a baseline is no rival of itself."""
        own = self.candidate.model
        others = tuple(rival for rival in self.baselines if rival.model != own)
        return others if self.champion is None else (self.champion, *others)

    def best(self) -> Contender:
        """Whoever erred least of champion and baselines; of equals the one that serves already."""
        field = [*([self.champion] if self.champion else []), *self.baselines]
        return field[int(np.argmin([one.error for one in field]))]


def promote(workspace: Workspace, name: str, version: int | None, moved: Report) -> Promoted:
    """Without a version the best of candidate and baselines serves; with one, that version or nothing.

    Raises:
        NotFound: no such dataset or version.
        Conflict: no candidate is waiting for a decision.
        GateRefused: the candidate is not clearly better, and what serves stays; the refusal is in the promotion log.
    """
    history = read_history(workspace, name)
    waiting = version if version is not None else newest_undecided(workspace, history.dataset)
    bundle = registered.load(workspace, history.dataset, waiting)
    moved(0, 2, "comparing")
    contest = enter(workspace, history, bundle, waiting)
    reasons = judge(contest, rules(workspace))
    moved(1, 2, "writing contexts")
    if not reasons:
        return serve(workspace, history, waiting, bundle, "promoted", record(contest, waiting, []))
    refuse(workspace, history.dataset, waiting, record(contest, waiting, reasons))
    winner = contest.best()
    if version is not None or (contest.champion is not None and winner is contest.champion):
        raise refusal(name, contest, waiting, reasons)
    return serve_baseline(workspace, history, contest, winner.model, reasons, waiting)


def newest_undecided(workspace: Workspace, dataset: Dataset) -> int:
    """The candidate: the newest version that nothing was decided about."""
    decided = {row.version for row in models.promotions(workspace.engine, dataset.id)}
    rows = models.models(workspace.engine, dataset.id)
    if not rows:
        raise Conflict(f"dataset {dataset.name!r} has no trained version yet; run `rollcast train {dataset.name}`")
    waiting = [row.version for row in rows if row.version not in decided]
    if not waiting:
        raise Conflict(f"every version of {dataset.name!r} was decided already; train a new one, or say --version N")
    return waiting[-1]


def enter(workspace: Workspace, history: History, bundle: Bundle, version: int) -> Contest:
    """Everyone's errors at the origins that the candidate was validated on."""
    evidence = Evidence.of(bundle)
    candidate = evidence.contender(bundle.config.kind, version)
    baselines = tuple(evidence.contender(kind, None) for kind in RIVALS)
    return Contest(candidate, evidence, champion_at(workspace, history, evidence, version), baselines)


def champion_at(workspace: Workspace, history: History, evidence: Evidence, candidate: int) -> Contender | None:
    """The served model at the candidate's origins: as it was validated there, or else rolled through them now.

    A champion that was fitted to those values has an advantage then, and keeps it: the gate leans towards staying.
    One that forecasts another number of steps is no comparison, and no rival.
    """
    served = models.served(workspace.engine, history.dataset.id)
    if served is None or served.version == candidate:
        return None
    bundle = registered.load(workspace, history.dataset, served.version)
    if bundle.config.horizon != evidence.horizon:
        return None
    if "evidence" in bundle.manifest and (own := Evidence.of(bundle)).same_origins(evidence):
        return own.contender(bundle.config.kind, served.version)
    return measure(history, evidence, bundle, served.version)


def rules(workspace: Workspace) -> Rules:
    """What is asked, with the configured gain."""
    return Rules(gain=workspace.settings.gate_gain)


def judge(contest: Contest, asked: Rules) -> list[str]:
    """Why the candidate may not serve. A baseline asks for no proof of gain: nothing may be better, that is all."""
    if contest.candidate.model in BASELINES:
        asked = replace(asked, gain=0.0, significance=1.0)
    found = gate.objections(contest.candidate, contest.rivals, asked)
    remembers = contest.candidate.model in RECURRENT
    return [*found, *gate.drift(contest.evidence.long_roll)] if remembers else found


def record(contest: Contest, version: int, reasons: list[str]) -> dict[str, Any]:
    """The decision's evidence, as the promotion log keeps it."""
    rows = [row(contest.candidate, None)]
    rows += [row(rival, gate.compare(contest.candidate, rival)) for rival in contest.rivals]
    rolled = contest.evidence.long_roll
    return {"candidate": version, "origins": contest.evidence.origins, "horizon": contest.evidence.horizon,
            "reasons": reasons, "contenders": rows, "long_roll": rolled.to_dict() if rolled else None}  # fmt: skip


def row(contender: Contender, comparison: gate.Comparison | None) -> dict[str, Any]:
    """One contender's figures; gain and chance are the candidate's against it."""
    figures = {name: contender.scores.get(name) for name in ("mase", "wql", "coverage_80")}
    against = {"gain": comparison.gain, "p_value": comparison.p_value} if comparison else {}
    return {"model": contender.model, "version": contender.version, "error": contender.error, **figures, **against}


def refuse(workspace: Workspace, dataset: Dataset, version: int, evidence: dict[str, Any]) -> None:
    """Log a refusal; what serves is not touched."""
    models.decide(workspace.engine, dataset.id, version, "refused", evidence)


def refusal(name: str, contest: Contest, version: int, reasons: list[str]) -> GateRefused:
    """The error that says so."""
    stays = contest.champion
    after = f"{stays.model} version {stays.version} goes on serving" if stays else "nothing is served"
    sentence = f"{contest.candidate.model} version {version} of {name!r} was refused: {'; '.join(reasons)}; {after}"
    return GateRefused(sentence, record(contest, version, reasons))


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
    before = models.served(workspace.engine, dataset.id)
    blobs = pack_contexts(history, bundle)
    decision = models.decide(workspace.engine, dataset.id, version, event, evidence, blobs, history.log_seq)
    registered.point_aliases(workspace, dataset, version, before.version if before else None)
    kind = bundle.config.kind
    sentence = f"{kind} version {version} serves {dataset.name!r}{why}"
    return Promoted(dataset.name, kind, version, decision.id, sentence, evidence)


def serve_baseline(
    workspace: Workspace, history: History, contest: Contest, kind: str, reasons: list[str], candidate: int
) -> Promoted:
    """Register the baseline that did best as a version of its own, and serve it."""
    bundle = baseline(history, contest, kind)
    version = registered_before(workspace, history.dataset, bundle)
    if version is None:
        version = registered.register(workspace, history.dataset, bundle, contest.evidence.scores)
    evidence = record(contest, candidate, reasons)
    why = f", a baseline: {contest.candidate.model} version {candidate} was refused because {'; '.join(reasons)}"
    return serve(workspace, history, version, bundle, "promoted", evidence, why)


def baseline(history: History, contest: Contest, kind: str) -> Bundle:
    """A baseline with intervals from its errors over all that training may see, and the candidate's evidence."""
    panel, part = known.choose(history, None)
    bundle = engine.baseline(kind, panel, history.dataset.season, contest.evidence.horizon)
    words = {"known": part.to_dict(), "snapshot": history.snapshot, "dataset": history.dataset.name}
    return replace(bundle, manifest={**words, **replace(contest.evidence, long_roll=NO_MEMORY).to_manifest()})


def registered_before(workspace: Workspace, dataset: Dataset, bundle: Bundle) -> int | None:
    """The newest version with this very digest."""
    rows = models.models(workspace.engine, dataset.id)
    return max((row.version for row in rows if row.digest == bundle.digest), default=None)


def rollback(workspace: Workspace, name: str) -> Promoted:
    """Serve the version that served before the present one, from contexts of today.

    Raises Conflict when there was none.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    served = [row for row in models.promotions(workspace.engine, dataset.id) if row.event != "refused"]
    if not served:
        raise NotTrained(name)
    before = [row.version for row in served if row.version != served[-1].version]
    if not before:
        raise Conflict(f"only version {served[-1].version} of {name!r} ever served; there is nothing to roll back to")
    bundle = registered.load(workspace, dataset, before[-1])
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
