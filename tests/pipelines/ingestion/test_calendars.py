"""Calendars go on as a dataset grows: no step without a session, and no value on another day."""

from datetime import date, timedelta
from functools import partial

import exchange_calendars
import numpy as np
import pytest

from data import clock
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import DAY, HOUR
from data.grid.stamps import format_all, parse_ds
from data.store import catalogue, promotions, registry
from forecasting.rivals import Rivals
from forecasting.rolling.bundle import to_bytes
from pipelines.history.ends import read_ends
from pipelines.history.history import read_history
from pipelines.ingestion.ingest import ingest
from pipelines.monitoring.monitor import monitor_all
from states import build_champion
from states.contexts import pack_contexts
from tests.support.loop_kit import workspace_at
from tests.support.service_kit import network


@pytest.fixture
def workspace(home):
    return workspace_at(home)


@pytest.fixture
def at(monkeypatch):
    """Sets the program's clock to 23:00 UTC of a day."""
    return lambda day: monkeypatch.setattr(clock, "now", lambda: parse_ds(str(day), "date") + 23 * HOUR)


def sessions(exchange, first, last):
    """The exchange's own sessions, from the library itself."""
    return exchange_calendars.get_calendar(exchange, start=first, end=last).schedule


def days_between(first, last):
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def put(workspace, folder, name, rows, **options):
    """Ingest rows of (ds, y) as one file."""
    path = folder / f"{name}.csv"
    path.write_text("ds,y\n" + "".join(f"{ds},{'' if y is None else y}\n" for ds, y in rows))
    return ingest(workspace, str(path), name, SourceOptions(**options))


def dataset_of(workspace, name="p"):
    return catalogue.dataset(workspace.engine, name)


def last_step(workspace):
    return int(read_ends(workspace, dataset_of(workspace)).last[0])


def lake(workspace):
    rows = workspace.lake.read(1).sort("ds")
    dataset = dataset_of(workspace)
    return dict(zip(format_all(rows["ds"].to_numpy(), dataset.kind), rows["y"], strict=True))


FRIDAY = [("2024-02-29", 12), ("2024-03-01", 13)]


def test_a_later_file_whose_saturday_repeats_the_stored_friday_stores_nothing(workspace, tmp_path):
    put(workspace, tmp_path, "p", FRIDAY, freq="1b")
    result = put(workspace, tmp_path, "p", [("2024-03-02", 13), ("2024-03-03", 13)])
    assert (result.added, result.report["closed_dropped"], result.report["rejected"]) == (0, 2, 0)
    assert lake(workspace) == {"2024-02-29": 12, "2024-03-01": 13}
    assert put(workspace, tmp_path, "p", [("2024-03-02", 13), ("2024-03-03", 13)]).repeated


def test_a_later_file_whose_saturday_says_something_else_is_refused(workspace, tmp_path):
    put(workspace, tmp_path, "p", FRIDAY, freq="1b")
    with pytest.raises(InvalidInput, match="2024-03-02 is a Saturday"):
        put(workspace, tmp_path, "p", [("2024-03-02", 888)])
    result = put(workspace, tmp_path, "p", [("2024-03-02", 888), ("2024-03-04", 14)])
    assert (result.added, result.report["rejected"]) == (1, 1)
    assert lake(workspace) == {"2024-02-29": 12, "2024-03-01": 13, "2024-03-04": 14}


def test_a_dry_run_leaves_the_calendar_as_it_is(workspace, tmp_path, at):
    at("2022-12-01")
    put(workspace, tmp_path, "p", [("2022-11-30", 1), ("2022-12-01", 2)], freq="XNYS")
    before = dataset_of(workspace)
    at("2024-12-20")
    path = tmp_path / "p.csv"
    path.write_text("ds,y\n2024-12-20,3\n")
    assert ingest(workspace, str(path), "p", SourceOptions(), dry_run=True).added == 1
    assert dataset_of(workspace).grid == before.grid


def test_christmas_is_no_step_for_a_dataset_that_was_made_two_years_before(workspace, tmp_path, at):
    at("2022-12-01")
    put(workspace, tmp_path, "p", [("2022-11-30", 1), ("2022-12-01", 2)], freq="XNYS")
    at("2024-12-24")
    put(workspace, tmp_path, "p", [("2024-12-24", 3)])
    eve = last_step(workspace)
    at("2024-12-26")
    put(workspace, tmp_path, "p", [("2024-12-25", 3), ("2024-12-26", 4)])
    assert last_step(workspace) == eve + 1
    assert lake(workspace)["2024-12-26"] == 4


def test_the_monitor_renews_calendars_too(workspace, tmp_path, at):
    at("2022-12-01")
    put(workspace, tmp_path, "p", [("2022-11-30", 1), ("2022-12-01", 2)], freq="XNYS")
    at("2023-12-01")
    monitor_all(workspace)
    grid = dataset_of(workspace).grid
    assert grid.sessions.days[-1] == parse_ds("2024-11-29", "date") // DAY
    assert not grid.place([parse_ds("2024-07-05", "date")]).refused[0]
    assert grid.place([parse_ds("2024-07-04", "date")]).refused[0]


