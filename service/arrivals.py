"""Observations as a client sent them, checked to the last value and turned into columns; or refused as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.calendars import DAY, SECOND, parse_ds
from data.errors import AmbiguousSeries, InvalidInput, NotFound
from service.datasets import Directory, Served, Target
from service.errors import MAX_ERRORS, Fault, Problem, unprocessable
from service.states import BEGINNING

LARGEST_VALUE = 1e30  # beyond it squares and float32 overflow, and no sensor reads it
FURTHEST_STEPS = 1_000_000  # from a series' origin: back to a clock's zero; ahead for integer time, which has no clock
FIELDS = {"unique_id", "ds", "y", "dataset"}


@dataclass(frozen=True)
class Arrivals:
    """The rows of one request that belong to one dataset, in ascending order of time within each series.

    place (k,) position of each row in the request; series, ds, steps (k,) int64, ds snapped down to the grid;
    values (k,) float64, NaN = missing; snapped, how many stamps were off the grid.
    """

    served: Served
    place: np.ndarray
    series: np.ndarray
    ds: np.ndarray
    steps: np.ndarray
    values: np.ndarray
    snapped: int


@dataclass
class _Faults:
    """Faults of a request by the status they ask for; the worst kind answers."""

    invalid: list[Fault]
    unknown: list[Fault]
    ambiguous: list[Fault]
    candidates: set[str]

    @property
    def full(self) -> bool:
        return len(self.invalid) >= MAX_ERRORS

    def check(self) -> None:
        """Raises Problem when there are any."""
        if self.invalid:
            raise unprocessable("invalid_observation", self.invalid)
        if self.unknown:
            raise unknown_series(self.unknown)
        if self.ambiguous:
            raise ambiguous_series(self.ambiguous, sorted(self.candidates))


def unknown_series(faults: Sequence[Fault]) -> Problem:
    return Problem(404, "unknown_series", "There is no such series; GET /v1/series lists what there is.", faults)


def ambiguous_series(faults: Sequence[Fault], candidates: Sequence[str]) -> Problem:
    detail = "Several datasets have a series of this id; say which with `dataset`."
    return Problem(409, "ambiguous_series", detail, faults, candidates=list(candidates)[:MAX_ERRORS])


def rows_in(document: Any) -> tuple[str, list[Any]]:
    """The rows of a body, and the pointer to where they stand: a row, a list, or {"observations": list}."""
    prefix = ""
    if isinstance(document, dict) and "observations" in document:
        if len(document) > 1:
            raise unprocessable("invalid_body", [Fault("", "has fields beside `observations`")])
        prefix, document = "/observations", document["observations"]
    elif isinstance(document, dict):
        return "", [document]
    if not isinstance(document, list):
        raise unprocessable("invalid_body", [Fault(prefix, "must be a list of observations")])
    if not document:
        raise unprocessable("invalid_body", [Fault(prefix, "must hold at least one observation")])
    return prefix, document


def read(document: Any, directory: Directory, now: int, tolerance: int, only: Target | None = None) -> list[Arrivals]:
    """Check every row of a body.

    now: µs since 1970 UTC; tolerance: µs that a stamp may be ahead of it; only: the one series that the path named.

    Raises:
        Problem: 422, 404 or 409 with the pointers of up to 20 rows at fault; no row counts then.
    """
    prefix, rows = rows_in(document)
    lone = rows[0] is document
    faults = _Faults([], [], [], set())
    found: dict[tuple[Any, Any], Target | None] = {}
    columns: dict[str, tuple[Served, list[tuple[int, int, int, float]]]] = {}
    for place, row in enumerate(rows):
        pointer = prefix if lone else f"{prefix}/{place}"
        if not _is_row(row, pointer, faults, only):
            continue
        value = _value(row, pointer, faults)
        target = only or _target(row, pointer, directory, found, faults)
        if target is not None:
            ds = _stamp(row, pointer, target.served, now + tolerance, faults)
            if ds is not None and value is not None:
                _, kept = columns.setdefault(target.served.name, (target.served, []))
                kept.append((place, target.series, ds, value))
        if faults.full:
            break
    faults.check()
    arrivals = [_columns(served, kept) for served, kept in columns.values()]
    _not_too_far(arrivals, prefix, lone, faults)
    faults.check()
    return arrivals


def _is_row(row: Any, pointer: str, faults: _Faults, only: Target | None) -> bool:
    if type(row) is not dict:
        faults.invalid.append(Fault(pointer, "must be an object with ds and y"))
        return False
    if not row.keys() <= FIELDS:
        faults.invalid.append(Fault(pointer, "has a field beside unique_id, ds, y and dataset"))
        return False
    before = len(faults.invalid)
    needed = ("ds", "y") if only else ("unique_id", "ds", "y")
    faults.invalid.extend(Fault(f"{pointer}/{name}", "is missing") for name in needed if name not in row)
    for name, fixed in (("unique_id", only and only.unique_id), ("dataset", only and only.served.name)):
        if name not in row or (name == "dataset" and row[name] is None):
            continue
        if type(row[name]) is not str:
            faults.invalid.append(Fault(f"{pointer}/{name}", "must be a string"))
        elif fixed and row[name] != fixed:
            faults.invalid.append(Fault(f"{pointer}/{name}", "is not the series of the path"))
    return len(faults.invalid) == before


def _value(row: dict[str, Any], pointer: str, faults: _Faults) -> float | None:
    value = row["y"]
    if value is None:
        return float("nan")
    if type(value) is not float and type(value) is not int:
        faults.invalid.append(Fault(f"{pointer}/y", "must be a number, or null where it is missing"))
        return None
    if not -LARGEST_VALUE <= value <= LARGEST_VALUE:
        faults.invalid.append(Fault(f"{pointer}/y", f"must lie within ±{LARGEST_VALUE:g}"))
        return None
    return float(value)


def _target(
    row: dict[str, Any],
    pointer: str,
    directory: Directory,
    found: dict[tuple[Any, Any], Target | None],
    faults: _Faults,
) -> Target | None:
    key = row["unique_id"], row.get("dataset")
    if key in found and found[key] is not None:
        return found[key]
    found[key] = None
    try:
        found[key] = directory.find(*key)
    except NotFound:
        faults.unknown.append(
            Fault(f"{pointer}/unique_id", "is not a series of the dataset" if key[1] else "is not a series")
        )
    except AmbiguousSeries as error:
        faults.ambiguous.append(Fault(f"{pointer}/unique_id", "is a series of several datasets"))
        faults.candidates.update(error.datasets)
    return found[key]


def _stamp(row: dict[str, Any], pointer: str, served: Served, latest: int, faults: _Faults) -> int | None:
    kind = served.dataset.grid.kind
    try:
        ds = parse_ds(row["ds"], kind)
    except InvalidInput as error:
        faults.invalid.append(Fault(f"{pointer}/ds", str(error).removeprefix("ds ")))
        return None
    if kind != "step" and ds > (latest if kind == "instant" else latest + DAY):  # the date may be tomorrow's elsewhere
        faults.invalid.append(Fault(f"{pointer}/ds", "is too far in the future"))
        return None
    return ds


def _columns(served: Served, kept: list[tuple[int, int, int, float]]) -> Arrivals:
    place, series, ds, values = (np.array(column) for column in zip(*kept, strict=True))
    grid = served.dataset.grid
    steps = grid.steps(ds)
    snapped = grid.stamps(steps)
    order = np.lexsort((steps, series))  # stable: of one step sent twice the later row counts
    return Arrivals(
        served,
        place[order],
        series[order],
        snapped[order],
        steps[order],
        values[order].astype(np.float64),
        int((snapped != ds).sum()),
    )


def _not_too_far(arrivals: list[Arrivals], prefix: str, lone: bool, faults: _Faults) -> None:
    """A stamp that no gap explains, such as an unset clock's year 1, would be part of every history from then on.

    Ahead it matters for integer time alone, which has no clock: there it would silence the series for ever.
    """
    for part in arrivals:
        champion = part.served.champion
        if champion is None:
            continue
        reach = champion.states.origins(part.series)
        known = reach != BEGINNING
        wrong = {"behind": known & (part.steps < reach - FURTHEST_STEPS)}
        if part.served.dataset.grid.kind == "step":
            wrong["ahead of"] = known & (part.steps > reach + FURTHEST_STEPS)
        for side, rows in wrong.items():
            for place in part.place[rows][:MAX_ERRORS]:
                pointer = prefix if lone else f"{prefix}/{place}"
                faults.invalid.append(Fault(f"{pointer}/ds", f"is too far {side} the series' last step"))


def tolerance_us(seconds: int) -> int:
    return seconds * SECOND
