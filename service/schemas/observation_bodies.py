"""Bodies of observe requests and their answers."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from data.schema import LARGEST_VALUE
from service.base.request_limits import MAX_ERRORS
from service.schemas.common_bodies import Ds, Fault, StrictBody, UniqueId


class Observation(StrictBody):
    """One value of the series in the path."""

    ds: Ds
    y: Annotated[float | None, Field(description=f"within ±{LARGEST_VALUE:g}; null: known to be missing")]

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
