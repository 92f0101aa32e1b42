"""Bodies about the past of a series."""

from typing import Annotated, Literal

from pydantic import Field, RootModel

from service.schemas.common_bodies import Ds, StrictBody, UniqueId

KEPT = "the first time from which every row is kept; null: no row is known"


class HeldRow(StrictBody):
    """A value in quarantine."""

    index: int
    y: float
    rule: str


class ObservedRows(StrictBody):
    """A page of rows. A step without a row is left out."""

    dataset: str
    unique_id: UniqueId
    freq: str
    kind: Literal["instant", "date", "step"]
    ds: list[Ds]
    y: Annotated[list[float | None], Field(description="null: known to be missing, or in quarantine")]
    imputed: Annotated[
        list[int], Field(description="places of missing values, which the state filled with its own forecast")
    ]
    corrected: Annotated[list[int], Field(description="places of values that replaced another one")]
    quarantined: Annotated[list[HeldRow], Field(description="values that broke a quality rule, by their places")]
    available_from: Annotated[Ds | None, Field(description=KEPT)]
    next: Annotated[
        Ds | None, Field(description="`from` of the next page, with order=desc its `to`; null on the last one")
    ]


class BinColumns(StrictBody):
    """Bins in the order of time; those without a value are left out."""

    ds: Annotated[list[Ds], Field(description="first step of each")]
    last_ds: Annotated[list[Ds], Field(description="last step of each")]
    low: Annotated[list[float], Field(description="least value")]
    high: Annotated[list[float], Field(description="largest value")]
    last: Annotated[list[float], Field(description="last value")]


class ObservedBins(StrictBody):
    """The past in at most `points` bins."""

    dataset: str
    unique_id: UniqueId
    freq: str
    kind: Literal["instant", "date", "step"]
    bins: BinColumns
    available_from: Annotated[Ds | None, Field(description=KEPT)]


class SeriesPast(RootModel[ObservedRows | ObservedBins]):
    """Rows, or with `points` bins."""
