"""Schedules from the command line: which are accepted, which are refused, and how they are listed."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from data import clock
from data.grid.grid import Grid
from data.records import runs, schedules
from data.records.schedules import Schedule
from data.records.timetable import SECOND, by_interval, parse
from data.store import catalogue
from pipelines import cli
from pipelines.monitoring import flow_history, overdue
from pipelines.reports import terminal
from pipelines.workspace import open_workspace

HOUR = 3_600 * SECOND


@pytest.fixture
def workspace(home):
    workspace = open_workspace()
    catalogue.put_dataset(
        workspace.engine, "pumps", grid=Grid("5m"), season=12, horizon=6, target="y", zone="UTC", has_split=False
    )
    return workspace


@pytest.fixture
def rollcast(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))  # read on import, which creates the folder
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = cli.run(list(words))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def write_readings(tmp_path) -> None:
    """Four rows of five minutes, in a file that the pattern new/*.csv finds."""
    (tmp_path / "new").mkdir()
    rows = "".join(f"a,2026-01-01 00:{5 * step:02},{step}\n" for step in range(4))
    (tmp_path / "new" / "1.csv").write_text("sensor,time,y\n" + rows)


def test_a_schedule_is_set_listed_and_removed(workspace, rollcast, tmp_path):
    write_readings(tmp_path)
    close = ("--cron", "0 18 * * 1-5", "--tz", "America/New_York")
    words = ("schedule", "set", "pumps", "ingest", *close, "-p", "source=new/*.csv", "-p", 'options={"tz": "UTC"}')
    code, out, _ = rollcast(*words, "--json")
    shown = json.loads(out)
    assert (code, shown["schedule"]) == (0, "0 18 * * 1-5 America/New_York")
    assert shown["checked"] == "a dry run read the source and would add 4 rows"
    code, out, _ = rollcast("schedule", "list", "--json")
    first = json.loads(out)[0]
    assert (first["flow"], first["dataset"], first["last_success"], first["overdue"]) == (
        "ingest",
        "pumps",
        None,
        False,
    )
    assert first["parameters"] == {"source": str(tmp_path / "new/*.csv"), "options": {"tz": "UTC"}}
    assert rollcast("schedule", "remove", "pumps", "ingest")[0] == 0
    assert schedules.of_datasets(workspace.engine) == []


def test_options_of_ingest_are_parameters_by_their_own_names(workspace, rollcast, tmp_path):
    write_readings(tmp_path)
    words = ("id_col=sensor", "time-col=time", "tz=UTC", "season=12", "min=-1.5", "na=off", "na=?")
    given = [part for word in ("source=new/1.csv", *words) for part in ("-p", word)]
    code, out, _ = rollcast("schedule", "set", "pumps", "ingest", "--every", "1h", *given, "--json")
    assert (code, json.loads(out)["checked"]) == (0, "a dry run read the source and would add 4 rows")
    assert schedules.of_datasets(workspace.engine)[0].parameters["options"] == {
        "id_col": "sensor", "time_col": "time", "tz": "UTC", "season": 12, "low": -1.5, "na": ["off", "?"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("id_col=pump",), "pump"),  # the file has no such column
        (("season=long",), "options has season 'long': input should be a valid integer"),
        (("tz=UTC", "tz=Asia/Tokyo"), "tz is given twice"),
        (("tz=UTC", 'options={"tz": "UTC"}'), "tz is in options as well"),
        (("options=3",), "options is 3; write a JSON object"),
        (("zone=UTC",), "it takes source, dataset, [id_col], [time_col]"),
        (("source=new/2.csv",), "given twice"),
        (("tz=Europe/Paris",), "has --tz UTC, not Europe/Paris"),
    ],
)
def test_an_ingest_that_cannot_work_is_not_scheduled(workspace, rollcast, tmp_path, words, message):
    write_readings(tmp_path)
    given = [part for word in ("source=new/1.csv", *words) for part in ("-p", word)]
    code, out, err = rollcast("schedule", "set", "pumps", "ingest", "--every", "1h", *given)
    assert (code, out) == (2, "")
    assert message in err
    assert schedules.of_datasets(workspace.engine) == []


def test_a_source_that_is_not_there_yet_is_scheduled_only_without_a_check(workspace, rollcast):
    words = ("schedule", "set", "pumps", "ingest", "--every", "1h", "-p", "source=new/*.csv")
    code, _, err = rollcast(*words)
    assert code == 2
    assert "--no-check schedules it without one" in err
    assert schedules.of_datasets(workspace.engine) == []
    code, out, _ = rollcast(*words, "--no-check", "--json")
    assert (code, "checked" in json.loads(out)) == (0, False)
    assert len(schedules.of_datasets(workspace.engine)) == 1


def test_a_password_of_a_source_is_stored_and_never_shown(workspace, rollcast):
    address = "postgresql://reader:secret@db/plant?query=SELECT 1"
    words = ("schedule", "set", "pumps", "ingest", "--every", "1h", "-p", f"source={address}", "--no-check", "--json")
    results = [rollcast(*words), rollcast("schedule", "list", "--json")]
    assert [code for code, *_ in results] == [0, 0]
    assert all("postgresql://reader:***@db/plant" in out and "secret" not in out + err for _, out, err in results)
    assert schedules.of_datasets(workspace.engine)[0].parameters["source"] == address


def test_the_worker_notes_when_each_schedule_is_due(workspace):
    schedules.put(workspace.engine, Schedule("train", by_interval("1h"), "pumps"))
    overdue.note_next_runs(workspace)
    found = {(run.flow, run.dataset): run for run in schedules.next_runs(workspace.engine)}
    train = found["train", "pumps"]
    assert train.due_at == train.next_at == by_interval("1h").after(train.noted_at)
    assert {"canary", "jobs", "compact"} <= {flow for flow, dataset in found if dataset is None}
    assert not train.is_overdue(None, train.noted_at) and train.is_overdue(None, train.noted_at + 3 * HOUR)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("pumps", "train"), "give exactly one time"),
        (("pumps", "train", "--every", "1h", "--cron", "0 1 * * *"), "give exactly one time"),
        (("pumps", "train", "--every", "1h", "--tz", "UTC"), "--tz works only with --cron"),
        (("pumps", "train", "--every", "hourly"), "is not an interval"),
        (("pumps", "train", "--cron", "0 25 * * *"), "Bad hour"),
        (("pumps", "train", "--cron", "0 1 * * *", "--tz", "Nowhere"), "no time zone"),
        (("pumps", "retrained", "--every", "1h"), "no flow 'retrained'"),
        (("pumps", "backup", "--every", "1h"), "ROLLCAST_BACKUP_SCHEDULE"),
        (("pumps", "train", "--every", "1h", "-p", "minutes=3"), "it takes dataset, [model]"),
        (("pumps", "train", "--every", "1h", "-p", "minutes"), "NAME=VALUE"),
        (("pumps", "train", "--every", "1h", "-p", "steps=-4"), "ask for one or more"),
        (("pumps", "ingest", "--every", "1h"), "flow ingest needs source; it takes source, dataset"),
        (("pumps", "batch-forecast", "--every", "1h", "-p", "out=x.txt"), "neither .parquet nor .csv"),
        (("pumps", "backtest", "--every", "1h", "-p", 'models=["lstmm"]'), "no model named 'lstmm'"),
        (("pumps", "backtest", "--every", "1h", "-p", "last=2"), "--last is 2.0"),
        (("pumps", "backtest", "--every", "1h", "-p", "split=test"), "has no split column"),
        (("pumps", "backtest", "--every", "1h", "-p", "horizon=7"), "has 1 to 6 steps"),
        (("pumps", "backtest", "--every", "1h", "-p", "origins=0"), "--origins is 0"),
        (("pumps", "promote", "--every", "1h", "-p", "version=9"), "no model version 9"),
        (("shares", "train", "--every", "1h"), "no dataset 'shares'"),
        (("no/name", "ingest", "--every", "1h", "-p", "source=x.csv"), "name"),
    ],
)
def test_a_wrong_schedule_is_refused_in_one_sentence(workspace, rollcast, words, message):
    code, out, err = rollcast("schedule", "set", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len([line for line in err.splitlines() if line.startswith("rollcast: ")]) == 1
    assert schedules.of_datasets(workspace.engine) == []


def test_the_list_shows_the_age_of_the_last_success_and_the_next_slot(workspace, monkeypatch):
    schedules.put(workspace.engine, Schedule("train", by_interval("1h"), "pumps"))
    with runs.recorded(workspace.engine, "train", "pumps"):
        pass
    with runs.recorded(workspace.engine, "backtest", "pumps"):  # not by its schedule
        pass
    at = clock.now() // HOUR * HOUR + 10 * HOUR
    monkeypatch.setattr(clock, "now", lambda: at)
    train, *_, by_hand = flow_history.list_schedules(workspace)
    assert 9 * 3_600 < train["age_s"] <= 10 * 3_600
    assert train["overdue"]
    assert train["next"] == flow_history.format_moment(at + HOUR)
    assert (by_hand["flow"], by_hand["schedule"], by_hand["overdue"]) == ("backtest", None, False)


def test_the_doctor_warns_of_an_overdue_schedule(workspace, monkeypatch):
    assert overdue.check(workspace).verdict == "ok"
    schedules.put(workspace.engine, Schedule("train", by_interval("1h"), "pumps"))
    with runs.recorded(workspace.engine, "canary"):
        pass
    assert overdue.check(workspace).verdict == "ok"
    later = clock.now() + 3 * HOUR
    monkeypatch.setattr(clock, "now", lambda: later)
    check = overdue.check(workspace)
    assert check.verdict == "warning"
    assert "train/pumps (every 1h) last succeeded never; canary (every 1m) last succeeded at 2" in check.detail


def test_a_missed_slot_is_listed_until_a_run_covers_it(workspace, monkeypatch):
    schedules.put(workspace.engine, Schedule("train", by_interval("1d"), "pumps"))
    midnight = by_interval("1d").after(clock.now())
    assert overdue.missed_slots(workspace) == []
    monkeypatch.setattr(clock, "now", lambda: midnight + 3 * HOUR)
    assert [(schedule.name, slot) for schedule, slot in overdue.missed_slots(workspace)] == [("train/pumps", midnight)]
    monkeypatch.setattr(clock, "now", lambda: midnight + HOUR)
    with runs.recorded(workspace.engine, "train", "pumps", slot=midnight):
        pass
    assert overdue.missed_slots(workspace) == []


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("0 18 * * 1-5 America/New_York", "2026-10-28"),
        ("30 3 * * * America/New_York", "2026-03-05"),  # clocks go forward; 02:30 would be 03:00 here, 01:30 there
        ("30 1 * * * Europe/Paris", "2026-10-22"),
        ("15,45 9-17 * * MON-FRI Asia/Tokyo", "2026-01-01"),
        ("0 0 1 */3 * UTC", "2026-01-01"),
        ("every 7h", "2026-03-27"),
    ],
)
def test_prefect_computes_the_same_slots(text, begin, tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from prefect.server.schemas import schedules as theirs

    from pipelines.flows.prefect_runner import as_prefect

    timetable = parse(text)
    start = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    converted = as_prefect(timetable)
    schedule = getattr(theirs, type(converted).__name__)(**converted.model_dump())
    dates = asyncio.run(schedule.get_dates(10, start=start))
    at, ours = int(start.timestamp()) * SECOND - 1, []
    for _ in dates:
        at = timetable.after(at)
        ours.append(at)
    assert ours == [int(date.timestamp()) * SECOND for date in dates]


def test_the_doctor_reports_a_wrong_time_in_the_settings(workspace, monkeypatch):
    monkeypatch.setenv("ROLLCAST_PRUNE_SCHEDULE", "nightly")
    check = overdue.check(open_workspace())
    assert (check.verdict, "ROLLCAST_PRUNE_SCHEDULE" in check.detail) == ("failed", True)


def test_runs_are_listed_newest_first(workspace, rollcast):
    with runs.recorded(workspace.engine, "train", "pumps") as run:
        run.detail["version"] = 3
    with pytest.raises(OSError, match="gone"), runs.recorded(workspace.engine, "ingest", "pumps", slot=clock.now()):
        raise OSError("gone")
    code, out, _ = rollcast("runs", "list", "--json")
    listed = [(run["flow"], run["scheduled"], run["outcome"], run["detail"]) for run in json.loads(out)]
    assert code == 0
    assert listed == [
        ("ingest", True, "failed", {"error": "OSError: gone"}),
        ("train", False, "succeeded", {"version": 3}),
    ]


def test_status_shows_what_last_succeeded(home, rollcast):
    with runs.recorded(open_workspace().engine, "backup"):
        pass
    code, out, _ = rollcast("status", "--json")
    (flow,) = json.loads(out)["flows"]
    assert (code, flow["flow"], flow["dataset"], flow["age_s"] < 60) == (0, "backup", None, True)
    assert " s ago" in rollcast("status")[1]


def test_running_no_flow_lists_them_with_their_parameters(rollcast):
    code, out, _ = rollcast("pipelines", "run", "--json")
    listed = {flow["flow"]: flow["parameters"] for flow in json.loads(out)}
    assert code == 0
    assert listed["promote"] == "dataset, [version]"


def test_the_results_of_a_flow_for_many_datasets_are_a_table(capsys):
    terminal.ran({"done": [{"dataset": "pumps", "files": 3}, {"dataset": "fans", "files": 1}]}, False)
    head, _, *rows = (line.split() for line in capsys.readouterr().out.splitlines() if line.strip())
    assert (head, rows) == (["dataset", "files"], [["pumps", "3"], ["fans", "1"]])
