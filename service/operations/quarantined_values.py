"""Values in quarantine as they are listed, and their release."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Engine

from data.changes import releases
from data.grid.stamps import format_ds, format_moment
from data.records import jobs, quarantine
from data.records.quarantine import CLOCK, LIVE, VOCABULARY, QuarantinedValue
from data.store.series_patterns import Patterns
from service.forecast.query_params import QuarantineQuery
from service.http.errors import FieldFault, ProblemError, unprocessable
from service.models.datasets import Directory, Served, Target
from service.operations.moments import moment_or_none
from service.operations.run_lines import job_line

READ = 1000  # values that are read at once
UNSET_CLOCK = (
    "A value was stamped by a clock that was not set; `rollcast quarantine release --force` says where it would go."
)
OUTSIDE = (
    "A symbol outside the vocabulary cannot be released: no model knows it. Send the right symbol for its time, or "
    "ingest the series under another name."
)
Found = tuple[Served, QuarantinedValue]


def page(engine: Engine, directory: Directory, query: QuarantineQuery, target: Target | None) -> dict[str, Any]:
    """A page of values, newest first, of series that the caller reaches; target: of this series alone."""
    found = []
    for value in _values(engine, directory, query, target):
        found.append(value)
        if len(found) > query.limit:
            break
    lines = [_line(*value) for value in found[: query.limit]]
    return {"values": lines, "next": lines[-1]["id"] if len(found) > query.limit else None}


def _values(engine: Engine, directory: Directory, query: QuarantineQuery, target: Target | None) -> Iterator[Found]:
    datasets = {target.served.dataset.id: target.served} if target else _datasets(directory, query.dataset)
    series, before = target.series if target else None, query.before
    while datasets:
        found = quarantine.page(engine, datasets.keys(), series, query.released, READ, before)
        for dataset_id, value in found:
            if _is_reached(directory.reach, datasets[dataset_id], value):
                yield datasets[dataset_id], value
        if len(found) < READ:
            return
        before = found[-1][1].id


def _datasets(directory: Directory, wanted: str | None) -> dict[int, Served]:
    return {served.dataset.id: served for name, served in directory.datasets.items() if wanted in (None, name)}


def _is_reached(reach: Patterns, served: Served, value: QuarantinedValue) -> bool:
    return reach.unlimited or reach.reaches(served.name, value.unique_id)


def _line(served: Served, value: QuarantinedValue) -> dict[str, Any]:
    grid = served.dataset.grid
    stamp = grid.label_stamps(grid.steps([value.ds]), served.labels.get(value.series_id, 0))
    return {
        "id": value.id,
        "dataset": served.name,
        "unique_id": value.unique_id,
        "ds": format_ds(int(stamp[0]), grid.kind),
        "y": value.word or served.dataset.shown(value.y),
        "rule": value.rule,
        "live": value.source == LIVE,
        "at": format_moment(value.at),
        "released_at": moment_or_none(value.released),
    }


def release(engine: Engine, reach: Patterns, served: Served, ids: Sequence[int], by: str) -> tuple[int, dict[str, Any]]:
    """Release values: status and body of the answer. 200 where the live log has the times of all of them; else 202 and
    a job, because whether their times have other values by now stands in the lake, which the service never opens.

    Raises ProblemError: 422 for an id that is not in quarantine, 409 for a value of a clock that was not set.
    """
    found = {value.id: value for value in quarantine.find(engine, served.dataset.id, ids)}
    for place, number in enumerate(ids):
        if number not in found or not _is_reached(reach, served, found[number]):
            fault = FieldFault(f"/ids/{place}", "is not a value in quarantine; GET /v1/quarantine lists them")
            raise unprocessable("not_quarantined", [fault])
    chosen = list(found.values())
    if any(value.rule == VOCABULARY for value in chosen):
        raise ProblemError(409, "not_for_symbols", OUTSIDE)
    if any(value.rule == CLOCK for value in chosen):
        raise ProblemError(409, "unset_clock", UNSET_CLOCK)
    logged, elsewhere = releases.held_in_log(engine, served.dataset.id, chosen)
    if elsewhere:
        words = f"release of {len(chosen)} values, asked for over HTTP by {by}"
        job = jobs.ask_release(engine, served.dataset.id, words, {"by": by, "ids": sorted(found)}).job
        assert job is not None  # noqa: S101
        return 202, job_line(job, served.name)
    releases.store_released(engine, served.dataset.id, chosen, logged)
    return 200, {"dataset": served.name, "released": len(chosen), "superseded": len(chosen) - len(logged)}
