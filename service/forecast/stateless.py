"""Forecasts of histories that a request brings with it, by the shipped model. Nothing of them is kept.

They are computed beside the event loop, a few requests at a time: reading 100,000 values takes about a second.
"""

import asyncio
from typing import Any

import numpy as np
from fastapi.concurrency import run_in_threadpool

from data.grid.grid import Grid
from data.grid.stamps import format_all, format_ds
from forecasting.kinds import model_of
from forecasting.rolling.bundle import Bundle
from forecasting.zero_shot.shipped_model import longest_horizon, shipped_for
from service.base.request_limits import MAX_STEPS_AHEAD
from service.forecast.answers import NO_VALUE, shown_quantiles
from service.forecast.batches import series_error
from service.forecast.query_params import ForecastQuery
from service.forecast.stateless_request import SentHistory, StatelessRequest, parse_stateless_request, read_histories
from service.http.errors import FieldFault, unprocessable
from service.http.parsing import decode

AT_ONCE = 2  # requests that are computed together
MOST_READ = 20_000  # steps of a series that are laid out, whatever the model reads


class StatelessAnswers:
    """Answers requests, a few at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def answer(self, body: bytes) -> list[dict[str, Any]]:
        """A forecast, or an error, for each series in the body. Raises ProblemError (422)."""
        async with self._turn:
            return await run_in_threadpool(answer, body)


def answer(body: bytes) -> list[dict[str, Any]]:
    """The same in this thread."""
    request = parse_stateless_request(decode(body))
    check_horizon(request)
    grid, histories = read_histories(request, MOST_READ)
    bundle, contexts = shipped_for(
        request.freq, request.horizon, request.season, lambda steps: lay_out(histories, steps)
    )
    check(request.query, bundle)
    model = model_of(bundle)
    known = np.flatnonzero(~np.isnan(contexts).all(1))
    state = model.start(contexts[known], np.array([histories[row].origin for row in known.tolist()], np.int64))
    values = model.forecast(state, np.arange(len(known)), request.horizon)
    place = {row: i for i, row in enumerate(known.tolist())}
    return [
        forecast_line(request, grid, history, bundle, contexts[row], values[place[row]])
        if row in place
        else {"unique_id": history.unique_id, **series_error(409, "nothing_observed", NO_VALUE)}
        for row, history in enumerate(histories)
    ]


def check_horizon(request: StatelessRequest) -> None:
    """Raises ProblemError (422) for more steps ahead than the model has, or more of all series than an answer may."""
    longest, series = longest_horizon(request.freq, request.season), len(request.sent)
    most = min(longest, MAX_STEPS_AHEAD // series)
    if request.horizon > most:
        of = f" for {series} series" if most < longest else ""
        raise unprocessable("invalid_body", [FieldFault("/horizon", f"must be at most {most}{of}")])


def lay_out(histories: list[SentHistory], steps: int) -> np.ndarray:
    """(n, steps) the last values of each history; NaN before the first."""
    found = np.full((len(histories), steps), np.nan)
    for row, history in enumerate(histories):
        own = history.values[-steps:]
        found[row, steps - len(own) :] = own
    return found


def check(query: ForecastQuery, bundle: Bundle) -> None:
    """Raises ProblemError (422) for a horizon, level or quantile that the model does not have."""
    faults = [FieldFault(fault.pointer.removeprefix("/query"), fault.message) for fault in query.faults(bundle.config)]
    if faults:
        raise unprocessable("invalid_body", faults)


def forecast_line(
    request: StatelessRequest,
    grid: Grid,
    history: SentHistory,
    bundle: Bundle,
    context: np.ndarray,
    values: np.ndarray,
) -> dict[str, Any]:
    """The answer for one series. context (C,) is what was read of it; values (h, L) its quantiles."""
    ahead = grid.label_stamps(history.origin + 1 + np.arange(len(values)), history.label)
    begun = int((~np.isnan(context)).argmax())
    return {
        "unique_id": history.unique_id,
        "model": {"kind": bundle.config.kind, "digest": bundle.digest},
        "answered_by": bundle.config.kind,
        "origin": format_ds(int(grid.label_stamps([history.origin], history.label)[0]), grid.kind),
        "freq": grid.freq,
        "season": request.season,
        "horizon": len(values),
        "ds": format_all(ahead, grid.kind),
        **shown_quantiles(values, bundle.config.levels, request.query),
        "given": history.given,
        "read": min(history.given, len(context)),
        "observed": int((~np.isnan(context)).sum()),
        "imputed": int(np.isnan(context[begun:]).sum()),
    }
