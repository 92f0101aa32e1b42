"""Every body on the wire, for the OpenAPI document and for tests that hold the answers to it.

The hot routes read and write plain values; these models are their contract, not their code.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Ds = Annotated[
    str | int,
    Field(description="RFC 3339 with offset below a day, a date from a day up, an integer for integer time"),
]
Unique = Annotated[str, Field(min_length=1, max_length=200)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Observation(Strict):
    """One value of the series in the path."""

    ds: Ds
    y: Annotated[float | None, Field(description="within ±1e30; null: known to be missing")]

    model_config = ConfigDict(json_schema_extra={"examples": [{"ds": "2014-02-19T15:25:00Z", "y": 71.3}]})


class SeriesObservation(Observation):
    """One value of any series."""

    unique_id: Unique
    dataset: Annotated[str | None, Field(description="needed only where several datasets have this id")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"unique_id": "machine_temperature", "ds": "2014-02-19T15:25:00Z", "y": 71.3}]}
    )


class Observations(Strict):
    """Values of the series in the path; a bare list or a single row will do as well."""

    observations: Annotated[list[Observation], Field(min_length=1)]


class SeriesObservations(Strict):
    """Values of any series; a bare list or a single row will do as well."""

    observations: Annotated[list[SeriesObservation], Field(min_length=1)]


class Counts(Strict):
    """How many rows met which outcome; they add up to `received`."""

    applied: int
    duplicate: int
    corrected: int
    late: int
    rejected: int


class Fault(Strict):
    pointer: Annotated[
        str,
        Field(
            description="JSON pointer into the body; /line/1/… into NDJSON, /query/…, /path/… and /header/… beside it"
        ),
    ]
    message: str


class Observed(Strict):
    """What became of the rows. Those not rejected are durable, and every later forecast knows them."""

    received: int
    counts: Counts
    outcomes: Annotated[
        list[Literal["applied", "duplicate", "corrected", "late", "rejected"]],
        Field(description="one for each row, in its order"),
    ]
    errors: Annotated[list[Fault], Field(description="why rows were rejected: the first 20 of them")]
    snapped: Annotated[int, Field(description="stamps between two steps of the grid, moved down to the earlier one")]
    sequence: Annotated[int, Field(description="position of the log that forecasts now know")]


class Model(Strict):
    """What answered."""

    kind: str
    version: int
    digest: str


class Trust(Strict):
    """How far an answer can be relied on."""

    status: Annotated[
        Literal["ok", "warming", "degraded", "empty", "no_model"],
        Field(description="warming and degraded: answered by the seasonal naive or from an older state"),
    ]
    flags: list[Literal["warming", "previous", "fallback", "stale", "reanchored", "imputed"]]
    observed: Annotated[int, Field(description="real values since the state's anchor")] = 0
    imputed: Annotated[int, Field(description="missing steps since the promotion")] = 0
    reanchored: Annotated[int, Field(description="restarts after a silence longer than the window")] = 0


class Interval(Strict):
    lower: list[float]
    upper: list[float]


class Forecast(Trust):
    """Quantiles for the steps after the last stored observation."""

    dataset: str
    unique_id: Unique
    model: Model
    answered_by: Annotated[
        str, Field(description="champion, previous (the version before it), or the baseline that stood in")
    ]
    origin: Ds
    sequence: Annotated[int, Field(description="position of the log that this series' state knows")]
    freq: str
    horizon: int
    ds: list[str] | list[int]
    mean: list[float]
    quantiles: dict[str, list[float]]
    intervals: dict[str, Interval]


class ForecastSearch(Strict):
    """Series as GET /v1/series finds them, the first of them."""

    dataset: str | None = None
    search: Annotated[str, Field(description="a part of the id, in any case")] = ""
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class ForecastRequest(Strict):
    """Which series, by `ids` or by `query`, and what of each."""

    ids: Annotated[list[Unique] | None, Field(min_length=1, max_length=1000)] = None
    query: ForecastSearch | None = None
    dataset: Annotated[str | None, Field(description="of the ids, where several datasets have one")] = None
    horizon: Annotated[int | None, Field(ge=1, description="steps ahead; the trained horizon unless given")] = None
    level: Annotated[float | list[float] | None, Field(description="central intervals in per cent")] = None
    quantiles: Annotated[list[float] | None, Field(description="quantile levels; not together with level")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": ["machine_temperature"], "horizon": 2, "level": 80}]}
    )


class NoForecast(Strict):
    """Why one series has no forecast, as the same request for it alone would have been answered."""

    status: int
    code: str
    detail: str


class WithoutForecast(Strict):
    unique_id: str
    dataset: str | None = None
    error: NoForecast


class Forecasts(Strict):
    """One answer for each series, in the order asked; in NDJSON each is a line."""

    forecasts: list[Forecast | WithoutForecast]


class Layer(Strict):
    """The memory of one recurrent layer; several networks stand one after the other."""

    hidden_norm: float
    carry_norm: Annotated[float | None, Field(description="of an LSTM")]
    gates: Annotated[dict[str, float], Field(description="mean opening in the step to come: 0 shut, 1 open")]


class Vintage(Strict):
    """The forecast that arriving values are scored against at the moment."""

    origin: Ds
    settled: Annotated[int, Field(description="its steps that have passed")]


class State(Trust):
    """What is remembered of one series."""

    dataset: str
    unique_id: Unique
    model: Model
    origin: Ds
    sequence: int
    last: Annotated[float, Field(description="last value; a gap is held at the value before")]
    gap: Annotated[int, Field(description="steps since the last real value")]
    expected: Annotated[float | None, Field(description="median of the next step")]
    vintage: Vintage | None
    widening: Annotated[list[float], Field(description="factor that the intervals have learnt, by horizon bucket")]
    round: Annotated[
        list[float],
        Field(
            description="how far each phase of the remembered cycle lies from the level of its time, in units of the "
            "series, from the step to come on; empty where the model remembers none"
        ),
    ]
    layers: list[Layer]
    bytes: Annotated[int, Field(description="memory of this state")]


class SeriesSummary(Trust):
    """One line of the listing."""

    dataset: str
    unique_id: Unique
    origin: Ds | None
    sequence: int


class Series(SeriesSummary):
    """One series and its state."""

    freq: str
    kind: Literal["instant", "date", "step"]
    season: int
    horizon: int
    target: str
    model: Model | None


class SeriesPage(Strict):
    """One page of series, ordered by id and dataset."""

    series: list[SeriesSummary]
    total: Annotated[int, Field(description="of all pages")]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null on the last one")]


class RegisteredModel(Strict):
    """One version of a dataset's model."""

    dataset: str
    version: int
    kind: str
    digest: str
    status: Literal["champion", "previous", "shadow", "candidate", "refused"]
    metrics: dict[str, Any]
    created_at: str


