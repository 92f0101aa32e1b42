"""Promotions and releases that were asked for over HTTP: the worker does what the service cannot."""

import pytest

from data.formats.options import SourceOptions
from data.records import jobs, quarantine
from data.records.quarantine import Breach
from data.store import catalogue, promotions
from pipelines.ingestion.ingest import ingest
from pipelines.promotion import promotion_history
from pipelines.promotion.retrain import run_jobs
from tests.support.loop_kit import (
    HORIZON,
    SEASON,
    STEPS,
    mlp_bundle,
    no_progress,
    promote_baseline,
    register_model,
    workspace_at,
    write_csv,
)

ASKED = {"by": "night shift", "event": "promoted"}


@pytest.fixture
def workspace(home):
    """The dataset "week", whose versions 1, 2 and 3 have served in this order."""
    workspace = workspace_at(home)
    options = SourceOptions(season=SEASON, horizon=HORIZON)
    ingest(workspace, write_csv(home / "week.csv", range(1, STEPS + 1)), "week", options)
    for kind in ("naive", "drift", "seasonal_naive"):
        promote_baseline(workspace, "week", kind)
    return workspace


def work(workspace):
    (outcome,) = run_jobs(workspace, no_progress).done
    return outcome


def newest(workspace):
    return promotions.decisions(workspace.engine, 1)[-1]


def ask(workspace, version, seen=3, **asked):
    return jobs.ask_promotion(workspace.engine, 1, version, "why", {**ASKED, "seen": seen, **asked})


def test_a_version_that_passed_the_gate_earlier_serves_again_and_the_log_says_who_asked(workspace):
    number = ask(workspace, 1).job.id
    assert (work(workspace).state, jobs.job(workspace.engine, number).version) == ("succeeded", 1)
    decision = newest(workspace)
    assert (decision.version, decision.event) == (1, "promoted")
    assert decision.evidence == {"by": "night shift", "from": 3, "to": 1}
    words = promotion_history.list_decisions(workspace, "week")[-1]["words"]
    assert words == (
        "It took over from version 3 by hand; the promotion gate was not asked again. "
        "The key 'night shift' asked for it over HTTP."
    )


def test_a_rollback_whose_states_were_given_up_starts_anew_from_the_history(workspace):
    ask(workspace, 2, event="rolled_back")
    assert work(workspace).state == "succeeded"
    assert (newest(workspace).version, newest(workspace).event) == (2, "rolled_back")


@pytest.mark.parametrize(("better", "state", "event"), [(0.5, "succeeded", "promoted"), (2.0, "refused", "refused")])
def test_the_gate_decides_about_any_other_version(workspace, better, state, event):
    version = register_model(workspace, "week", mlp_bundle(workspace), better)
    ask(workspace, version)
    assert work(workspace).state == state
    decision = newest(workspace)
    assert (decision.version, decision.event, decision.evidence["by"]) == (version, event, "night shift")
    assert promotions.served(workspace.engine, 1).version == (version if event == "promoted" else 3)


def test_nothing_is_promoted_over_a_version_that_was_not_seen(workspace):
    number = ask(workspace, 1, seen=2).job.id
    assert work(workspace).state == "failed"
    assert "another version of 'week' serves" in jobs.job(workspace.engine, number).detail
    assert newest(workspace).id == 3


def test_values_of_a_file_are_released_by_their_job(workspace):
    names = {name: number for number, name in catalogue.series(workspace.engine, 1)}
    quarantine.put(workspace.engine, 1, [Breach("a", STEPS + 9, 5e6, "spike")], names, "week.csv")
    number = jobs.ask_release(workspace.engine, 1, "why", {"by": "night shift", "ids": [1]}).job.id
    assert work(workspace).state == "succeeded"
    assert jobs.job(workspace.engine, number).detail == "1 values were released, 1 of them count now"
    assert quarantine.values(workspace.engine, 1) == []


def test_a_promotion_does_not_wait_for_a_training(workspace):
    jobs.ask(workspace.engine, 1, "hand", "a long one")
    ask(workspace, 1)
    assert jobs.take(workspace.engine).kind == "promote"
