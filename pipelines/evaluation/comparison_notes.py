"""What a reader must know of a comparison beside its figures."""

from __future__ import annotations

from forecasting.evaluation.classical import LONGEST_SEASON, MOST_VALUES, usable_season
from pipelines.evaluation.comparison import Comparison


def notes_on_trained(steps: dict[str, int]) -> list[str]:
    """Which networks were trained for the comparison, and by how many steps: `--steps` of it repeats one."""
    if not steps:
        return []
    each = ", ".join(f"{kind} by {count} steps" for kind, count in steps.items())
    return [f"trained on what lies before the scored part, for this comparison alone and not registered: {each}"]


def notes_on_classical(comparison: Comparison, minutes: float) -> list[str]:
    """What ets and theta did not do, and why."""
    notes = [
        f"{kind}: n/a, because fitting it takes more than the {minutes:g} minutes allowed; "
        "--classical-minutes allows more"
        for kind in comparison.left_out
    ]
    met = [entry for entry in comparison.entries.values() if entry.bundle is None]
    if not met:
        return notes
    names, few = " and ".join(entry.kind for entry in met), len(comparison.few.origins)
    if comparison.uneven:
        notes.append(
            f"{names}: scored on {few} of the {len(comparison.full.origins)} origins, because each is a fit of every "
            "series; compare them where all models are on the same"
        )
    if usable_season(comparison.season) != comparison.season:
        notes.append(f"{names}: fitted without a season, because {comparison.season} steps are above {LONGEST_SEASON}")
    if int(comparison.few.origins.stops.max()) > MOST_VALUES:
        notes.append(f"{names}: fitted to the last {MOST_VALUES} values before each origin")
    return notes + [
        f"{entry.kind}: naive answered {entry.scores.warming} times, for series too short or that could not be fitted"
        for entry in met
        if entry.scores.warming
    ]
