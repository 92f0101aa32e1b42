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
from service.http.errors import FieldFault, error_list, unprocessable
from service.models.datasets import Directory
from service.observe import arrivals
from service.observe.births import Birth, Newborn
from service.observe.observe_body import ObserveBody, rows_in

FIELDS = {"unique_id", "dataset"}


class Creation(StrEnum):
    """What became of one series that a client asked for."""

    CREATED = "created"
    EXISTS = "exists"
    REJECTED = "rejected"  # not created; the answer gives the reason


@dataclass(frozen=True)
class AskedSeries:
    """The series of one request: `newborn` by place in the body, those that exist, and why the others are refused."""

    body: ObserveBody
    newborn: dict[int, Newborn]
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
            newborn = _newborn(directory, row["unique_id"], row.get("dataset"))
        except InvalidInput as error:
            asked.refused.append((place, FieldFault(body.pointer(place) + (error.pointer or "/unique_id"), str(error))))
        else:
            if newborn is None:
                asked.existing.append(place)
            else:
                asked.newborn[place] = newborn
    if len(asked.refused) == len(body.rows):
        raise unprocessable("every_row_rejected", [fault for _, fault in asked.refused[:MAX_ERRORS]])
    return asked


def answer(asked: AskedSeries, births: Sequence[Birth | None]) -> dict[str, Any]:
    """The answer's body; births: of `asked.newborn`, None beyond the quota.

    Raises ProblemError (429) where the quota let none of the series be created and none exists.
    """
    outcomes = [Creation.REJECTED] * len(asked.body.rows)
    refused = list(asked.refused)
    for place in asked.existing:
        outcomes[place] = Creation.EXISTS
    for place, birth in zip(asked.newborn, births, strict=True):
        if birth is None:
            refused.append((place, arrivals.beyond_quota(asked.body, place)))
        else:
            outcomes[place] = Creation.CREATED if birth.created else Creation.EXISTS
    faults = [fault for _, fault in sorted(refused)]
    if len(faults) == len(outcomes):
        raise arrivals.too_many_series(faults)
    counts = {outcome.value: outcomes.count(outcome) for outcome in Creation}
    return {"received": len(outcomes), "counts": counts, "outcomes": outcomes, "errors": error_list(faults)}


def _shape_fault(pointer: str, row: Any) -> FieldFault | None:
    if type(row) is not dict:
        return FieldFault(pointer, "must be an object")
    if not row.keys() <= FIELDS:
        return FieldFault(pointer, "has a field beside unique_id and dataset")
    if type(row.get("unique_id")) is not str:
        return FieldFault(f"{pointer}/unique_id", "must be a string" if "unique_id" in row else "is missing")
    if type(row.get("dataset")) not in (str, type(None)):
        return FieldFault(f"{pointer}/dataset", "must be a string")
    return None


def _newborn(directory: Directory, unique_id: str, dataset: str | None) -> Newborn | None:
    """The series to be created; None where it exists. Raises InvalidInput, where it cannot be, with a pointer."""
    try:
        directory.find(unique_id, dataset)
        return None
    except AmbiguousSeries:
        raise InvalidInput("is a series of several datasets; say which with `dataset`") from None
    except NotFound:
        pass
    arrivals.require_unique_id(unique_id)
    if dataset is None:
        target = arrivals.unborn(directory, unique_id, None)
        if target is None:
            raise InvalidInput("is missing, and no dataset creates series by itself", pointer="/dataset")
        return Newborn(target.served, unique_id)
    if dataset not in directory.datasets:
        raise InvalidInput("is not a dataset", pointer="/dataset")
    if not directory.reach.reaches(dataset, unique_id):
        raise InvalidInput("is not a series that this key may write")
    return Newborn(directory.datasets[dataset], unique_id)
