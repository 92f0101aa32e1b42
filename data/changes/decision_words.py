"""A decision of the promotion log in plain sentences: what was decided, and from what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.errors import counted
from data.store.promotions import Promotion

P_VALUE = (
    "p is the probability of a gain at least as large if both models were equally good; a network needs 0.05 or less "
    "against each rival, where there are enough series or origins to tell."
)
Evidence = Mapping[str, Any]


def sentences(decision: Promotion) -> list[str]:
    """Why a version was promoted or refused, and what else was decided about it; the most important first."""
    by = decision.evidence.get("by")
    who = "A program on this machine" if by == "loopback" else f"The key {by!r}"
    return [*_evidence(decision), *([] if by is None else [f"{who} asked for it over HTTP."])]


def _evidence(decision: Promotion) -> list[str]:
    try:
        return _sentences(decision)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):  # an altered row, or one of another version
        return ["Its evidence has another form than this version writes."]


def _sentences(decision: Promotion) -> list[str]:
    evidence = decision.evidence
    if decision.event == "shipped":
        return ["It ships with Rollcast, and serves from the first ingest on: untrained, without the promotion gate."]
    if decision.event == "rolled_back":
        return [f"It serves again in place of version {evidence.get('from')}; a rollback is decided by hand."]
    if decision.event == "reanchored":
        return [f"Its states began anew, from contexts with newer values ({_cause(evidence)})."]
    if decision.event == "shadowed":
        return [_shadowed(evidence)]
    if decision.event == "shadow_stopped":
        return [f"It no longer rolls in shadow ({_cause(evidence)})."]
    if "from" in evidence:
        return [f"It took over from version {evidence['from']} by hand; the promotion gate was not asked again."]
    return compared(decision) if evidence.get("contenders") else ["No evidence was recorded."]


def _cause(evidence: Evidence) -> str:
    return str(evidence.get("cause", "no cause given"))


def _shadowed(evidence: Evidence) -> str:
    beside = f"It follows the same values as version {evidence.get('champion')} and answers no request"
    return f"{beside}; after {evidence.get('targets')} live values the promotion gate compares the two."


def compared(decision: Promotion) -> list[str]:
    """What the promotion gate found about a candidate, and why another version serves where it was refused."""
    evidence = decision.evidence
    found = [_verdict(decision), *_rivals(evidence)]
    coverage = evidence["contenders"][0].get("coverage_80")
    if coverage is not None:
        share, version = f"{100 * coverage:.0f} % of the", f"version {evidence['candidate']}"
        found.append(
            f"{share} symbols were among the likeliest that hold 80 % of the probability of {version}."
            if "log_loss" in evidence["contenders"][0]
            else f"The 80 % interval of {version} held {share} values."
        )
    return [*found, *cost_and_shadow(evidence)]


def _verdict(decision: Promotion) -> str:
    evidence, reasons = decision.evidence, "; ".join(decision.evidence.get("reasons", ()))
    if decision.event == "refused":
        return f"The promotion gate refused it: {reasons}."
    if not reasons:
        return "It passed the promotion gate."
    if decision.version == evidence["candidate"]:
        return f"It is the best baseline and serves as such; as a candidate it was refused: {reasons}."
    refused = f"version {evidence['candidate']}, which was refused"
    return f"It is the best baseline and serves instead of {refused}: {reasons}."


def _rivals(evidence: Evidence) -> list[str]:
    """The candidate's error against each rival's, and what p says where one is given."""
    rows = [row for row in evidence["contenders"] if row.get("gain") is not None]
    if not rows:
        return []
    clauses = [_against(row) for row in rows]
    where = f"at {counted(evidence['origins'], 'past origin')}"
    sentence = f"The mean error of version {evidence['candidate']}, {where}: {', '.join(clauses)}."
    return [sentence, P_VALUE] if any(row["gain"] > 0 for row in rows) else [sentence]


def _against(row: Evidence) -> str:
    """The difference to one rival; p is of interest only where the candidate is better."""
    size = f"{100 * abs(row['gain']):.1f} %"
    if row["gain"] > 0:
        return f"{size} lower than that of {_name(row)} (p = {row['p_value']:.3f})"
    return f"{size} higher than that of {_name(row)}" if row["gain"] < 0 else f"equal to that of {_name(row)}"


def _name(row: Evidence) -> str:
    if row["model"] == "rival":
        return "each series' own rival"
    role = f"the {row['role']} " if row.get("role") else ""
    return f"{role}{row['model']} {row['version'] or ''}".strip()


def cost_and_shadow(evidence: Evidence) -> list[str]:
    """Size and time of the candidate, and its errors in shadow where it rolled there."""
    found, version = [], f"version {evidence['candidate']}"
    if cost := evidence.get("cost"):
        size, time = f"{cost['bytes'] / 1e6:.2f} MB", f"{cost['ms']:.2f} ms"
        found.append(f"V{version[1:]} has {size} and takes {time} for one step and one forecast of a series.")
    if result := evidence.get("shadow"):
        found.append(_shadow(version, result))
    return found


def _shadow(version: str, result: Evidence) -> str:
    measure = result.get("measure", "MASE")
    values = counted(result["targets"], "live value")
    if result["challenger"] is None or result["champion"] is None:
        return f"In shadow {version} forecast {values}, for which {measure} is not defined."
    challenger, champion = f"{result['challenger']:.3f}", f"{result['champion']:.3f}"
    return f"In shadow the {measure} of {version} was {challenger} on {values}, the champion's {champion}."
