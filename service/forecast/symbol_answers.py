"""A series of symbols in an answer: the probabilities of its next symbols, and whole continuations of it."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from data.text_symbols import joined
from forecasting.symbol_config import is_symbols
from forecasting.symbols.symbol_roller import SymbolState
from service.forecast import answers
from service.forecast.answers import Reading
from service.forecast.continuation_request import ContinuationQuery, listed
from service.forecast.fallback import ONLY, ForecastAnswer, answer_with_fallback
from service.forecast.inside_network import likeliest
from service.forecast.query_params import ForecastQuery
from service.http.errors import FieldFault, not_for_numbers, not_for_symbols, unprocessable
from service.models.datasets import Target
from states.champion import Champion
from states.views import symbol_forecasts
from states.views.series_state import SeriesState
from states.views.symbol_forecasts import TooFar, symbol_model

SYMBOLS = "symbols"
WITHIN_MOST = 500_000_000  # steps × symbols × symbols: a baseline follows each symbol apart


def forecast(reading: Reading, query: ForecastQuery) -> tuple[dict[str, Any], ForecastAnswer]:
    """The body of a forecast, and the answer that it was made from. Raises ProblemError (409, 422, 503)."""
    target, champion, row = reading
    check(query)
    wanted = _code_of(query, champion)
    horizon = query.horizon or champion.config.horizon
    paths = _paths(champion, horizon, 1, 1 if wanted is None else 2)
    found = answer_with_fallback(target, champion, row, horizon, None, _probabilities(target, paths))
    body = _body(target, found, paths)
    if wanted is not None:
        for step, p in zip(body["steps"], _arrivals(target, found, horizon, paths, wanted), strict=True):
            step["within"] = p
    return body, found


def forecasts(
    champion: Champion, targets: Sequence[Target], query: ForecastQuery, asked: int
) -> Iterator[tuple[dict[str, Any], ForecastAnswer] | None]:
    """As `forecast` for many series of one champion; None for a series without a value. asked: of the whole request,
    which share what one answer may take."""
    horizon = query.horizon or champion.config.horizon
    paths = _paths(champion, horizon, asked)
    rows = champion.states.read_all([target.series for target in targets]).rows(len(targets))
    for target, row in zip(targets, rows, strict=True):
        if row is None or not row.state.observed[0]:
            yield None
        else:
            found = answer_with_fallback(target, champion, row, horizon, None, _probabilities(target, paths))
            yield _body(target, found, paths), found


def check(query: ForecastQuery) -> None:
    """Raises ProblemError (409) where a query asks for what symbols do not have."""
    if query.levels is not None:
        raise not_for_symbols("intervals; its forecast has a probability for each symbol")
    if query.quantiles is not None:
        raise not_for_symbols("quantiles; its forecast has a probability for each symbol")


def check_horizon(champion: Champion, query: ForecastQuery, asked: int) -> None:
    """Raises ProblemError (422) where the roll-outs of so many series would take too long."""
    _paths(champion, query.horizon or champion.config.horizon, asked)


def _paths(champion: Champion, horizon: int, series: int, times: int = 1) -> int:
    try:
        return symbol_forecasts.paths_for(symbol_model(champion.roller), horizon, series, times)
    except TooFar as error:
        words = f"must be at most {error.most:,}: {error}"
        raise unprocessable("invalid_query", [FieldFault("/query/horizon", words)]) from None


def _code_of(query: ForecastQuery, champion: Champion) -> int | None:
    """The code of the symbol that may come. Raises ProblemError (422) for one outside the vocabulary."""
    if query.within is None:
        return None
    vocabulary = symbol_model(champion.roller).config.vocabulary
    if query.within not in vocabulary:
        words = f"is not a symbol of the vocabulary: {listed(vocabulary)}"
        raise unprocessable("invalid_query", [FieldFault("/query/within", words)])
    steps, size = query.horizon or champion.config.horizon, len(vocabulary)
    if steps * size * size > WITHIN_MOST:
        words = f"must be at most {WITHIN_MOST // (size * size):,} with `within` and {size:,} symbols"
        raise unprocessable("invalid_query", [FieldFault("/query/horizon", words)])
    return vocabulary.index(query.within)


def _arrivals(target: Target, found: ForecastAnswer, horizon: int, paths: int, code: int) -> list[float]:
    """How likely a symbol has come up to each step, by the model that answered."""
    roller, row = symbol_model(found.champion.roller), found.row
    seed = symbol_forecasts.seed_of(roller.fingerprint, target.unique_id, row.sequence)
    return [float(p) for p in symbol_forecasts.arrivals(roller, row.state, ONLY, horizon, paths, [seed])[0, :, code]]


def _probabilities(target: Target, paths: int) -> Any:
    """How a model says what comes next in a state of this series."""

    def of(champion: Champion, row: SeriesState, horizon: int) -> np.ndarray:
        model = symbol_model(champion.roller)
        seed = symbol_forecasts.seed_of(model.fingerprint, target.unique_id, row.sequence)
        found = symbol_forecasts.probabilities(model, row.state, ONLY, horizon, paths, [seed])
        return np.asarray(found[0])

    return of


def _body(target: Target, found: ForecastAnswer, paths: int) -> dict[str, Any]:
    champion, row, values = found.champion, found.row, found.values
    horizon = len(values)
    stamps = champion.stamps(int(row.state.origin[0]), horizon, target.label)
    return {
        **answers.about(target, found),
        "kind": SYMBOLS,
        "horizon": horizon,
        "steps": [{"ds": ds, **likeliest(champion, p)} for ds, p in zip(stamps, values, strict=True)],
        "paths": paths,
        **answers.reliability_of(target, found),
    }


def continuations(reading: Reading, query: ContinuationQuery) -> dict[str, Any]:
    """The body of whole continuations, drawn from a fork of the state. Raises ProblemError (409, 422)."""
    target, champion, row = reading
    dataset, roller = target.served.dataset, symbol_model(champion.roller)
    prime = query.prime_codes(dataset)
    products = query.samples * (query.steps + len(prime)) * roller.weights
    if products > symbol_forecasts.BUDGET:
        words = (
            f"{query.samples:,} samples of {query.steps + len(prime):,} steps of a model with {roller.weights:,} "
            f"weights take more than {symbol_forecasts.BUDGET:,} products; ask for fewer"
        )
        raise unprocessable("invalid_body", [FieldFault("/steps", words)])
    own = symbol_forecasts.seed_of(roller.fingerprint, target.unique_id, row.sequence)
    seed = own if query.seed is None else query.seed
    drawn = roller.continuations(
        cast(SymbolState, row.state), 0, query.samples, query.steps, query.temperature, seed, prime.tolist()
    )
    symbols = [[roller.config.vocabulary[code] for code in codes] for codes in drawn.tolist()]
    by = dataset.memory.get("by")
    text = {"text": [joined(sample, by) for sample in symbols]} if by else {}
    return {
        **answers.about_state(target, champion, row),
        "temperature": query.temperature,
        "seed": seed,
        "continuations": symbols,
        **text,
    }


def require_symbols(target: Target) -> None:
    """Raises ProblemError (409) where a series has numbers."""
    champion = target.served.champion
    if not target.served.dataset.has_symbols or (champion is not None and not is_symbols(champion.config)):
        raise not_for_numbers("continuations; its forecast has quantiles")
