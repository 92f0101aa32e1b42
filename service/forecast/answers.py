"""A series in an answer: its forecast, its state, and how reliable both are."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from data.errors import NothingObserved, NotTrained
from data.grid.stamps import format_ds
from forecasting import quantiles
from forecasting.config import DIRECT_STEPS
from service.forecast.fallback import ONLY, PREVIOUS, ForecastAnswer, answer_with_fallback
from service.forecast.query_params import ForecastQuery, NetworkQuery
from service.http.errors import ProblemError, not_available
from service.models.datasets import Served, Target
from states.champion import Champion
from states.views.series_state import SeriesState

DEFAULT_QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # unless the client asks for others
DEFAULT_LEVELS = (80.0, 95.0)
NO_MODEL = (
    "No model serves this dataset yet; `rollcast ingest` lets one serve, of symbols `rollcast train` and "
    "`rollcast promote`."
)
NO_VALUE = "The series has no value to forecast from; observe one first."


class Reading(NamedTuple):
    """One series with the champion and the state that answer for it, read once, so that an answer mixes no versions."""

    target: Target
    champion: Champion
    row: SeriesState


def read(target: Target) -> Reading:
    """The champion and the state of a series.

    Raises:
        NotTrained: the dataset has no promoted model.
        NothingObserved: the series has no value to forecast from.
    """
    champion = target.served.champion
    if champion is None:
        raise NotTrained(target.served.name)
    row = champion.states.read(target.series)
    if row is None or not row.state.observed[0]:
        raise NothingObserved(target.unique_id)
    return Reading(target, champion, row)


def reading_of(target: Target) -> Reading:
    """The same for a request. Raises ProblemError (409, 503) where there is neither model nor value."""
    try:
        return read(target)
    except NotTrained:
        raise no_model_problem(target.served) from None
    except NothingObserved:
        raise ProblemError(409, "nothing_observed", NO_VALUE) from None


def no_model_problem(served: Served) -> ProblemError:
    """Why no model answers for a dataset: none is promoted, or the promoted one cannot be served."""
    if served.problem is not None:
        return not_available("damaged_model", served.problem, retry_after=60)  # a person has to promote another one
    return ProblemError(409, "no_model", NO_MODEL)


def etag(reading: Reading, query: ForecastQuery | NetworkQuery, found: ForecastAnswer | None = None) -> str:
    """The ETag: it contains all that a forecast depends on, which is model, anchor, sequence of the state and query.

    found: the answer; where it is not the champion's, the ETag also says whose it is.
    """
    champion, row = reading.champion, reading.row
    marks = ""
    if found is not None and found.champion is not champion:
        marks = f"p{found.champion.anchor_id}.{found.row.sequence}"
    elif found is not None and found.substitute and not champion.replaces_damaged:
        marks = "f"
    return _etag(reading.target, champion, row.sequence, row.stale, row.silent, query, marks)


def champion_etag(target: Target, query: ForecastQuery | NetworkQuery) -> str | None:
    """The ETag of the champion's own forecast at this moment, without reading the state; None where it has no state."""
    champion = target.served.champion
    position = champion.states.at(target.series) if champion else None  # (sequence, stale, silent)
    return None if champion is None or position is None else _etag(target, champion, *position, query)


def _etag(
    target: Target,
    champion: Champion,
    sequence: int,
    stale: bool,
    silent: bool,
    query: ForecastQuery | NetworkQuery,
    marks: str = "",
) -> str:
    label = target.label
    shifted = target.served.judge.flags(target.series)["shifted"]  # it ends without a new row
    marks = (
        champion.grid.mark
        + "s" * stale
        + "q" * silent
        + "d" * champion.replaces_damaged
        + "h" * shifted
        + marks
        + (f"l{label}" if label else "")
    )
    return f'"{champion.digest[:12]}-{champion.anchor_id}-{sequence}{marks}-{query.digest}"'


def takes_long(reading: Reading, query: ForecastQuery) -> bool:
    """Whether a forecast is better computed beside the event loop: one of very many steps, or one for which a state of
    the shipped model is folded first."""
    champion = reading.champion
    return (query.horizon or 1) > DIRECT_STEPS or bool(champion.roller.warming(reading.row.state, ONLY)[0])


def forecast(reading: Reading, query: ForecastQuery) -> tuple[dict[str, Any], ForecastAnswer]:
    """The body of a forecast, and the answer that it was made from. Raises ProblemError (422, 503)."""
    target, champion, row = reading
    query.check(champion.config)
    found = answer_with_fallback(target, champion, row, query.horizon or champion.config.horizon)
    return _body(target, query, found), found


def forecasts(
    champion: Champion, targets: Sequence[Target], query: ForecastQuery
) -> Iterator[tuple[dict[str, Any], ForecastAnswer] | None]:
    """As `forecast` for many series of one champion, forecast together; None for a series without a value."""
    horizon, roller = query.horizon or champion.config.horizon, champion.roller
    copies = champion.states.read_all([target.series for target in targets])
    own = np.flatnonzero(~roller.warming(copies.state, np.arange(len(copies.state))))
    try:
        batch = dict(zip(copies.found[own].tolist(), roller.forecast(copies.state, own, horizon), strict=True))
    except Exception:  # one series fails the arithmetic for all: below, each is forecast alone
        batch = {}
    for place, (target, row) in enumerate(zip(targets, copies.rows(len(targets)), strict=True)):
        if row is None or not row.state.observed[0]:
            yield None
        else:
            found = answer_with_fallback(target, champion, row, horizon, batch.get(place))
            yield _body(target, query, found), found


