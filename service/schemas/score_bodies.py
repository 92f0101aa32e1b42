"""Bodies about the scores of forecasts."""

from typing import Annotated, Literal

from pydantic import Field

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
    scores: list[DatasetScores]
