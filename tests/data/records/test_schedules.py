"""Schedules: when something is due, what is refused, and what is kept."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InvalidInput, NotFound
from data.records import schedules
from data.records.schedules import Schedule
from data.records.timetable import SECOND, Timetable, by_cron, by_interval, parse
from data.settings import load_settings

MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def utc(slot: int) -> str:
    return datetime.fromtimestamp(slot / SECOND, UTC).strftime("%m-%d %H:%M")


def test_a_market_closes_at_its_own_hour_in_summer_and_winter():
    close = by_cron("0 18 * * 1-5", "America/New_York")
    found, at = [], moment("2026-10-29T23:00")  # a Thursday; clocks go back on Sunday
    for _ in range(3):
        at = close.after(at)
        found.append(utc(at))
    assert found == ["10-30 22:00", "11-02 23:00", "11-03 23:00"]


def test_the_slots_of_an_interval_do_not_depend_on_the_time_of_asking():
    quarter = by_interval("15m")
    assert [utc(quarter.after(moment(at))) for at in ("2026-01-05T10:14:59", "2026-01-05T10:15:00")] == [
        "01-05 10:15",
        "01-05 10:30",
    ]


@given(st.integers(0, 2**51), st.sampled_from(["every 10s", "every 7m", "30 2 * * *", "0 18 * * 1-5 America/New_York"]))
def test_slots_come_one_after_the_other_and_none_is_missed(at, text):
    timetable = parse(text)
    first = timetable.after(at)
    assert first > at
    assert timetable.after(first - 1) == first
    assert timetable.after(first) > first


@pytest.mark.parametrize("text", ["every 15m", "every 90s", "every 2h", "every 7d", "5 4 * * 0 Europe/Paris"])
def test_a_timetable_is_read_as_it_is_written(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("every 15", "not an interval"),
        ("every 5s", "from 10s"),
        ("every 0m", "not an interval"),
        ("every 400d", "366d"),
        ("every", "five fields"),
        ("61 * * * *", "Bad minute"),
        ("0 18 * *", "five fields"),
        ("@daily", "five fields"),
        ("0 0 31 2 *", "day-of-month"),
        ("0 18 * * 1-5 Mars/Olympus", "no time zone 'Mars/Olympus'"),
    ],
)
def test_an_invalid_timetable_is_refused_with_an_example(text, message):
    with pytest.raises(InvalidInput, match=message):
        parse(text)


def test_off_has_no_timetable():
    assert parse("off") is None


def test_a_success_may_be_late_by_one_slot_but_no_more_than_two_hours():
    hourly, daily = by_interval("1h"), by_interval("1d")
    assert not hourly.overdue(0, 2 * HOUR)
    assert hourly.overdue(0, 2 * HOUR + 1)
    assert not daily.overdue(0, 26 * HOUR)
    assert daily.overdue(0, 26 * HOUR + 1)
    assert not by_interval("1m").overdue(0, 6 * MINUTE)  # five minutes at least


def test_a_schedule_is_overdue_from_when_it_was_set_even_if_it_never_ran():
    asked = Schedule("train", by_interval("1h"), "pumps", set_at=10 * HOUR)
    assert not asked.overdue(None, 12 * HOUR)
    assert asked.overdue(None, 12 * HOUR + MINUTE)
    assert not asked.overdue(11 * HOUR, 12 * HOUR + MINUTE)
    assert not Schedule("backup", by_interval("1h")).overdue(None, 99 * HOUR)  # nobody serves pipelines here


def test_setting_a_schedule_replaces_that_of_the_same_flow_and_dataset(store):
    schedules.put(store, Schedule("ingest", by_interval("15m"), "pumps", {"source": "a.csv"}))
    schedules.put(store, Schedule("ingest", by_interval("1h"), "pumps", {"source": "b.csv"}))
    schedules.put(store, Schedule("train", by_cron("0 18 * * 1-5", "America/New_York"), "shares"))
    first, second = schedules.of_datasets(store)
    assert (first.name, first.timetable, first.parameters) == (
        "ingest/pumps",
        Timetable(every_s=3600),
        {"source": "b.csv"},
    )
    assert (second.name, str(second.timetable)) == ("train/shares", "0 18 * * 1-5 America/New_York")
    schedules.remove(store, "pumps", "ingest")
    assert [schedule.name for schedule in schedules.of_datasets(store)] == ["train/shares"]
    with pytest.raises(NotFound, match="rollcast schedule list"):
        schedules.remove(store, "pumps", "ingest")


def test_flows_for_all_datasets_are_scheduled_unless_switched_off(monkeypatch, tmp_path):
    monkeypatch.setenv("ROLLCAST_COMPACT_SCHEDULE", "off")
    monkeypatch.setenv("ROLLCAST_CANARY_SCHEDULE", "every 10s")
    found = {schedule.flow: str(schedule.timetable) for schedule in schedules.housekeeping(load_settings())}
    assert found["canary"] == "every 10s"
    assert set(found) == {"canary", "jobs", "monitor", "prune"}  # no folder for backups
    with_folder = schedules.housekeeping(load_settings(backup_path=tmp_path))
    assert {schedule.flow for schedule in with_folder} == {*found, "backup"}


def test_a_setting_that_is_no_timetable_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("ROLLCAST_PRUNE_SCHEDULE", "weekly")
    with pytest.raises(InvalidInput, match="ROLLCAST_PRUNE_SCHEDULE"):
        schedules.housekeeping(load_settings())


@pytest.mark.parametrize(("flow", "message"), [("backup", "ROLLCAST_BACKUP_SCHEDULE"), ("retain", "ingest, train")])
def test_only_flows_of_datasets_can_be_scheduled_for_one(store, flow, message):
    with pytest.raises(InvalidInput, match=message):
        schedules.put(store, Schedule(flow, by_interval("1h"), "pumps"))


def test_what_is_due_next_is_noted_when_it_changes_and_at_least_every_minute(store):
    hourly = Schedule("train", by_interval("1h"), "pumps", set_at=1)

    def noted(at, success=None):
        schedules.note_next_runs(store, [hourly.next_run(success, at)])
        return schedules.next_runs(store)[0].noted_at

    assert noted(HOUR + 1) == HOUR + 1
    assert noted(HOUR + 30 * SECOND) == HOUR + 1  # nothing changed
    assert noted(HOUR + 2 * MINUTE) == HOUR + 2 * MINUTE  # a sign of life
    assert noted(HOUR + 2 * MINUTE + 1, HOUR + 2 * MINUTE) == HOUR + 2 * MINUTE + 1
    (run,) = schedules.next_runs(store)
    assert (run.flow, run.dataset, run.timetable) == ("train", "pumps", "every 1h")
    assert (run.next_at, run.due_at, run.overdue_at) == (2 * HOUR, 2 * HOUR, 3 * HOUR)
    schedules.note_next_runs(store, [])
    assert schedules.next_runs(store) == []


def test_a_note_is_overdue_until_a_run_succeeds_after_its_slot():
    run = Schedule("train", by_interval("1h"), "pumps", set_at=1).next_run(None, HOUR)
    assert (run.due_at, run.overdue_at) == (HOUR, 2 * HOUR)
    assert [run.is_overdue(None, at) for at in (2 * HOUR, 2 * HOUR + 1)] == [False, True]
    assert [run.is_overdue(success, 3 * HOUR) for success in (HOUR - 1, HOUR)] == [True, False]
    backup = Schedule("backup", by_interval("1h")).next_run(None, 9 * HOUR)
    assert backup.due_at is None and not backup.is_overdue(None, 99 * HOUR)
