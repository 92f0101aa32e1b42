"""Forecasts of many series in one answer: computed together, one line for each series, a slice in memory at a time."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import orjson
from fastapi.concurrency import run_in_threadpool

from data.errors import AmbiguousSeries, NotFound
from forecasting.symbol_config import is_symbols
from service.base.metrics import Metrics
from service.forecast import answers, symbol_answers
from service.forecast.answers import NO_VALUE
from service.forecast.fallback import ForecastAnswer
from service.forecast.forecast_request import RequestedForecasts
from service.forecast.query_params import ForecastQuery
from service.http.errors import FieldFault, ProblemError, unprocessable
from service.http.parsing import JSON_OPTIONS
from service.models.datasets import Directory, Target
from states.champion import Champion

SLICE_SERIES = 128  # series forecast together, on all cores
Line = dict[str, Any]


class ForecastBatch:
    """One request: its series, and the champion of each dataset, read once so that no answer mixes versions."""

    def __init__(self, directory: Directory, requested: RequestedForecasts, metrics: Metrics) -> None:
        """Raises ProblemError (422) where every dataset has a model and none can answer the query."""
        self._query, self._metrics = requested.forecast, metrics
        self._asked: list[tuple[str, Target | Line]] = list(_find_targets(directory, requested))
        served = {target.served.name: target.served for _, target in self._asked if isinstance(target, Target)}
        self._champions = {name: dataset.champion for name, dataset in served.items()}
        without_model = [name for name, champion in self._champions.items() if champion is None]
        self._without_model = {name: _error_of(answers.no_model_problem(served[name])) for name in without_model}
        self._asked_of = Counter(target.served.name for _, target in self._asked if isinstance(target, Target))
        self._refused = _find_refusals(self._query, self._champions, self._asked_of)

    async def lines(self) -> AsyncIterator[list[bytes]]:
        """An answer for each series, in the order of the request, one slice at a time."""
        for start in range(0, len(self._asked), SLICE_SERIES):
            yield await run_in_threadpool(self._lines, self._asked[start : start + SLICE_SERIES])

    def _lines(self, asked: Sequence[tuple[str, Target | Line]]) -> list[bytes]:
        """The encoded answers of one slice."""
        lines: list[Line] = [
            {"unique_id": unique_id, **found} if isinstance(found, dict) else {} for unique_id, found in asked
        ]
        for name in self._champions:
            places = [
                i for i, (_, found) in enumerate(asked) if isinstance(found, Target) and found.served.name == name
            ]
            targets = [found for _, found in asked if isinstance(found, Target) and found.served.name == name]
            for place, line in zip(places, self._dataset_lines(name, targets), strict=True):
                lines[place] = {"dataset": name, "unique_id": asked[place][0], **line}
        return [orjson.dumps(line, option=JSON_OPTIONS) for line in lines]

    def _answers(
        self, name: str, champion: Champion, targets: Sequence[Target]
    ) -> Iterator[tuple[Line, ForecastAnswer] | None]:
        if is_symbols(champion.config):
            return symbol_answers.forecasts(champion, targets, self._query, self._asked_of[name])
        return answers.forecasts(champion, targets, self._query)

    def _dataset_lines(self, name: str, targets: Sequence[Target]) -> Iterator[Line]:
        champion = self._champions[name]
        if champion is None:
            yield from [self._without_model[name]] * len(targets)
        elif champion.dataset_id in self._refused:
            yield from [self._refused[champion.dataset_id]] * len(targets)
        else:
            began = time.perf_counter()
            for found in self._answers(name, champion, targets):
                if found is None:
                    yield _error(409, "nothing_observed", NO_VALUE)
                    continue
                body, answer = found
                took, began = time.perf_counter() - began, time.perf_counter()
                self._metrics.forecast_took(answer.champion.config.kind, took, answer.substitute)
                yield body


def _find_targets(directory: Directory, requested: RequestedForecasts) -> Iterator[tuple[str, Target | Line]]:
    """Each requested id with its series, or with the error that answers for it."""
    dataset = requested.forecast.dataset
    if requested.ids is None:
        targets, _, _ = directory.page(requested.limit, None, requested.search, dataset)
        yield from ((target.unique_id, target) for target in targets)
        return
    for unique_id in requested.ids:
        try:
            yield unique_id, directory.find(unique_id, dataset)
        except NotFound:
            yield unique_id, _error(404, "unknown_series", "There is no such series.")
        except AmbiguousSeries:
            yield (
                unique_id,
                _error(409, "ambiguous_series", "Several datasets have this id; name one in `dataset`."),
            )


def _find_refusals(
    query: ForecastQuery, champions: dict[str, Champion | None], asked: Mapping[str, int]
) -> dict[int, Line]:
    """The errors of models that cannot answer the query, by dataset id. asked: how many series of each dataset are.

    Raises ProblemError (422) where every dataset has a model and none can answer it.
    """
    refused, problem = {}, None
    for name, champion in champions.items():
        if champion is None:
            continue
        try:
            _check(query, champion, asked[name])
        except ProblemError as error:
            problem = error
            refused[champion.dataset_id] = _error_of(error)
    if problem is not None and len(refused) == len(champions):
        if not problem.errors:
            raise problem
        faults = [FieldFault(fault.pointer.removeprefix("/query"), fault.message) for fault in problem.errors]
        raise unprocessable("invalid_body", faults)
    return refused


def _check(query: ForecastQuery, champion: Champion, asked: int) -> None:
    """Raises ProblemError (409, 422) for a query that this model cannot answer for so many series."""
    if is_symbols(champion.config):
        symbol_answers.check(query)
        symbol_answers.check_horizon(champion, query, asked)
    else:
        query.check(champion.config)


def _error_of(problem: ProblemError) -> Line:
    return _error(problem.status, problem.code, problem.detail)


def _error(status: int, code: str, detail: str) -> Line:
    return {"error": {"status": status, "code": code, "detail": detail}}
