"""One run of a flow: recorded, under a lease, retried after errors that may pass, and skipped when not needed."""

import json

import httpx
import pytest

from data import clock
from data.errors import (
    Busy,
    Conflict,
    DamagedArtifact,
    GateRefused,
    InvalidInput,
    StoreBroken,
    StoreUnavailable,
    Unavailable,
)
from data.records import runs, schedules
from data.records.schedules import Schedule
from data.records.timetable import by_interval
from data.store import leases
from pipelines import run_pages
from pipelines.flows import retrying, run_flow
from pipelines.workspace import open_workspace


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(retrying, "DELAYS", (0.0, 0.0, 0.0))


@pytest.fixture
def engine(home):
    engine = open_workspace().engine
    for flow in ("ingest", "train"):
        schedules.put(engine, Schedule(flow, by_interval("15m"), "pumps"))
    return engine


def outcomes(engine):
    return [run.outcome for run in runs.runs(engine)]


def test_a_run_is_recorded_with_the_short_values_of_its_result(engine):
    result = {"added": 3, "source": "x" * 1_000, "report": {"rows": 3}}
    assert run_flow.run_flow("ingest", "pumps", lambda workspace: result) == result
    (run,) = runs.runs(engine)
    assert (run.flow, run.dataset, run.outcome) == ("ingest", "pumps", "succeeded")
    assert run.detail == {"added": 3, "source": "x" * run_flow.LONGEST_TEXT}


class Failing:
    """Work that fails `times` times before it succeeds."""

    def __init__(self, error: Exception, times: int):
        self.error, self.left, self.tries = error, times, 0

    def __call__(self, workspace):
        self.tries += 1
        if self.left:
            self.left -= 1
            raise self.error
        return {"tries": self.tries}


PASSING = [
    Unavailable("the source does not answer"),
    StoreUnavailable("locked"),
    ConnectionResetError("reset"),
    TimeoutError("timed out"),
    OSError(28, "No space left on device"),
    httpx.ConnectError("refused"),
    Busy("upkeep of the lake", "somebody"),
]


class FlowTimedOut(TimeoutError):
    """Prefect raises a subclass of TimeoutError when a flow takes too long."""


LASTING = [
    InvalidInput("no such column"),
    GateRefused("not better", {}),
    Conflict("nothing to decide"),
    DamagedArtifact("flipped"),
    StoreBroken("fsync failed"),
    FileNotFoundError(2, "no such file"),
    FlowTimedOut("six hours"),
    ValueError("a mistake of ours"),
]


@pytest.mark.parametrize("error", PASSING, ids=lambda error: type(error).__name__)
def test_an_error_that_may_pass_is_retried_within_one_run(engine, error):
    assert run_flow.run_flow("ingest", "pumps", Failing(error, 3)) == {"tries": 4}
    assert outcomes(engine) == ["succeeded"]


def test_after_four_failures_the_run_fails(engine):
    work = Failing(Unavailable("the source does not answer"), 9)
    with pytest.raises(Unavailable):
        run_flow.run_flow("ingest", "pumps", work)
    assert work.tries == 4
    assert runs.runs(engine)[0].detail == {"error": "the source does not answer"}


@pytest.mark.parametrize("error", LASTING, ids=lambda error: type(error).__name__)
def test_a_permanent_error_is_not_retried(engine, error):
    work = Failing(error, 1)
    with pytest.raises(type(error)):
        run_flow.run_flow("train", "pumps", work)
    assert work.tries == 1
    assert outcomes(engine) == ["failed"]


def test_a_flow_of_a_dataset_runs_once_at_a_time(engine):
    with leases.held(engine, "train of pumps"):
        with pytest.raises(Busy):
            run_flow.run_flow("train", "pumps", lambda workspace: {})
        assert (
            "train of pumps" in run_flow.run_flow("train", "pumps", lambda workspace: {}, slot=clock.now())["skipped"]
        )
        assert run_flow.run_flow("train", "shares", lambda workspace: {}) == {}
    assert [run.dataset for run in runs.runs(engine)] == ["shares"]  # a run that did not begin is not recorded


def test_a_slot_that_a_later_run_covered_is_skipped(engine):
    due = clock.now()
    assert run_flow.run_flow("ingest", "pumps", lambda workspace: {}, slot=due) == {}
    assert "skipped" in run_flow.run_flow("ingest", "pumps", lambda workspace: {}, slot=due)
    assert run_flow.run_flow("ingest", "pumps", lambda workspace: {}) == {}  # not a scheduled run
    assert outcomes(engine) == ["succeeded", "succeeded"]


def test_a_run_whose_schedule_was_removed_is_skipped(engine):
    schedules.remove(engine, "pumps", "ingest")
    assert "not scheduled" in run_flow.run_flow("ingest", "pumps", lambda workspace: {}, slot=clock.now())["skipped"]
    assert run_flow.run_flow("canary", None, lambda workspace: {}, slot=clock.now()) == {}
    assert outcomes(engine) == ["succeeded"]


def test_another_lease_that_stays_taken_inside_the_work_is_a_failure_and_not_a_skip(engine):
    work = Failing(Busy("upkeep of the lake", "somebody"), 9)
    with pytest.raises(Busy):
        run_flow.run_flow("compact", None, work, slot=clock.now())
    assert work.tries == 4
    assert outcomes(engine) == ["failed"]


REFUSED = {
    "dataset": "pumps",
    "promoted": False,
    "reason": "lstm version 2 was refused",
    "evidence": {"contenders": [{"model": "lstm", "version": 2, "mase": 1.25}, {"model": "naive", "mase": 1.0}]},
}


def test_the_decision_of_the_promotion_gate_is_a_page_on_disk(engine, home):
    run_flow.run_flow("promote", "pumps", lambda workspace: REFUSED)
    (run,) = runs.runs(engine)
    page = home / "runs" / "promote" / f"{run.id}-pumps.md"
    assert run.detail["report"] == str(page)
    assert "| lstm | 2 | 1.250 | – |" in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text()) == REFUSED


def test_a_backtest_is_a_page_with_the_best_model_first():
    record = {
        "dataset": "pumps",
        "origins": 7,
        "horizon": 12,
        "metrics": {"naive": {"mase": 1.0, "origins": 7}, "lstm": {"mase": 0.5, "origins": 7}, "mlp": {"mase": None}},
        "notes": ["ets is n/a"],
    }
    lines = run_pages.page_of("backtest", record).splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| ")][2:] == ["| lstm", "| naive", "| mlp"]
    assert lines[-1] == "- ets is n/a"


def test_a_page_that_cannot_be_written_does_not_fail_the_run(engine, home):
    (home / "runs").mkdir()
    (home / "runs" / "promote").write_text("in the way")
    run_flow.run_flow("promote", "pumps", lambda workspace: REFUSED)
    (run,) = runs.runs(engine)
    assert run.outcome == "succeeded"
    assert "not written" in run.detail["report"]


def test_only_the_newest_pages_are_kept(engine, home, monkeypatch):
    monkeypatch.setattr(run_pages, "PAGES_KEPT", 2)
    for _ in range(12):
        run_flow.run_flow("promote", "pumps", lambda workspace: REFUSED)
    kept = sorted(path.name for path in (home / "runs" / "promote").iterdir())
    assert kept == ["11-pumps.json", "11-pumps.md", "12-pumps.json", "12-pumps.md"]
