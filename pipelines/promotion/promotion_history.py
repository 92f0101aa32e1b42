"""The promotion log as sentences: what was decided about each version, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.grid.grid import format_moment
from data.store import catalogue, promotions, registry
from data.store.promotions import Promotion

if TYPE_CHECKING:
    from pipelines.workspace import Workspace  # and with it Polars, which the serving image does not have


def promotion_history(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """Every decision about a dataset's versions, oldest first. Raises DamagedArtifact where the log was altered."""
    dataset = catalogue.dataset(workspace.engine, name)
    promotions.verify_chain(workspace.engine, dataset.id)
    kinds = {row.version: row.kind for row in registry.models(workspace.engine, dataset.id)}
    return [
        {"id": row.id, "at": format_moment(row.decided_at), "version": row.version, "model": kinds.get(row.version),
         "event": row.event, "words": describe_decision(row), "evidence": row.evidence, "hash": row.hash}
        for row in promotions.decisions(workspace.engine, dataset.id)
    ]  # fmt: skip


def describe_decision(decision: Promotion) -> str:
    """One decision in a sentence."""
    said = decision.evidence
    if decision.event == "rolled_back":
        return f"back from version {said.get('from')}"
    if decision.event == "reanchored":
        return f"starts anew from newer values ({said.get('cause', 'no cause given')})"
    if decision.event == "shadowed":
        return f"rolls beside version {said.get('champion')}, until {said.get('targets')} live values were forecast"
    if decision.event == "shadow_stopped":
        return f"rolls in shadow no longer ({said.get('cause', 'no cause given')})"
    return describe_comparison(decision) if said.get("contenders") else "no evidence was written down"


def describe_comparison(decision: Promotion) -> str:
    """What the gate saw: reasons first where it refused, then how the candidate did against everyone."""
    said = decision.evidence
    stood = [describe_rival(row) for row in said["contenders"] if row.get("gain") is not None]
    parts = [f"refused: {reason}" for reason in said.get("reasons", ())]
    if said.get("reasons") and decision.version != said["candidate"]:
        parts = [f"stands in for version {said['candidate']}, which was refused: {'; '.join(said['reasons'])}"]
    parts += [f"{', '.join(stood)} at {said['origins']} origins"] if stood else []
    own = said["contenders"][0].get("coverage_80")
    parts += [f"its 80 % interval held {own:.0%}"] if own is not None else []
    parts += [describe_cost(said["cost"])] if said.get("cost") else []
    parts += [describe_shadow(said["shadow"])] if said.get("shadow") else []
    return "; ".join(parts)


def describe_rival(row: Mapping[str, Any]) -> str:
    """The candidate's error against one rival's."""
    rival = f"{row.get('role') or ''} {row['model']} {row['version'] or ''}".strip()
    return f"error {-row['gain']:+.1%} against {rival} (p {row['p_value']:.3f})"


def describe_cost(cost: Mapping[str, Any]) -> str:
    """What a model takes."""
    return f"{cost['bytes'] / 1e6:.2f} MB, {cost['ms']:.2f} ms for one series to advance and forecast"


def describe_shadow(trial: Mapping[str, Any]) -> str:
    """What happened in shadow."""
    if trial["challenger"] is None or trial["champion"] is None:
        return f"{trial['targets']} live values in shadow, no error in MASE units"
    both = f"in shadow MASE {trial['challenger']:.3f}, the champion's {trial['champion']:.3f}"
    return f"{both}, on {trial['targets']} live values"