def replay(workspace, folder, at, exchange, first, last, every_day):
    """Ingest the days of a time one by one, each by the clock of its evening, and give the last step after each.

    every_day: a source that writes every calendar day; closed ones repeat the value of the session before.
    """
    is_open = {day.date() for day in sessions(exchange, str(first), str(last)).index}
    reached, value = [], 100
    for day in days_between(first, last):
        at(day)
        value += day in is_open
        if day in is_open or (every_day and reached):
            put(workspace, folder, "p", [(day, value)])
        if day in is_open:
            reached.append(last_step(workspace))
    return reached, {str(day): float(100 + number) for number, day in enumerate(sorted(is_open), 1)}


def check_replay(workspace, folder, at, exchange, first, last, every_day=False):
    """Daily ingests into a dataset that was made long before, so that its announced sessions have run out."""
    born = first - timedelta(days=500)
    at(born)
    history = [str(day.date()) for day in sessions(exchange, str(born - timedelta(days=20)), str(born)).index]
    put(workspace, folder, "p", [(day, 1) for day in history], freq=exchange)
    reached, wanted = replay(workspace, folder, at, exchange, first, last, every_day)
    assert np.diff(reached).tolist() == [1] * (len(reached) - 1)  # each session is the step after the one before
    assert {day: value for day, value in lake(workspace).items() if day not in history} == wanted
    grid = dataset_of(workspace).grid
    assert list(format_all(grid.stamps(reached), "date")) == sorted(wanted)


@pytest.mark.parametrize(("exchange", "every_day"), [("XNYS", True), ("XSAU", False)])
def test_some_weeks_of_daily_ingests_have_a_step_for_each_session(workspace, tmp_path, at, exchange, every_day):
    check_replay(workspace, tmp_path, at, exchange, date(2024, 12, 23), date(2025, 1, 3), every_day)


@pytest.mark.slow
@pytest.mark.parametrize("exchange", ["XNYS", "XSAU"])
def test_two_years_of_daily_ingests_have_a_step_for_each_session(workspace, tmp_path, at, exchange):
    check_replay(workspace, tmp_path, at, exchange, date(2023, 12, 1), date(2025, 11, 30))


def bars(schedule):
    """The five-minute bars of each session, as stamps in UTC."""
    step = np.timedelta64(5, "m")
    columns = [schedule[name].dt.tz_localize(None).to_numpy() for name in ("open", "close")]
    return [np.arange(opens, closes, step).astype("datetime64[s]") for opens, closes in zip(*columns, strict=True)]


def serve_network(workspace):
    """Promote a small network with random weights, whose contexts end with the history."""
    panel = read_history(workspace, "p").panel
    bundle = network(panel)
    version = registry.add_model(workspace.engine, 1, "lstm", bundle.digest, {}, to_bytes(bundle))
    rival = Rivals.of(bundle.manifest, bundle.config).lags(panel.ids)
    values = panel.tail_matrix(bundle.config.context)
    blobs = pack_contexts(np.array([1]), values, panel.last, rival, bundle.fingerprint, "history")
    promotions.decide(workspace.engine, 1, version, "promoted", {}, blobs, 0)


def champion_of(workspace):
    dataset = dataset_of(workspace)
    return build_champion.build(workspace.engine, dataset, promotions.served(workspace.engine, dataset.id))[0]


def check_bars(workspace, folder, at, first, last, look_every):
    """Ingests of a session's bars each, and a look at the state on each `look_every`-th Monday."""
    begin = first - timedelta(days=500)
    at(first - timedelta(days=1))
    write = partial(put, workspace, folder, "p")
    history = np.concatenate(bars(sessions("XNYS", str(begin), str(first - timedelta(days=1)))))
    draw = np.random.default_rng(0)
    values = 100 + np.cumsum(draw.standard_normal(len(history)))
    write(zip((f"{stamp}Z" for stamp in history), values, strict=True), freq="XNYS:5m")
    serve_network(workspace)
    step, mondays = last_step(workspace), 0
    schedule = sessions("XNYS", str(first), str(last))
    for day, stamps in zip(schedule.index, bars(schedule), strict=True):
        at(day.date())
        write((f"{stamp}Z", value) for stamp, value in zip(stamps, draw.standard_normal(len(stamps)), strict=True))
        step += len(stamps)
        assert last_step(workspace) == step
        mondays += day.weekday() == 0
        if day.weekday() == 0 and mondays % look_every == 0:
            champion = champion_of(workspace)
            (found,) = champion.states.read_all([1]).rows(1)
            assert (found.state.origin[0], found.state.imputed[0], found.state.reanchored[0]) == (step, 0, 0)
            assert champion.roller.warming(found.state, np.array([0])).tolist() == [False]
    assert mondays
    assert not np.isnan(read_history(workspace, "p").panel.values).any()  # a value for each step


def test_two_weeks_of_five_minute_bars_have_no_gap_and_no_warming_monday(workspace, tmp_path, at):
    check_bars(workspace, tmp_path, at, date(2024, 11, 22), date(2024, 12, 3), 1)


@pytest.mark.slow
def test_two_years_of_five_minute_bars_have_no_gap_and_no_warming_monday(workspace, tmp_path, at):
    check_bars(workspace, tmp_path, at, date(2023, 12, 1), date(2025, 11, 30), 10)
