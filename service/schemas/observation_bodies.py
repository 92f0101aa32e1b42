"""Bodies of observe requests and their answers, and of the past of a series."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, RootModel

from data.schema import LARGEST_VALUE, LONGEST_SYMBOL
from service.base.request_limits import MAX_ERRORS
from service.schemas.common_bodies import Ds, Fault, StrictBody, UniqueId

KEPT = "the first time from which every row is kept; null: no row is known"


class Observation(StrictBody):
    """One value of the series in the path."""

    ds: Ds
    y: Annotated[
        float | str | None,
        Field(
            description=f"a number within ±{LARGEST_VALUE:g}, or in a dataset of symbols a text of 1 to "
            f"{LONGEST_SYMBOL} characters; null: known to be missing"
        ),
    ]

    model_config = ConfigDict(json_schema_extra={"examples": [{"ds": "2014-02-19T15:25:00Z", "y": 71.3}]})


class SeriesObservation(Observation):
    """One value of any series."""

    unique_id: UniqueId
    dataset: Annotated[str | None, Field(description="needed only where several datasets have this id")] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"unique_id": "machine_temperature", "ds": "2014-02-19T15:25:00Z", "y": 71.3}]}
    )


class Observations(StrictBody):
    """Values of the series in the path; a bare list or a single row is accepted too."""

    observations: Annotated[list[Observation], Field(min_length=1)]


class SeriesObservations(StrictBody):
    """Values of any series; a bare list or a single row is accepted too."""

    observations: Annotated[list[SeriesObservation], Field(min_length=1)]


class Counts(StrictBody):
    """The number of rows by outcome; they add up to `received`."""

    applied: int
    duplicate: int
    corrected: int
    late: int
    quarantined: int
    ignored: int
    rejected: int


class Observed(StrictBody):
    """The outcome of each row. Rows that were not rejected or ignored are durable, and later forecasts take them in."""

    received: int
    counts: Counts
    outcomes: Annotated[
        list[Literal["applied", "duplicate", "corrected", "late", "quarantined", "ignored", "rejected"]],
        Field(
            description="one for each row, in the order sent; quarantined: the value broke a quality rule, or its "
            "clock was not set; it is kept, and forecasts take it as missing until it is released; ignored: the row is "
            "of a closed day, such as a Saturday in a dataset of weekdays, and has no value or that of the step "
            "before; it is not stored"
        ),
    ]
    errors: Annotated[list[Fault], Field(description=f"why rows were rejected: the first {MAX_ERRORS} of them")]
    snapped: Annotated[
        int, Field(description="stamps between two steps of the grid; the nearest step took each of them")
    ]
    shifts: Annotated[
        int, Field(description="series whose quarantined values were let in with this request, as they agree")
    ]
    sequence: Annotated[int, Field(description="position of the log that forecasts now know")]


class HeldRow(StrictBody):
    """A value in quarantine."""

    index: int
    y: float | str | None
    rule: str


class ObservedRows(StrictBody):
    """A page of rows. A step without a row is left out."""

    dataset: str
    unique_id: UniqueId
    freq: str
    kind: Literal["instant", "date", "step"]
    ds: list[Ds]
    y: Annotated[
        list[float | str | None],
        Field(description="numbers or symbols; null: known to be missing, or in quarantine"),
    ]
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
