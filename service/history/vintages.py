"""Earlier forecasts of one series, each as it was made: those that are stored, and the newest from the states."""

from typing import Any

import numpy as np
from sqlalchemy import Engine

from data.grid.stamps import format_all, format_moment
from data.history import vintage_table
from data.history.vintage_table import StoredVintage
from data.store import promotions
from forecasting.rolling.vintages import LEVELS
from service.models.datasets import Target
from states.champion import Champion
from states.views import vintages

ONLY = np.array([0])


def answer(engine: Engine, target: Target, first: int | None, last: int | None, limit: int) -> dict[str, Any]:
    """The body of a page of forecasts whose origins lie from `first` to `last` (`ds`), the newest first."""
    champion = target.served.champion
    waiting, still_open = ([], None) if champion is None else _of_states(engine, champion, target.series)
    versions = {row.id: row.version for row in promotions.decisions(engine, target.served.dataset.id) if row.serves}
    stored = vintage_table.page(engine, target.series, list(versions), first, last, limit + 1)
    inside = [own for own in waiting if (first is None or first <= own.origin) and (last is None or own.origin <= last)]
    by_origin = {own.origin: own for own in [*inside, *stored]}
    found = [by_origin[origin] for origin in sorted(by_origin, reverse=True)]
    opened = (champion.promotion_id if champion else None, still_open)
    return {
        "dataset": target.served.name,
        "unique_id": target.unique_id,
        "vintages": [
            _line(target, own, versions[own.promotion_id], (own.promotion_id, own.origin) == opened)
            for own in found[:limit]
        ],
        "next": _stamps(target, np.array([found[limit].origin]))[0] if len(found) > limit else None,
    }


def _of_states(engine: Engine, champion: Champion, series: int) -> tuple[list[StoredVintage], int | None]:
    """The forecasts that the states of a series have and the store may not have yet, and the origin of the open one."""
    row = champion.states.read(series)
    if row is None:
        return [], None
    still_open = champion.roller.open_vintages(row.state, ONLY).of_rows(np.array([series]))
    found = vintages.records(engine, champion, [still_open, *champion.states.closed.of_series(series)])
    return found, found[0].origin if len(still_open.rows) else None


def _line(target: Target, own: StoredVintage, version: int, is_open: bool) -> dict[str, Any]:
    return {
        "origin": _stamps(target, np.array([own.origin]))[0],
        "version": version,
        "sequence": own.seq,
        "opened_at": format_moment(own.opened_at),
        "open": is_open,
        "ds": _stamps(target, own.ds),
        "quantiles": dict(zip([f"{level:g}" for level in LEVELS], vintage_table.rounded(own.quantiles), strict=True)),
    }


def _stamps(target: Target, ds: np.ndarray) -> Any:
    """Stamps as the series writes them."""
    grid = target.served.dataset.grid
    return format_all(grid.label_stamps(grid.steps(ds), target.label), grid.kind)
