"""What a series looks like in an answer: its forecast, its state, and how far both can be trusted."""

from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np

from data.calendars import format_ds
from data.errors import NothingObserved, NotTrained
from forecasting import quantiles
from service.champion import Champion
from service.datasets import Target
from service.errors import not_available
from service.queries import ForecastQuery
from service.states import Row

SHOWN_QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # unless the client asks for others
SHOWN_LEVELS = (80.0, 95.0)
ONLY = np.array([0])


class Reading(NamedTuple):
    """One series with the champion and the state that answer for it: taken once, so that nothing mixes."""

    target: Target
    champion: Champion
    row: Row


def read(target: Target) -> Reading:
    """The state to answer from.

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


def etag(reading: Reading, query: ForecastQuery) -> str:
    """Names everything that the forecast is a function of: model, anchor, state sequence and query."""
    asked = blake2b(query.key.encode(), digest_size=6).hexdigest()
    stale = "s" if reading.row.stale else ""
    champion = reading.champion
    return f'"{champion.digest[:12]}-{champion.epoch}-{reading.row.sequence}{stale}-{asked}"'


def forecast(reading: Reading, query: ForecastQuery) -> tuple[dict[str, Any], str | None]:
    """The body of a forecast, and what answered in the model's place, if anything did."""
    target, champion, row = reading
    query.check(champion.config)
    horizon = query.horizon or champion.config.horizon
    values, status, fallback = _values(champion, row, horizon)
    levels = champion.config.levels
    wanted, shown = _asked(query)
    picked = quantiles.interpolate(values, levels, wanted).T  # (levels, h)
    by_level = {level: np.ascontiguousarray(line) for level, line in zip(wanted, picked, strict=True)}
    body = {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        "model": champion.model,
        "origin": _origin(champion, row),
        "sequence": row.sequence,
        "freq": champion.grid.freq,
        "horizon": horizon,
        "ds": champion.stamps(int(row.state.origin[0]), horizon),
        "mean": quantiles.mean(values, levels),
        "quantiles": {f"{level:g}": by_level[level] for level in shown},
        "intervals": {
            f"{level:g}": dict(
                zip(("lower", "upper"), (by_level[q] for q in quantiles.interval_levels(level)), strict=True)
            )
            for level in _levels(query)
        },
        **_trust(row, status, fallback),
    }
    return body, fallback


def describe(target: Target) -> dict[str, Any]:
    """One series, its state and what answers for it."""
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
        "model": champion.model if champion else None,
        **summary(target),
    }


def summary(target: Target) -> dict[str, Any]:
    """The state of one series, as listings show it."""
    champion = target.served.champion
    row = champion.states.read(target.series) if champion else None
    if champion is None or row is None or not row.state.observed[0]:
        status = "no_model" if champion is None else "empty"
        return {"origin": None, "sequence": row.sequence if row else 0, "status": status, "flags": []}
    warming = bool(champion.roller.warming(row.state, ONLY)[0])
    return {
        "origin": _origin(champion, row),
        "sequence": row.sequence,
        **_trust(
            row,
            "degraded" if row.stale else "warming" if warming else "ok",
            champion.config.fallback if warming else None,
        ),
    }


def _values(champion: Champion, row: Row, horizon: int) -> tuple[np.ndarray, str, str | None]:
    """(h, L) quantiles, the answer's status, and what stood in for the model."""
    roller, state = champion.roller, row.state
    warming = bool(roller.warming(state, ONLY)[0])
    if not warming:
        values = roller.forecast(state, ONLY, horizon)[0]
        if np.isfinite(values).all():
            return values, "degraded" if row.stale else "ok", None
    values = roller.fallback(state, ONLY, horizon)[0]
    if not np.isfinite(values).all():
        raise not_available("no_forecast", "Neither the model nor its fallback has a finite forecast for this series.")
    return values, "warming" if warming and not row.stale else "degraded", roller.config.fallback


def _trust(row: Row, status: str, fallback: str | None) -> dict[str, Any]:
    """How far an answer can be relied on: one word, the reasons, and the counts behind them."""
    counts = {name: int(getattr(row.state, name)[0]) for name in ("observed", "imputed", "reanchored")}
    flags = {
        "warming": status == "warming",
        "fallback": fallback is not None,
        "stale": row.stale,
        "reanchored": counts["reanchored"] > 0,
        "imputed": counts["imputed"] > 0,
    }
    return {"status": status, "flags": [name for name, holds in flags.items() if holds], **counts}


def _origin(champion: Champion, row: Row) -> str | int:
    return format_ds(int(champion.grid.stamps(row.state.origin)[0]), champion.grid.kind)


def _levels(query: ForecastQuery) -> tuple[float, ...]:
    return SHOWN_LEVELS if query.levels is None and query.quantiles is None else query.levels or ()


def _asked(query: ForecastQuery) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Every quantile level that the answer needs, and those shown as quantiles; intervals bring the median along."""
    shown = query.quantiles or ((0.5,) if query.levels else SHOWN_QUANTILES)
    bounds = [bound for level in _levels(query) for bound in quantiles.interval_levels(level)]
    return tuple(dict.fromkeys((*shown, *bounds))), shown
