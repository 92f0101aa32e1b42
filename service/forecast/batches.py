"""Forecasts of many series in one answer: rolled together, a line each, and never more than a slice in memory."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import orjson
from fastapi.concurrency import run_in_threadpool

from data.errors import AmbiguousSeries, NotFound
from service.base.metrics import Metrics
from service.forecast import answers
from service.forecast.answers import NO_VALUE
from service.forecast.forecast_request import RequestedForecasts
from service.forecast.query_params import ForecastQuery
from service.http.errors import FieldFault, ProblemError, unprocessable
from service.http.parsing import JSON_OPTIONS
from service.models.datasets import Directory, Target
from states.champion import Champion

SLICE_SERIES = 128  # series rolled at once, by all cores
Line = dict[str, Any]


class ForecastBatch:
    """One request: its series, and the champion of each dataset, taken once so that no answer mixes versions."""

    def __init__(self, directory: Directory, chosen: RequestedForecasts, metrics: Metrics) -> None:
        """Raises Problem (422) where no dataset's model was trained for what is asked."""
        self._query, self._metrics = chosen.forecast, metrics
        self._asked: list[tuple[str, Target | Line]] = list(_find_targets(directory, chosen))
        served = {one.served.name: one.served for _, one in self._asked if isinstance(one, Target)}
        self._champions = {name: one.champion for name, one in served.items()}
        waiting = [name for name, champion in self._champions.items() if champion is None]
        self._unanswered = {name: _error_of(answers.no_model_problem(served[name])) for name in waiting}
        self._refused = _find_refusals(self._query, self._champions)

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """An answer for each series, in the order asked, some at a time."""
        for start in range(0, len(self._asked), SLICE_SERIES):
            yield await run_in_threadpool(self._lines, self._asked[start : start + SLICE_SERIES])

    def _lines(self, asked: Sequence[tuple[str, Target | Line]]) -> list[bytes]:
        found: list[Line] = [
            {"unique_id": unique_id, **one} if isinstance(one, dict) else {} for unique_id, one in asked
        ]
        for name in self._champions:
            places = [i for i, (_, one) in enumerate(asked) if isinstance(one, Target) and one.served.name == name]
            targets = [one for _, one in asked if isinstance(one, Target) and one.served.name == name]
            for place, line in zip(places, self._of(name, targets), strict=True):
                found[place] = {"dataset": name, "unique_id": asked[place][0], **line}
        return [orjson.dumps(line, option=JSON_OPTIONS) for line in found]

    def _of(self, name: str, targets: Sequence[Target]) -> Iterator[Line]:
        champion = self._champions[name]
        if champion is None:
            yield from [self._unanswered[name]] * len(targets)
        elif champion.dataset_id in self._refused:
            yield from [self._refused[champion.dataset_id]] * len(targets)
        else:
            began = time.perf_counter()
            for found in answers.forecasts(champion, targets, self._query):
                if found is None:
                    yield _error(409, "nothing_observed", NO_VALUE)
                    continue
                body, answer = found
                took, began = time.perf_counter() - began, time.perf_counter()
                self._metrics.forecast_took(answer.champion.config.kind, took, answer.stand_in)
                yield body


def _find_targets(directory: Directory, chosen: RequestedForecasts) -> Iterator[tuple[str, Target | Line]]:
    dataset = chosen.forecast.dataset
    if chosen.ids is None:
        found, _, _ = directory.page(chosen.limit, None, chosen.search, dataset)
        yield from ((target.unique_id, target) for target in found)
        return
    for unique_id in chosen.ids:
        try:
            yield unique_id, directory.find(unique_id, dataset)
        except NotFound:
            yield unique_id, _error(404, "unknown_series", "There is no such series.")
        except AmbiguousSeries:
            yield unique_id, _error(409, "ambiguous_series", "Several datasets have it; say which with `dataset`.")


def _find_refusals(query: ForecastQuery, champions: dict[str, Champion | None]) -> dict[int, Line]:
    """Why a dataset's model cannot answer the query, by dataset id; raised where none of several or one can."""
    refused, problem = {}, None
    for champion in champions.values():
        if champion is None:
            continue
        try:
            query.check(champion.config)
        except ProblemError as error:
            problem = error
            refused[champion.dataset_id] = _error_of(error)
    if problem is not None and len(refused) == len(champions):
        raise unprocessable(
            "invalid_body", [FieldFault(one.pointer.removeprefix("/query"), one.message) for one in problem.errors]
        )
    return refused


def _error_of(problem: ProblemError) -> Line:
    return _error(problem.status, problem.code, problem.detail)


def _error(status: int, code: str, detail: str) -> Line:
    return {"error": {"status": status, "code": code, "detail": detail}}