class Models(Strict):
    models: list[RegisteredModel]


class Measures(Strict):
    """What forecasts were worth. null: nothing to tell it from yet."""

    n: Annotated[int, Field(description="settled targets: values that a forecast of the model had aimed at")]
    mae: Annotated[float | None, Field(description="mean |error| of the median, in data units")]
    mase: Annotated[float | None, Field(description="mean |error| in units of the series' own seasonal change")]
    pinball: Annotated[float | None, Field(description="mean pinball loss over the levels 0.1 … 0.9, in data units")]
    wql: Annotated[float | None, Field(description="weighted quantile loss: twice the pinball, over mean |value|")]
    coverage_80: Annotated[float | None, Field(description="share of values inside the 80 % interval")]
    coverage_95: float | None
    skill: Annotated[float | None, Field(description="1 - MASE / MASE of `rival` from the same origins")]
    stability: Annotated[
        float | None,
        Field(description="mean |change| of one target's median within half a horizon, in MASE units; 0: none moved"),
    ]


class BucketMeasures(Measures):
    """The same for some horizon steps."""

    first_step: int
    last_step: int


class HorizonMeasures(Measures):
    """Over all horizon steps, and by bucket."""

    by_horizon: list[BucketMeasures]


class SeriesScores(HorizonMeasures):
    """What the forecasts of one series were worth, since the model was promoted."""

    dataset: str
    unique_id: Unique
    model: Model
    since: Annotated[str, Field(description="the promotion; values after it count")]
    rival: Literal["seasonal_naive", "naive"]
    sequence: Annotated[int, Field(description="position of the log that this takes in")]


class DatasetScores(HorizonMeasures):
    """What the forecasts of one promoted model were worth, over all series of its dataset."""

    dataset: str
    model: Model
    status: Literal["champion", "previous", "shadow"]
    since: str
    rival: Literal["seasonal_naive", "naive"]
    sequence: int
    last_day: Annotated[
        HorizonMeasures | None, Field(description="of about 24 hours; null once the states are given up")
    ]


class Scores(Strict):
    scores: list[DatasetScores]


class DatasetHealth(Strict):
    """What answers for one dataset."""

    dataset: str
    series: int
    model: Model | None
    shadow: Annotated[Model | None, Field(description="a challenger that rolls beside it and answers nobody")] = None
    stale: Annotated[int, Field(description="series whose state could not follow the log")]
    problem: str | None


class Health(Strict):
    """Whether requests are answered."""

    status: Literal["live", "ready", "not_ready"]
    detail: str | None = None
    datasets: list[DatasetHealth] = []


class Version(Strict):
    """What runs here."""

    name: str
    version: str
    python: str
    models: dict[str, Model]


class Problem(BaseModel):
    """RFC 9457. At most 20 errors and 4 kB, and never what was sent."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[Fault] = []
    candidates: list[str] = []
