"""The same rows, sent to the service or read from a file, belong to the same steps, and the same ones are rejected."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.options import SourceOptions
from data.grid.grid import Grid, make_grid
from data.grid.stamps import parse_ds
from data.quality.conform import conform
from data.store.catalogue import Dataset
from service.http.errors import ProblemError
from service.models.datasets import Directory, Served
from service.observe.arrivals import read
from service.observe.observe_body import rows_in

NOW = parse_ds("2026-11-30T00:00:00Z", "instant")
EDGES = [  # changes of clocks, in UTC: forward and back
    ("Europe/Berlin", "2024-03-31T01:00", "2024-10-27T01:00"),
    ("America/New_York", "2024-03-10T07:00", "2024-11-03T06:00"),
    ("America/Sao_Paulo", "2018-11-04T03:00", "2019-02-17T02:00"),  # at midnight: that day has none
    ("Australia/Lord_Howe", "2024-10-05T15:30", "2024-04-06T15:00"),  # by half an hour
    ("Pacific/Apia", "2011-12-30T10:00", "2012-03-31T14:00"),  # 30 December 2011 was left out
    ("Asia/Kolkata", "2024-03-31T01:00", "2024-10-27T01:00"),  # none
]
FREQUENCIES = ["5m", "1h", "1d", "1w", "1mo"]
ROWS = 4  # so few that no file is refused as a whole for what is wrong with some of its rows


@dataclass(frozen=True)
class Found:
    """The steps that have a row, how many rows were rejected, and the place of the first of these."""

    steps: set[int]
    rejected: int
    first_rejected: int | None


def by_file(stamps: list[str], grid: Grid, zone: str | None) -> Found:
    raw = pl.DataFrame({ROW: range(1, len(stamps) + 1), "unique_id": "a", "ds": stamps, "y": 1.0})
    try:
        result = conform(raw, SourceOptions(tz=zone, freq=grid.freq, keep="last"), "plant.csv", grid)
    except InvalidInput as refusal:
        if re.search("no row has a local time that exists|none is midnight", str(refusal)) is None:
            raise
        return Found(set(), len(stamps), 0)
    first = min((reason["first"]["row"] for reason in result.report.reasons.values()), default=None)
    steps = set(grid.steps(result.frame["ds"].to_numpy()).tolist())
    return Found(steps, result.report.rejected, None if first is None else first - 1)


def by_request(stamps: list[str], grid: Grid, zone: str | None) -> Found:
    dataset = Dataset(1, "plant", grid, 12, 6, zone, "y", False, 0)
    directory = Directory.of({"plant": Served(dataset, {"a": 1})})
    body = rows_in([{"unique_id": "a", "ds": stamp, "y": 1.0} for stamp in stamps])
    try:
        received = read(body, directory, NOW, 0)
    except ProblemError as refusal:
        if refusal.code != "every_row_rejected":
            raise
        return Found(set(), len(stamps), 0)
    steps = {step for part in received.parts for step in part.rows.steps.tolist()}
    return Found(steps, len(received.faults), received.refused[0][0] if received.refused else None)


near_edge = st.tuples(st.sampled_from(EDGES), st.sampled_from([1, 2]))
seconds = st.lists(
    st.integers(-4 * 86_400, 4 * 86_400).map(lambda s: s // 60 * 60), min_size=1, max_size=ROWS, unique=True
)
local_forms = st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S.000000999", "%d.%m.%Y %H:%M"])


@pytest.mark.parametrize("freq", FREQUENCIES)
@given(near_edge, seconds, local_forms)
def test_local_times_around_a_change_of_clocks(freq, edge, distances, form):
    (zone, *edges), which = edge
    at = datetime.fromisoformat(edges[which - 1]).replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    stamps = [(at + timedelta(seconds=distance)).strftime(form) for distance in distances]
    grid = make_grid(freq)
    assert by_request(stamps, grid, zone) == by_file(stamps, grid, zone)


@pytest.mark.parametrize("freq", FREQUENCIES)
@given(near_edge, seconds, st.sampled_from(["%z", "%:z", "Z", " UTC"]), st.booleans())
def test_times_with_offsets_around_a_change_of_clocks(freq, edge, distances, offset, zone_is_known):
    (zone, *edges), which = edge
    at = datetime.fromisoformat(edges[which - 1]).replace(tzinfo=UTC)
    place = UTC if offset in ("Z", " UTC") else ZoneInfo(zone)
    moments = [(at + timedelta(seconds=distance)).astimezone(place) for distance in distances]
    assume(zone_is_known or place is not UTC)  # days in UTC: see below
    stamps = [f"{moment:%Y-%m-%dT%H:%M:%S}{_offset(moment, offset)}" for moment in moments]
    grid = make_grid(freq)
    known = zone if zone_is_known else None
    found = by_request(stamps, grid, known)
    assert found == by_file(stamps, grid, known)
    assert found.rejected == 0


def _offset(moment: datetime, form: str) -> str:
    text = f"{moment:%z}"
    return {"%z": text, "%:z": f"{text[:3]}:{text[3:]}"}.get(form, form)


@pytest.mark.parametrize("freq", ["1d", "1w", "1mo"])
def test_days_in_utc_that_are_not_midnight_need_a_zone(freq):
    grid, stamps = make_grid(freq), ["2024-01-01T23:00:00Z", "2024-02-05T23:00:00Z"]
    assert by_request(stamps, grid, None) == by_file(stamps, grid, None) == Found(set(), 2, 0)
    known = by_request(stamps, grid, "Europe/Paris")
    assert known == by_file(stamps, grid, "Europe/Paris") == by_file(["2024-01-02", "2024-02-06"], grid, None)


@pytest.mark.parametrize("freq", FREQUENCIES)
def test_a_date_alone_is_midnight_below_a_day(freq):
    grid, stamps = make_grid(freq), ["2024-01-31", "2024-02-29"]
    found = by_request(stamps, grid, "Europe/Berlin")
    assert found == by_file(stamps, grid, "Europe/Berlin")
    assert len(found.steps) == 2
