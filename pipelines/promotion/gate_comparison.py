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
from pipelines.models.evidence import Evidence, measure
from pipelines.models.promotion_gate import Contender, Cost, Rules, Trial
from pipelines.promotion.shadow import trial
from pipelines.workspace import Workspace

RIVALS = ("naive", "seasonal_naive")  # baselines that every candidate has to beat


@dataclass(frozen=True)
class Contest:
    """A candidate with its rivals, its price and its record in shadow, where it has one."""

    candidate: Contender
    evidence: Evidence
    champion: Contender | None
    previous: Contender | None
    baselines: tuple[Contender, ...]
    cost: Cost
    trial: Trial | None

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


def enter(workspace: Workspace, history: History, bundle: Bundle, version: int) -> Contest:
    """Everyone's errors at the origins that the candidate was validated on."""
    evidence = Evidence.of(bundle)
    candidate = evidence.contender(bundle.config.kind, version)
    baselines = tuple(evidence.contender(kind, None) for kind in RIVALS)
    served = promotions.served(workspace.engine, history.dataset.id)
    champion = stood(workspace, history, evidence, served, version, "champion")
    previous = stood(workspace, history, evidence, stood_before(workspace, history), version, "previous")
    live = trial(workspace, history.dataset, version)
    return Contest(candidate, evidence, champion, previous, baselines, serving_cost.measure(bundle), live)


def stood_before(workspace: Workspace, history: History) -> Promotion | None:
    """The version that served before the champion; none that an operator rolled back from, whatever its figures."""
    events = promotions.decisions(workspace.engine, history.dataset.id)
    left = {row.evidence.get("from") for row in events if row.event == "rolled_back"}
    before = promotions.before(workspace.engine, history.dataset.id)
    return before if before is not None and before.version not in left else None


def stood(
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
    return measure(history, evidence, bundle, served.version, role)


def rules(workspace: Workspace) -> Rules:
    """What is asked, as it is configured."""
    settings = workspace.settings
    return Rules(
        gain=settings.gate_gain, largest_bytes=settings.gate_largest_bytes, longest_ms=settings.gate_longest_ms
    )


def judge(contest: Contest, asked: Rules) -> list[str]:
    """Why the candidate may not serve. A baseline asks for no proof of gain: nothing may be better, that is all."""
    baseline = contest.candidate.model in BASELINES
    found = promotion_gate.objections(contest.candidate, contest.rivals, asked.leniently() if baseline else asked)
    found += promotion_gate.excess(contest.cost, asked) + promotion_gate.lost(contest.trial)
    remembers = contest.candidate.model in RECURRENT
    return [*found, *promotion_gate.drift(contest.evidence.long_roll)] if remembers else found


def record(contest: Contest, version: int, reasons: list[str]) -> dict[str, Any]:
    """The decision's evidence, as the promotion log keeps it."""
    rows = [row(contest.candidate, None)]
    rows += [row(rival, promotion_gate.compare(contest.candidate, rival)) for rival in contest.rivals]
    rolled = contest.evidence.long_roll
    return {"candidate": version, "origins": contest.evidence.origins, "horizon": contest.evidence.horizon,
            "reasons": reasons, "contenders": rows, "long_roll": rolled.to_dict() if rolled else None,
            "cost": asdict(contest.cost), "shadow": asdict(contest.trial) if contest.trial else None}  # fmt: skip


def row(contender: Contender, comparison: promotion_gate.Comparison | None) -> dict[str, Any]:
    """One contender's figures; gain and chance are the candidate's against it."""
    figures = {name: contender.scores.get(name) for name in ("mase", "wql", "coverage_80")}
    against = {"gain": comparison.gain, "p_value": comparison.p_value} if comparison else {}
    about = {"model": contender.model, "role": contender.role or None, "version": contender.version}
    return {**about, "error": contender.error, **figures, **against}