def _body(target: Target, query: ForecastQuery, found: ForecastAnswer) -> dict[str, Any]:
    """The body of a forecast; its quantiles are those of the answer, interpolated to the levels that are asked for."""
    champion, row, horizon = found.champion, found.row, len(found.values)
    return {
        **about(target, found),
        "horizon": horizon,
        "ds": champion.stamps(int(row.state.origin[0]), horizon, target.label),
        **shown_quantiles(found.values, champion.config.levels, query),
        **reliability_of(target, found),
    }


def shown_quantiles(values: np.ndarray, levels: tuple[float, ...], query: ForecastQuery) -> dict[str, Any]:
    """Mean, quantiles and intervals that a query asks for, from values (h, L) at a model's `levels`."""
    needed, shown = _quantile_levels(query)
    by_row = quantiles.interpolate(values, levels, needed).T  # (levels, h)
    by_level = {level: np.ascontiguousarray(row) for level, row in zip(needed, by_row, strict=True)}
    return {
        "mean": quantiles.mean(values, levels),
        "quantiles": {f"{level:g}": by_level[level] for level in shown},
        "intervals": {
            f"{level:g}": dict(
                zip(("lower", "upper"), (by_level[q] for q in quantiles.interval_levels(level)), strict=True)
            )
            for level in _interval_levels(query)
        },
    }


def about(target: Target, found: ForecastAnswer) -> dict[str, Any]:
    """Whose forecast it is, by which model, and from which state."""
    head = about_state(target, found.champion, found.row)
    order = ("dataset", "unique_id", "model")
    return {
        **{name: head[name] for name in order},
        "answered_by": found.by,
        "origin": head["origin"],
        "sequence": head["sequence"],
        "freq": found.champion.grid.freq,
    }


def about_state(target: Target, champion: Champion, row: SeriesState) -> dict[str, Any]:
    """A series, its model and the end of its state."""
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        "model": champion.model,
        "origin": _origin_ds(target, champion, row),
        "sequence": row.sequence,
    }


def reliability_of(target: Target, found: ForecastAnswer) -> dict[str, Any]:
    """How reliable a forecast is."""
    return _reliability(target, found.row, found.status, found.substitute)


def describe_series(target: Target) -> dict[str, Any]:
    """One series, its state and the model that answers for it."""
    served = target.served
    dataset, champion = served.dataset, served.champion
    return {
        "dataset": served.name,
        "unique_id": target.unique_id,
        "freq": dataset.freq,
        "kind": dataset.kind,
        "season": dataset.season,
        "horizon": champion.config.horizon if champion else dataset.horizon,
        "target": dataset.target,
        "vocabulary": dataset.vocabulary,
        "model": champion.model if champion else None,
        **summary(target),
    }


def summary(target: Target) -> dict[str, Any]:
    """The state of one series, as listings show it."""
    champion = target.served.champion
    return summary_of(target, champion, champion.states.read(target.series) if champion else None)


def summaries(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """The same for many series, in their order; the states of each dataset are read at once."""
    found: dict[int, dict[str, Any]] = {}  # by place in `targets`
    datasets = {target.served.name: target.served.champion for target in targets}
    for name, champion in datasets.items():
        places = [place for place, target in enumerate(targets) if target.served.name == name]
        rows: Sequence[SeriesState | None] = [None] * len(places)
        if champion is not None:
            rows = champion.states.read_all([targets[place].series for place in places]).rows(len(places))
        found |= {place: summary_of(targets[place], champion, row) for place, row in zip(places, rows, strict=True)}
    return [found[place] for place in range(len(targets))]


def summary_of(target: Target, champion: Champion | None, row: SeriesState | None) -> dict[str, Any]:
    """The state of one series, as listings show it, read from this champion."""
    if champion is None or row is None or not row.state.observed[0]:
        status = "no_model" if champion is None else "empty"
        return {"origin": None, "sequence": row.sequence if row else 0, "status": status, "flags": []}
    warming = bool(champion.roller.warming(row.state, ONLY)[0])
    return {
        "origin": _origin_ds(target, champion, row),
        "sequence": row.sequence,
        **_reliability(
            target,
            row,
            "degraded" if row.stale else "warming" if warming else "ok",
            champion.config.fallback if warming else None,
        ),
    }


def _reliability(target: Target, row: SeriesState, status: str, fallback: str | None) -> dict[str, Any]:
    """How reliable an answer is: a status, the flags that explain it, and the counts behind them."""
    counts = {name: int(getattr(row.state, name)[0]) for name in ("observed", "imputed", "reanchored")}
    flags = {
        "warming": status == "warming",
        "previous": fallback == PREVIOUS,
        "fallback": fallback not in (None, PREVIOUS),
        "stale": row.stale,
        "silent": row.silent,
        "reanchored": counts["reanchored"] > 0,
        "imputed": counts["imputed"] > 0,
        **target.served.judge.flags(target.series),
    }
    return {"status": status, "flags": [name for name, is_set in flags.items() if is_set], **counts}


def _origin_ds(target: Target, champion: Champion, row: SeriesState) -> str | int:
    """The origin of a state, as its series writes stamps."""
    return format_ds(int(champion.grid.label_stamps(row.state.origin, target.label)[0]), champion.grid.kind)


def _interval_levels(query: ForecastQuery) -> tuple[float, ...]:
    return DEFAULT_LEVELS if query.levels is None and query.quantiles is None else query.levels or ()


def _quantile_levels(query: ForecastQuery) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Every quantile level that the answer needs, and those that it shows as quantiles; with intervals the median."""
    shown = query.quantiles or ((0.5,) if query.levels else DEFAULT_QUANTILES)
    bounds = [bound for level in _interval_levels(query) for bound in quantiles.interval_levels(level)]
    return tuple(dict.fromkeys((*shown, *bounds))), shown
