"""Bodies of forecast requests and their answers."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, RootModel

from service.base.request_limits import MAX_PRIME_BYTES, MAX_SAMPLES, MAX_SERIES, MAX_STEPS, MAX_TEMPERATURE
from service.schemas.common_bodies import Ds, Model, Reliability, StrictBody, UniqueId


class Interval(StrictBody):
    lower: list[float]
    upper: list[float]


class Forecast(Reliability):
    """Quantiles for the steps after the last stored observation."""

    dataset: str
    unique_id: UniqueId
    model: Model
    answered_by: Annotated[
        str,
        Field(description="champion, previous (the version before it), or the name of the baseline that answered"),
    ]
    origin: Ds
    sequence: Annotated[int, Field(description="position of the log that this series' state knows")]
    freq: str
    horizon: int
    ds: list[str] | list[int]
    mean: list[float]
    quantiles: dict[str, list[float]]
    intervals: dict[str, Interval]


class Probability(StrictBody):
    """How likely a symbol is."""

    symbol: str
    p: float


class Likeliest(StrictBody):
    """The likeliest symbols."""

    probabilities: Annotated[list[Probability], Field(description="of the likeliest symbols, the likeliest first")]
    rest: Annotated[float, Field(description="of all other symbols together")]


class SymbolStep(Likeliest):
    """What one step may bring."""

    ds: Ds
    within: Annotated[
        float | None, Field(description="that the symbol of `within` has come up to here; only where it is asked for")
    ] = None


class SymbolForecast(Reliability):
    """Probabilities of the symbols after the last stored observation."""

    dataset: str
    unique_id: UniqueId
    model: Model
    answered_by: Annotated[
        str, Field(description="champion, previous (the version before it), or the name of the baseline that answered")
    ]
    origin: Ds
    sequence: Annotated[int, Field(description="position of the log that this series' state knows")]
    freq: str
    kind: Literal["symbols"]
    horizon: int
    steps: list[SymbolStep]
    paths: Annotated[
        int,
        Field(
            description="roll-outs that the steps after the first are the mean of, fewer where horizon and model are "
            "large; 0: the one step is exact"
        ),
    ]


class ContinuationRequest(StrictBody):
    """How many continuations, of how many symbols, and how they are drawn."""

    samples: Annotated[int, Field(ge=1, le=MAX_SAMPLES)] = 1
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS, description="symbols of each")] = 100
    temperature: Annotated[
        float,
        Field(gt=0, le=MAX_TEMPERATURE, description="1: as likely as printed; less makes likely symbols likelier"),
    ] = 1.0
    seed: Annotated[
        int | None,
        Field(ge=0, le=2**63 - 1, description="equal seeds draw alike; the same until the series has another row"),
    ] = None
    prime: Annotated[
        str | list[str],
        Field(description=f"symbols that are read first, of a text as text; at most {MAX_PRIME_BYTES:,} bytes"),
    ] = ""

    model_config = ConfigDict(json_schema_extra={"examples": [{"samples": 2, "steps": 20, "temperature": 0.8}]})


class Continuations(StrictBody):
    """Whole continuations of a series, drawn from a copy of its state."""

    dataset: str
    unique_id: UniqueId
    model: Model
    origin: Ds
    sequence: int
    temperature: float
    seed: Annotated[int, Field(description="the one that was given, or that of this model, series and sequence")]
    continuations: list[list[str]]
    text: Annotated[list[str] | None, Field(description="the same as texts, where the series is one")] = None


class SeriesForecast(RootModel[Forecast | SymbolForecast]):
    """Quantiles where values are numbers, probabilities where they are symbols."""


class EarlierForecast(StrictBody):
    """One scored forecast as it was when it was made."""

    origin: Ds
    version: int
    sequence: Annotated[
        int | None,
        Field(description="position of the log at which it was made, for `as_of`; null: no row has its origin"),
    ]
    opened_at: Annotated[str, Field(description="when it was made")]
    open: Annotated[bool, Field(description="its last step is still ahead, and the next values are scored on it")]
    ds: list[str] | list[int]
    quantiles: Annotated[dict[str, list[float]], Field(description="nine levels, from 0.1 to 0.9")]


class EarlierForecasts(StrictBody):
    """A page of the scored forecasts of a series, the newest origin first."""

    dataset: str
    unique_id: UniqueId
    vintages: list[EarlierForecast]
    next: Annotated[Ds | None, Field(description="`to` of the next page; null: this is the last one")]


class ForecastSearch(StrictBody):
    """A search as in GET /v1/series; the first `limit` series of its result."""

    dataset: str | None = None
    search: Annotated[str, Field(description="a part of the id, in any case")] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_SERIES)] = MAX_SERIES


class ForecastRequest(StrictBody):
    """Which series, by `ids` or by `query`, and what to forecast for each."""

    ids: Annotated[list[UniqueId] | None, Field(min_length=1, max_length=MAX_SERIES)] = None
    query: ForecastSearch | None = None
    dataset: Annotated[str | None, Field(description="of the ids, where several datasets have one")] = None
    horizon: Annotated[int | None, Field(ge=1, description="steps ahead; the trained horizon unless given")] = None
    level: Annotated[float | list[float] | None, Field(description="central intervals in per cent")] = None
    quantiles: Annotated[list[float] | None, Field(description="quantile levels; not together with level")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["machine_temperature"], "horizon": 2, "level": 80}]}
    )


class NoForecast(StrictBody):
    """Why one series has no forecast: the problem that a request for it alone would be answered with."""

    status: int
    code: str
    detail: str


class WithoutForecast(StrictBody):
    unique_id: str
    dataset: str | None = None
    error: NoForecast


class Forecasts(StrictBody):
    """One answer for each series, in the order of the request; in NDJSON each is a line."""

    forecasts: list[Forecast | SymbolForecast | WithoutForecast]
