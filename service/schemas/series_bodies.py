"""Bodies about series and their states."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common_bodies import Ds, Model, Reliability, StrictBody, UniqueId


class Layer(StrictBody):
    """The recurrent state of one layer. The layers of several networks follow one another."""

    hidden_norm: float
    carry_norm: Annotated[float | None, Field(description="of an LSTM")]
    gates: Annotated[dict[str, float], Field(description="mean opening in the next step: 0 closed, 1 open")]


class Vintage(StrictBody):
    """The forecast that arriving values are scored against at the moment."""

    origin: Ds
    settled: Annotated[int, Field(description="its steps that have passed")]


class State(Reliability):
    """The state of one series."""

    dataset: str
    unique_id: UniqueId
    model: Model
    origin: Ds
    sequence: int
    last: Annotated[float, Field(description="last value; in a gap the value before it")]
    gap: Annotated[int, Field(description="steps since the last real value")]
    expected: Annotated[float | None, Field(description="median of the next step")]
    vintage: Vintage | None
    widening: Annotated[
        list[float], Field(description="learned factor on the width of the intervals, by horizon bucket")
    ]
    round: Annotated[
        list[float],
        Field(
            description="mean difference between each phase of the cycle and the level at its time, in units of the "
            "series, beginning with the next step; empty for a model without a cycle memory"
        ),
    ]
    layers: list[Layer]
    bytes: Annotated[int, Field(description="memory of this state")]


class SeriesSummary(Reliability):
    """One line of the listing."""

    dataset: str
    unique_id: UniqueId
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


class SeriesPage(StrictBody):
    """One page of series, ordered by id and dataset."""

    series: list[SeriesSummary]
    total: Annotated[int, Field(description="number of series on all pages")]
    next: Annotated[str | None, Field(description="`cursor` of the next page; null on the last one")]
