"""Forecasts as of an earlier moment, computed again from what the store has of it."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from data.errors import InvalidInput
from data.grid.stamps import StampReader, format_ds
from data.store import observation_log
from service.forecast import answers, symbol_answers
from service.forecast.answers import NO_VALUE, Reading
from service.forecast.query_params import ForecastQuery
from service.http.errors import FieldFault, ProblemError, unprocessable
from service.models.datasets import Served, Target
from service.models.verdicts import Judge
from states.build_champion import Anchored
from states.views import as_of
from states.views.as_of import Origin, OutOfReach, PastMoment

AT_ONCE = 2  # moments that are computed together: each reads models, contexts and rows of the log
KEPT = 2  # models that do not serve any more, held in memory
LONGEST_SEQUENCE = 18  # digits
NOT_KEPT = "The states of this moment cannot be computed again; `available_from` is the next of which they can."


class Recomputer:
    """Computes forecasts of earlier moments beside the event loop, a few at a time."""

    def __init__(self, clock: Callable[[], int]) -> None:
        """clock: microseconds since 1970 UTC."""
        self._clock = clock
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._known: OrderedDict[int, Anchored] = OrderedDict()  # by anchor
        self._lock = threading.Lock()

    async def forecast(
        self, engine: Engine, target: Target, query: ForecastQuery, text: str
    ) -> tuple[str, dict[str, Any]]:
        """ETag and body of what was answered as of `text`. Raises ProblemError (409, 410, 422, 503)."""
        async with self._turn:
            return await run_in_threadpool(self._forecast, engine, target, query, text)

    def _forecast(self, engine: Engine, target: Target, query: ForecastQuery, text: str) -> tuple[str, dict[str, Any]]:
        served = target.served
        moment = self._moment(engine, served, text)
        try:
            origin = as_of.find_origin(engine, served.dataset.id, moment)
            anchored = self._anchored(engine, served, origin)
            champion, row = as_of.recompute(engine, anchored, target.series, moment)
        except OutOfReach as error:
            raise _not_kept(served, error) from None
        if row is None:
            raise ProblemError(409, "nothing_observed", NO_VALUE)
        alone = replace(served, previous=None, shadow=None, judge=Judge())  # what is known now was not known then
        reading = Reading(target._replace(served=alone), champion, row)
        forecast = symbol_answers.forecast if served.dataset.has_symbols else answers.forecast
        content, found = forecast(reading, query)
        return answers.etag(reading, query, found), content

    def _moment(self, engine: Engine, served: Served, text: str) -> PastMoment:
        """A sequence or a time. Raises ProblemError (422)."""
        if text.isdecimal() and text.isascii() and len(text) <= LONGEST_SEQUENCE:
            if int(text) > observation_log.end(engine):
                raise _wrong("must not be after the newest row of the log")
            return as_of.after_row(engine, served.dataset.id, int(text))
        try:
            at = StampReader("instant", served.dataset.zone).read(text)
        except InvalidInput as error:
            raise _wrong(f"{error}, or the `sequence` of an answer") from None
        if at > self._clock():
            raise _wrong("must not be in the future")
        return as_of.at_time(engine, served.dataset.id, at)

    def _anchored(self, engine: Engine, served: Served, origin: Origin) -> Anchored:
        """Model and contexts: those that serve now, or others, of which a few are held in memory."""
        champion, dataset, anchor = served.champion, served.dataset, origin.anchor
        if champion is not None and champion.anchor_id == anchor.anchor_id:
            contexts = champion.contexts
            return Anchored(dataset, origin.promotion, champion.digest, champion.roller, anchor, contexts)
        with self._lock:
            found = self._known.pop(anchor.anchor_id, None) or as_of.load(engine, dataset, origin)
            self._known[anchor.anchor_id] = found
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return replace(found, dataset=dataset)


def _not_kept(served: Served, error: OutOfReach) -> ProblemError:
    if error.first is None and served.champion is None:
        return answers.no_model_problem(served)
    first = None if error.first is None else format_ds(error.first, "instant")
    fault = FieldFault("/query/as_of", "is out of reach")
    return ProblemError(410, "not_kept", NOT_KEPT, [fault], available_from=first)


def _wrong(message: str) -> ProblemError:
    return unprocessable("invalid_query", [FieldFault("/query/as_of", message)])
