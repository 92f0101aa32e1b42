"""Bodies about the scores of forecasts."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from service.schemas.common_bodies import Model, StrictBody, UniqueId

RIVAL = "naive, seasonal_naive (repeats the season) or seasonal_naive(LAG) (repeats the last LAG steps)"


class Measures(StrictBody):
    """Scores of forecasts; null where there are too few values to compute one."""

    n: Annotated[int, Field(description="settled targets: values that the model had forecast")]
    mae: Annotated[float | None, Field(description="mean |error| of the median, in data units")]
    mase: Annotated[float | None, Field(description="mean |error| in units of the series' own seasonal change")]
    pinball: Annotated[float | None, Field(description="mean pinball loss over the levels 0.1 … 0.9, in data units")]
    wql: Annotated[float | None, Field(description="weighted quantile loss: twice the pinball, over mean |value|")]
    coverage_80: Annotated[float | None, Field(description="share of values inside the 80 % interval")]
    coverage_95: float | None
    skill: Annotated[float | None, Field(description="1 - MASE / MASE of each series' rival from the same origins")]
    stability: Annotated[
        float | None,
        Field(
            description="mean |change| of one target's median within half a horizon, in MASE units; 0: it never changed"
        ),
    ]


class BucketMeasures(Measures):
    """The same for some horizon steps."""

    first_step: int
    last_step: int


class HorizonMeasures(Measures):
    """Over all horizon steps, and by bucket."""

    by_horizon: list[BucketMeasures]


class Confidence(StrictBody):
    """Symbols whose likeliest alternative had a probability in one range: what was claimed, and how often it held."""

    low: Annotated[float, Field(alias="from")]
    high: Annotated[float, Field(alias="to")]
    n: int
    confidence: Annotated[float | None, Field(description="mean probability of the likeliest symbol")]
    accuracy: Annotated[float | None, Field(description="how often that symbol came")]


class SymbolMeasures(StrictBody):
    """Scores of symbols, each one step ahead; null where there are too few to compute one."""

    n: Annotated[int, Field(description="symbols that the model had forecast")]
    log_loss: Annotated[float | None, Field(description="mean -log of the probability that the symbol had, in nats")]
    perplexity: Annotated[float | None, Field(description="e to the log loss")]
    accuracy: Annotated[float | None, Field(description="share of symbols that were found likeliest")]
    accuracy_top: Annotated[float | None, Field(description="share that was among those which a forecast names")]
    brier: Annotated[float | None, Field(description="mean squared distance of probabilities from what came")]
    coverage_80: Annotated[
        float | None, Field(description="share among the likeliest symbols that hold 80 % of the probability")
    ]
    coverage_95: float | None
    skill: Annotated[float | None, Field(description="1 - log loss / log loss of the rival")]
    calibration: list[Confidence]


class SymbolSeriesScores(SymbolMeasures):
    """Scores of one series of symbols since the model was promoted."""

    dataset: str
    unique_id: UniqueId
    model: Model
    since: str
    rival: Annotated[str, Field(description="frequency or last_symbol")]
    sequence: int


class SymbolDatasetScores(SymbolMeasures):
    """Scores of one promoted model of symbols, over all series of its dataset."""

    dataset: str
    model: Model
    status: Literal["champion", "previous", "shadow"]
    since: str
    rival: str
    rivals: dict[str, int] | None
    sequence: int
    last_day: SymbolMeasures | None


class SeriesScores(HorizonMeasures):
    """Scores of one series' forecasts since the model was promoted."""

    dataset: str
    unique_id: UniqueId
    model: Model
    since: Annotated[str, Field(description="the promotion; values after it count")]
    rival: Annotated[str, Field(description=RIVAL)]
    sequence: Annotated[int, Field(description="position of the log up to which values are scored")]


class DatasetScores(HorizonMeasures):
    """Scores of one promoted model's forecasts, over all series of its dataset."""

    dataset: str
    model: Model
    status: Literal["champion", "previous", "shadow"]
    since: str
    rival: Annotated[str, Field(description=f"that of most series: {RIVAL}")]
    rivals: Annotated[
        dict[str, int] | None,
        Field(description="number of series by rival; null where it was not stored yet"),
    ]
    sequence: int
    last_day: Annotated[
        HorizonMeasures | None,
        Field(description="of about the last 24 hours; null where the states are no longer in memory"),
    ]


class Scores(StrictBody):
    scores: list[DatasetScores | SymbolDatasetScores]


class ScoresOfSeries(RootModel[SeriesScores | SymbolSeriesScores]):
    """Scores of numbers, or of symbols."""
