"""The sums of settled forecasts, written to the store and read back from it."""

from typing import Any

from sqlalchemy import Engine

from data import clock
from data.grid.durations import DAY
from data.records import scores
from data.records.scores import Tally
from forecasting import rivals
from forecasting.baselines import lag_name
from forecasting.rolling import online_scores
from forecasting.rolling.online_scores import Totals
from forecasting.symbol_config import is_symbols
from forecasting.symbols.symbol_scores import summarize_symbols
from states.champion import Champion


def write_down(engine: Engine, champion: Champion) -> None:
    """Store the current sums, and look up those of a day ago. Used by the writer thread only."""
    tally = tally_of(champion, clock.now())
    scores.put(engine, tally, champion.anchor_id)
    look_back(engine, champion, tally.at)


def tally_of(champion: Champion, at: int) -> Tally:
    """The sums of a champion after the row of the log that it has reached, as they are stored at a time."""
    words = {**rivals_of(champion), "steps": online_scores.bucket_steps(champion.config)}
    totals = {**words, **champion.states.totals.to_dict()}
    return Tally(champion.dataset_id, champion.promotion_id, at, champion.seq, totals)


def rivals_of(champion: Champion) -> dict[str, Any]:
    """The name of the `rival` that most series have, and the number of series of each name as `rivals`.

    Without a series it is the one that a new series would get.
    """
    if is_symbols(champion.config):
        return {"rival": champion.config.rival, "rivals": {champion.config.rival: len(champion.states)}}
    lags, season = champion.states.rivals(), champion.config.season
    if not len(lags):
        lags = champion.roller.rivals(champion.roller.empty(1))
        return {"rival": lag_name(int(lags[0]), season), "rivals": {}}
    return {"rival": lag_name(rivals.most_common(lags), season), "rivals": rivals.counts(lags, season)}


def rival_of(champion: Champion, series: int) -> str:
    """The name of one series' rival."""
    if is_symbols(champion.config):
        return str(champion.config.rival)
    return lag_name(champion.states.rival(series), champion.config.season)


def summary(champion: Champion, totals: Totals) -> dict[str, Any]:
    """The measures that sums of a champion's scores make: of forecasts of numbers, or of symbols."""
    if is_symbols(champion.config):
        return summarize_symbols(totals)
    return online_scores.summarize(totals, online_scores.bucket_steps(champion.config))


def look_back(engine: Engine, champion: Champion, at: int) -> None:
    """Set the champion's sums of a day before `at`; None where the promotion is younger."""
    earlier = scores.before(engine, champion.dataset_id, champion.promotion_id, at - DAY)
    champion.day_ago = Totals.from_dict(earlier.totals) if earlier else None


def last_day(champion: Champion) -> Totals:
    """What was settled within about a day: since the newest sums that are a day old, or since the promotion."""
    totals = champion.states.totals
    return totals.minus(champion.day_ago) if champion.day_ago else totals
