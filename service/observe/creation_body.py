"""Series that a client asks to create: {"unique_id": …, "dataset": …}, a list of these, or {"series": list}.

As with observations, a body with a series of another shape is refused as a whole. A series of the right shape that
cannot be created is rejected, and the others are created.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from data.errors import AmbiguousSeries, InvalidInput, NotFound
from service.base.request_limits import MAX_ERRORS
from service.http.errors import FieldFault, error_list, too_much, unprocessable
from service.models.datasets import Directory
from service.observe import arrivals, row_reader
from service.observe.observe_body import ObserveBody, rows_in
from service.observe.series_creation import CreatedSeries, UnbornSeries

FIELDS = ("unique_id", "dataset")


class CreationOutcome(StrEnum):
    """What became of one series that a client asked for."""

    CREATED = "created"
    EXISTS = "exists"
    REJECTED = "rejected"  # not created; the answer gives the reason


@dataclass(frozen=True)
class AskedSeries:
    """The series of one request, by place in the body: to be created, existing, and refused with the reason."""

    body: ObserveBody
    new_series: dict[int, UnbornSeries]
    existing: list[int]
    refused: list[tuple[int, FieldFault]]


def read(document: Any, directory: Directory) -> AskedSeries:
    """Check every series of a body.

    Raises ProblemError (422): one has another shape, or none exists or can be created.
    """
    body = rows_in(document, "series")
    misshapen = [fault for place, row in enumerate(body.rows) if (fault := _shape_fault(body.pointer(place), row))]
    if misshapen:
        raise unprocessable("invalid_series", misshapen[:MAX_ERRORS])
    asked = AskedSeries(body, {}, [], [])
    for place, row in enumerate(body.rows):
        try:
            series = _new_series(directory, row["unique_id"], row.get("dataset"))
        except InvalidInput as error:
            asked.refused.append((place, FieldFault(body.pointer(place) + (error.pointer or "/unique_id"), str(error))))
        else:
            if series is None:
                asked.existing.append(place)
            else:
                asked.new_series[place] = series
    if len(asked.refused) == len(body.rows):
        raise unprocessable("every_row_rejected", [fault for _, fault in asked.refused[:MAX_ERRORS]])
    return asked


def answer(asked: AskedSeries, created: Sequence[CreatedSeries | None]) -> dict[str, Any]:
    """The answer's body; created: of `asked.new_series`, None beyond the quota.

    Raises ProblemError (429) where the quota let none of the series be created and none exists.
    """
    outcomes = [CreationOutcome.REJECTED] * len(asked.body.rows)
    refused = list(asked.refused)
    for place in asked.existing:
        outcomes[place] = CreationOutcome.EXISTS
    for place, series in zip(asked.new_series, created, strict=True):
        if series is None:
            refused.append((place, arrivals.beyond_quota(asked.body, place)))
        else:
            outcomes[place] = CreationOutcome.CREATED if series.created else CreationOutcome.EXISTS
    faults = [fault for _, fault in sorted(refused)]
    if len(faults) == len(outcomes):
        raise arrivals.too_many_series(faults)
    counts = {outcome.value: outcomes.count(outcome) for outcome in CreationOutcome}
    return {"received": len(outcomes), "counts": counts, "outcomes": outcomes, "errors": error_list(faults)}


def _shape_fault(pointer: str, row: Any) -> FieldFault | None:
    if type(row) is not dict:
        return FieldFault(pointer, "must be an object")
    if message := too_much(row, FIELDS):
        return FieldFault(pointer, message)
    if type(row.get("unique_id")) is not str:
        return FieldFault(f"{pointer}/unique_id", "must be a string" if "unique_id" in row else "is missing")
    if type(row.get("dataset")) not in (str, type(None)):
        return FieldFault(f"{pointer}/dataset", "must be a string")
    return None


def _new_series(directory: Directory, unique_id: str, dataset: str | None) -> UnbornSeries | None:
    """The series to be created; None where it exists. Raises InvalidInput, where it cannot be, with a pointer."""
    try:
        directory.find(unique_id, dataset)
        return None
    except AmbiguousSeries:
        raise InvalidInput("is a series of several datasets; say which with `dataset`") from None
    except NotFound:
        pass
    row_reader.require_unique_id(unique_id)
    if dataset is None:
        target = row_reader.new_target(directory, unique_id, None)
        if target is None:
            raise InvalidInput("is missing, and no dataset creates series by itself", pointer="/dataset")
        return UnbornSeries(target.served, unique_id)
    if dataset not in directory.datasets:
        raise InvalidInput("is not a dataset", pointer="/dataset")
    if not directory.reach.reaches(dataset, unique_id):
        raise InvalidInput("is not a series that this key may write")
    return UnbornSeries(directory.datasets[dataset], unique_id)
