"""What a deletion means: which rows of lake and log, which series, and whose past changes. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from data.changes import ingests
from data.changes.deletions import Kind
from data.changes.ingests import IngestRecord
from data.changes.log_rows import LogRows
from data.errors import Conflict, InvalidInput, UnknownSeries
from data.lake.erase import Erasure
from data.records import quarantine
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Plan:
    """What is taken away.

    erasure  rows of the history in the lake; logged: rows of the live log
    issued   rows of issued forecasts; None where they stay
    series   surrogate id -> name of the series whose past changes
    dropped  those that go as a whole
    ingest   the ingest that is taken back
    """

    dataset: Dataset
    kind: Kind
    erasure: Erasure
    logged: LogRows
    issued: Erasure | None
    series: dict[int, str]
    dropped: tuple[int, ...] = ()
    ingest: IngestRecord | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.series.values())

    def with_past(self, past: Sequence[int], known: Sequence[tuple[int, str]]) -> Plan:
        """The same plan, whose `series` are also those of `past`: a run that continues finds fewer rows in the lake."""
        wanted = set(self.series) | set(past)
        return replace(self, series={number: name for number, name in known if number in wanted})

    def takes(self, ds: int) -> bool:
        """Whether the rows of this time are taken from every series of the plan."""
        first, last = self.erasure.first, self.erasure.last
        return self.kind == "rows" and (first is None or first <= ds) and (last is None or ds <= last)


def make_plan(
    workspace: Workspace, dataset: Dataset, kind: Kind, asked: Mapping[str, Any], upto: int | None = None
) -> Plan:
    """The plan for a request as `data.changes.deletions` stores it.

    upto: the largest id of a series that the request can mean by a name; None: any.

    Raises:
        NotFound: the dataset has no such series or ingest.
        InvalidInput: the request names no row.
        Conflict: the ingest was taken back already.
    """
    if kind == "ingest":
        return plan_of_ingest(workspace, dataset, int(asked["ingest"]))
    series = find_series(workspace, dataset, asked.get("series") or None, upto)
    if kind == "series":
        if not asked.get("series"):
            raise InvalidInput("name the series to delete; `rollcast series list` shows them")
        erasure = Erasure(series=tuple(series.values()))
        return Plan(dataset, kind, erasure, LogRows(dataset.id, tuple(series)), erasure, series, tuple(series))
    first, last = asked.get("first"), asked.get("last")
    if first is None and last is None and not asked.get("series"):
        raise InvalidInput("give --series, --from or --to; `rollcast dataset delete` deletes everything")
    if first is not None and last is not None and first > last:
        raise InvalidInput("--from is after --to; no row can be between")
    some = bool(asked.get("series"))
    erasure = Erasure(tuple(series.values()) if some else None, first, last)
    logged = LogRows(dataset.id, tuple(series) if some else None, first, last)
    return Plan(dataset, kind, erasure, logged, erasure, series)


def find_series(
    workspace: Workspace, dataset: Dataset, wanted: Sequence[str] | None, upto: int | None = None
) -> dict[int, str]:
    """Surrogate id -> name of these series, with ids up to `upto`, or of the whole dataset. Raises UnknownSeries."""
    known = catalogue.series(workspace.engine, dataset.id)
    if wanted is None:
        return dict(known)
    numbers = {name: number for number, name in known if upto is None or number <= upto}
    for name in wanted:
        if name not in numbers:
            raise UnknownSeries(name, dataset.name)
    return dict(sorted((numbers[name], name) for name in set(wanted)))


def plan_of_ingest(workspace: Workspace, dataset: Dataset, number: int) -> Plan:
    """The plan that takes an ingest back. Issued forecasts stay: what was forecast from its rows was said."""
    record = ingests.find(workspace.engine, dataset.id, number)
    if record.undone_at is not None:
        raise Conflict(
            f"ingest {number} was taken back already; `rollcast ingest list {dataset.name}` shows the others"
        )
    if record.ended_at is None:  # it was killed, maybe before it could record its commit
        found = workspace.lake.commits_of(dataset.id, number)
        ingests.note_commits(workspace.engine, number, [(c.version, c.available_at, c.added) for c in found])
        record = ingests.find(workspace.engine, dataset.id, number)
    released = released_values(workspace, dataset, record)
    names = dict(catalogue.series(workspace.engine, dataset.id))
    numbers = {name: series for series, name in names.items()}
    cells = tuple((names[series], ds, y) for series, ds, y in released)
    erasure = Erasure(available_at=record.stamps, released=cells)
    logged = LogRows(dataset.id, ranges=record.log_ranges, released=released)
    stored = workspace.lake.matching(dataset.id, erasure)["unique_id"].to_list()
    own = {numbers[name] for name in stored if name in numbers} | logged.series_ids(workspace.engine)
    own |= {number for number in record.before.get("series", ()) if number in names}
    series = {number: names[number] for number in sorted(own)}
    return Plan(dataset, "ingest", erasure, logged, None, series, ingest=record)


def released_values(workspace: Workspace, dataset: Dataset, record: IngestRecord) -> tuple[tuple[int, int, float], ...]:
    """Series, `ds` and value of the values that this ingest put into quarantine, and that were released since."""
    after, upto = record.before.get("quarantined", (0, 0))
    held = quarantine.values(workspace.engine, dataset.id, released=True)
    own = [value for value in held if after < value.id <= upto and value.source == record.source]
    return tuple((value.series_id, value.ds, value.y) for value in own)
