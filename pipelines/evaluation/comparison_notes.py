"""Notes printed under a comparison."""

from __future__ import annotations

from forecasting.evaluation.classical import LONGEST_SEASON, MOST_VALUES, usable_season
from pipelines.evaluation.comparison import Comparison


def notes_on_trained(steps: dict[str, int]) -> list[str]:
    """A note on the networks that were trained for the comparison; `steps` maps kind -> training steps.

    The same number given as `--steps` trains the same network again.
    """
    if not steps:
        return []
    each = ", ".join(f"{kind} by {count} steps" for kind, count in steps.items())
    return [f"trained for this comparison on the values before the scored part, and not registered: {each}"]


def notes_on_classical(comparison: Comparison, minutes: float) -> list[str]:
    """Notes on ets and theta: left out, scored at fewer origins, fitted without a season or to fewer values."""
    notes = [
        f"{kind}: n/a, because fitting it takes longer than {minutes:g} minutes; --classical-minutes allows more"
        for kind in comparison.left_out
    ]
    fitted = [model for model in comparison.models.values() if model.bundle is None]
    if not fitted:
        return notes
    names, few = " and ".join(model.kind for model in fitted), len(comparison.few.origins)
    if comparison.uneven:
        notes.append(
            f"{names}: scored on {few} of the {len(comparison.full.origins)} origins, because every series is fitted "
            "at each; the figures at the same origins compare all models"
        )
    if usable_season(comparison.season) != comparison.season:
        notes.append(f"{names}: fitted without a season, because {comparison.season} steps are above {LONGEST_SEASON}")
    if int(comparison.few.origins.stops.max()) > MOST_VALUES:
        notes.append(f"{names}: fitted to the last {MOST_VALUES} values before each origin")
    return notes + [
        f"{model.kind}: naive answered {model.scores.warming} times, for series too short or that could not be fitted"
        for model in fitted
        if model.scores.warming
    ]
