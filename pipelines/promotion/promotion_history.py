"""The promotion log in words: what was decided about each version, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from data.errors import counted
from data.grid.stamps import format_moment
from data.store import catalogue, promotions, registry
from data.store.promotions import Promotion

if TYPE_CHECKING:
    from pipelines.workspace import Workspace  # and with it Polars, which the serving image does not have


def list_decisions(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """Every decision about a dataset's versions, oldest first.

    Raises UnknownDataset, or DamagedArtifact where the promotion log was altered.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    promotions.verify_chain(workspace.engine, dataset.id)
    kinds = {row.version: row.kind for row in registry.models(workspace.engine, dataset.id)}
    return [
        {"id": row.id, "at": format_moment(row.decided_at), "version": row.version, "model": kinds.get(row.version),
         "event": row.event, "words": describe_decision(row), "evidence": row.evidence, "hash": row.hash}
        for row in promotions.decisions(workspace.engine, dataset.id)
    ]  # fmt: skip


def describe_decision(decision: Promotion) -> str:
    """One decision in words, with who asked for it over HTTP."""
    words, by = _describe(decision), decision.evidence.get("by")
    return words if by is None else f"{words}; asked for over HTTP by {by}"


def _describe(decision: Promotion) -> str:
    evidence = decision.evidence
    if decision.event == "rolled_back":
        return f"rolled back from version {evidence.get('from')}"
    if decision.event == "reanchored":
        return f"got contexts with newer values ({evidence.get('cause', 'no cause given')})"
    if decision.event == "shadowed":
        champion, targets = evidence.get("champion"), evidence.get("targets")
        return f"rolls in shadow beside version {champion}, until {targets} live values were forecast"
    if decision.event == "shadow_stopped":
        return f"no longer rolls in shadow ({evidence.get('cause', 'no cause given')})"
    if "from" in evidence:
        return f"promoted in place of version {evidence['from']}"
    return describe_comparison(decision) if evidence.get("contenders") else "no evidence was recorded"


def describe_comparison(decision: Promotion) -> str:
    """Figures of the promotion gate: reasons of a refusal, then the candidate against each rival, and its cost."""
    evidence = decision.evidence
    rivals = [describe_rival(row) for row in evidence["contenders"] if row.get("gain") is not None]
    parts = [f"refused: {reason}" for reason in evidence.get("reasons", ())]
    if evidence.get("reasons") and decision.version != evidence["candidate"]:
        parts = [
            f"serves instead of version {evidence['candidate']}, which was refused: {'; '.join(evidence['reasons'])}"
        ]
    parts += [f"{', '.join(rivals)} at {counted(evidence['origins'], 'origin')}"] if rivals else []
    coverage = evidence["contenders"][0].get("coverage_80")
    parts += [f"its 80 % interval held {coverage:.0%}"] if coverage is not None else []
    parts += [describe_cost(evidence["cost"])] if evidence.get("cost") else []
    parts += [describe_shadow(evidence["shadow"])] if evidence.get("shadow") else []
    return "; ".join(parts)


def describe_rival(row: Mapping[str, Any]) -> str:
    """The candidate's error against one rival's."""
    named = f"{row.get('role') or ''} {row['model']} {row['version'] or ''}".strip()
    rival = "each series' own rival" if row["model"] == "rival" else named
    return f"error {-row['gain']:+.1%} against {rival} (p = {row['p_value']:.3f})"


def describe_cost(cost: Mapping[str, Any]) -> str:
    """Size and time of a model."""
    return f"{cost['bytes'] / 1e6:.2f} MB, {cost['ms']:.2f} ms for one step and one forecast of a series"


def describe_shadow(result: Mapping[str, Any]) -> str:
    """Errors of challenger and champion in shadow."""
    measure = result.get("measure", "MASE")
    if result["challenger"] is None or result["champion"] is None:
        return f"{result['targets']} live values in shadow, for which {measure} is not defined"
    both = f"in shadow {measure} {result['challenger']:.3f}, the champion's {result['champion']:.3f}"
    return f"{both}, on {result['targets']} live values"
