"""Bodies about datasets at a glance."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common_bodies import Ds, Model, StrictBody


class HourlyScores(StrictBody):
    """One hour of a dataset: what was settled in it, under the version that served then."""

    at: Annotated[str, Field(description="when it begins")]
    n: Annotated[int | None, Field(description="settled targets; null where no model served")]
    fresh: Annotated[
        float | None,
        Field(
            description="n over the values that all series have in an hour, at most 1; null for steps longer than an "
            "hour, and while an exchange is closed"
        ),
    ]
    coverage_80: float | None
    skill: float | None


class LastDay(StrictBody):
    """Scores over all steps and series, of about the last 24 hours."""

    n: int
    mase: float | None
    skill: float | None
    coverage_80: float | None
    coverage_95: float | None


class DatasetLine(StrictBody):
    """One dataset. Figures over all its series are null for a key that reaches a part of them."""

    dataset: str
    freq: str
    kind: Annotated[Literal["instant", "date", "step"], Field(description="what `ds` counts")]
    season: int
    horizon: int
    zone: str | None
    target: str
    series: Annotated[int, Field(description="series that the key reaches")]
    promotion_id: Annotated[int, Field(description="the decision by which a version serves, for If-Match; 0: none")]
    model: Annotated[Model | None, Field(description="the one that answers")]
    since: str | None
    problem: Annotated[str | None, Field(description="why the promoted model, or the one in shadow, is not there")]
    shadow: Annotated[Model | None, Field(description="the one that rolls in shadow")]
    previous: Annotated[Model | None, Field(description="the one to which a rollback returns")]
    trouble: Annotated[
        dict[str, int], Field(description="series that the key reaches in each class of trouble, the worst first")
    ]
    newest: Annotated[Ds | None, Field(description="the newest step of any series that the key reaches")]
    last_row_at: Annotated[str | None, Field(description="when the newest row of the live log came")]
    last_ingest_at: Annotated[str | None, Field(description="when the last ingest ended")]
    overdue: Annotated[list[str], Field(description="flows of this dataset whose schedule is overdue")]
    quarantined: Annotated[int | None, Field(description="values in quarantine")]
    last_day: LastDay | None
    hours: Annotated[list[HourlyScores] | None, Field(description="the last 72 hours, oldest first")]


class Datasets(StrictBody):
    datasets: list[DatasetLine]
