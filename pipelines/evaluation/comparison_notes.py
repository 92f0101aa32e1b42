"""Notes printed under a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from data.errors import counted
from forecasting.baselines import lag_name
from forecasting.evaluation.classical import LONGEST_SEASON, MOST_VALUES, usable_season
from pipelines.evaluation.comparison import Comparison

MISLED_BY_ZEROS = ("smape", "owa")
SEASONAL = "seasonal_naive("  # with the lag and a bracket behind it
MANY_ZEROS = 0.1  # share of zeros from which these measures are marked


def misleading(comparison: Comparison) -> tuple[str, ...]:
    """The measures that mislead on these data: where many values are 0, any other forecast counts as 200 % wrong."""
    return MISLED_BY_ZEROS if comparison.share_of_zeros >= MANY_ZEROS else ()


def notes_on_zeros(comparison: Comparison) -> list[str]:
    """A note where sMAPE and OWA mislead."""
    if not misleading(comparison):
        return []
    share = f"{comparison.share_of_zeros:.0%}"
    return [
        f"sMAPE and OWA (marked *) mislead here: {share} of the values are 0, where sMAPE counts any other forecast as "
        "200 % wrong, however near; compare by MASE, WQL and skill"
    ]


def notes_on_cycles(names: Sequence[str], season: int) -> list[str]:
    """Which season counts for what, where a seasonal naive with another lag than the dataset's season is compared."""
    lags = dict.fromkeys(int(name[len(SEASONAL) : -1]) for name in names if name.startswith(SEASONAL))
    return [
        f"the dataset's season is {season} steps: seasonal_naive repeats them, and MASE is in units of its error; "
        f"{lag_name(lag, season)} repeats {lag} instead, a cycle that was found in the values or asked for"
        for lag in lags
        if lag != season
    ]


def notes_on_trained(steps: dict[str, int]) -> list[str]:
    """A note on the networks that were trained for the comparison; `steps` maps kind -> training steps.

    The same number given as `--steps` trains the same network again.
    """
    if not steps:
        return []
    each = ", ".join(f"{kind} by {counted(count, 'step')}" for kind, count in steps.items())
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
        f"{model.kind}: naive answered {counted(model.scores.warming, 'time')}, for series too short or that could not "
        "be fitted"
        for model in fitted
        if model.scores.warming
    ]
