"""Pages of the series listing: in the order of ids, or those in trouble first; with a few values of each on request."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.forecast import answers
from service.forecast.query_params import ForecastQuery, PageQuery, encode_cursor, encode_place
from service.models import trouble_ranking
from service.models.datasets import Directory, Target
from service.models.trouble_ranking import SeriesFilter
from states.champion import Champion

FAN = ForecastQuery(levels=(80.0,))  # of a sparkline


def by_id(directory: Directory, query: PageQuery) -> dict[str, Any]:
    """A page in the order of ids."""
    found, total, more = directory.page(query.limit, query.after, query.search, query.dataset)
    after = encode_cursor(found[-1].unique_id, found[-1].served.name) if more else None
    return {"series": _lines(found, query), "total": total, "next": after}


def by_trouble(directory: Directory, query: PageQuery) -> dict[str, Any]:
    """A page of the ranking by trouble, with the number of series in each class."""
    wanted = SeriesFilter(query.dataset, query.search, query.kinds)
    page = trouble_ranking.page(directory, query.limit, query.after_place or query.after, wanted)
    lines = _lines([ranked.target for ranked in page.series], query)
    for line, ranked in zip(lines, page.series, strict=True):
        line["trouble"] = ranked.trouble
    after = None
    if page.more:
        last = page.series[-1]
        name = (last.target.unique_id, last.target.served.name)
        after = encode_cursor(*name) if last.place is None else encode_place(last.place)
    return {"series": lines, "total": page.total, "counts": page.counts, "next": after}


def _lines(targets: Sequence[Target], query: PageQuery) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [
        {"dataset": target.served.name, "unique_id": target.unique_id, **state}
        for target, state in zip(targets, answers.summaries(targets), strict=True)
    ]
    if query.sparkline:
        for line, target in zip(lines, targets, strict=True):
            if not target.served.dataset.has_symbols:  # they have no height
                line["sparkline"] = None
        for name in {target.served.name for target in targets}:
            places = [place for place, target in enumerate(targets) if target.served.name == name]
            served = targets[places[0]].served
            champion = served.champion
            if champion is not None and not served.dataset.has_symbols:
                found = _sparklines(champion, [targets[place] for place in places], query.sparkline)
                for place, sparkline in zip(places, found, strict=True):
                    lines[place]["sparkline"] = sparkline
    return lines


def _sparklines(champion: Champion, targets: Sequence[Target], length: int) -> list[dict[str, Any] | None]:
    """The last values of series and their forecasts; None for a series without a value.

    A missing value is shown as the one before it, as the state has it.
    """
    rows = champion.states.read_all([target.series for target in targets]).rows(len(targets))
    found: list[dict[str, Any] | None] = []
    for row, answer in zip(rows, answers.forecasts(champion, targets, FAN), strict=True):
        if row is None or answer is None:
            found.append(None)
            continue
        known = min(length, int(row.state.observed[0] + row.state.imputed[0]))
        body, interval = answer[0], answer[0]["intervals"]["80"]
        values = champion.roller.last_values(row.state, np.array([0]))[0, -known:]
        found.append({"values": values, "median": body["quantiles"]["0.5"], **interval})
    return found
