"""Forecasts issued into the lake: the service's own answers, every shard once, whatever is killed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import Busy, InvalidInput, NotIssued, Unavailable
from data.lake import forecasts
from data.lake.forecasts import IssuedForecasts
from data.records import dataset_rules
from data.records.dataset_rules import QualityRules
from data.store import observation_log, tables
from data.store.observation_log import LoggedValue
from forecasting.kernel.determinism import rows_are_independent
from pipelines.cli import run
from pipelines.forecasts import issued_rows, served
from pipelines.forecasts.issue import COLUMNS, LEVELS, Issued, issue
from pipelines.workspace import Workspace, open_workspace
from tests.support.service_kit import FIVE, HORIZON, START, World, baseline, network, panel_of, rows

IDS = ("a", "b", "c", "new", "silent")
PANEL = panel_of("a", "b", "c")


def world_of(folder: Path, bundle) -> World:
    """A service took in rows of "a", whose last value is held, and of "new", which is warming; "silent" never had a
    value."""
    world = World.at(folder)
    world.promote(world.ingest("plant", *IDS), bundle, PANEL)
    dataset_rules.put(world.engine, world.ingest("plant").id, QualityRules(high=1000.0))
    with world.serving() as client:
        sent = rows("a", [9, 8, 7, 9000]) + rows("new", [5, 6])
        assert client.post("/v1/observations", json={"observations": sent}).status_code == 200
    return world


@pytest.fixture
def world(home, monkeypatch) -> World:
    monkeypatch.setattr(served, "GROUP", 2)  # series 1 | 2 and 3 | 4 and 5
    return world_of(home, network(PANEL))


@pytest.fixture
def place(world) -> Workspace:
    return open_workspace(world.settings)


def issue_now(place: Workspace, **words) -> Issued:
    return issue(place, "plant", None, lambda done, total, said: None, **words)


def killed_after(commits: int, place: Workspace, monkeypatch) -> None:
    """An issue that stops between a shard's commit and whatever comes after it."""
    left = iter(range(commits))

    def hit(point: str) -> None:
        if next(left) == commits - 1:
            raise KeyboardInterrupt(point)

    with monkeypatch.context() as patch:
        patch.setattr("data.failpoints.hit", hit)
        with pytest.raises(KeyboardInterrupt):
            issue_now(place)


def table_of(place: Workspace) -> pl.DataFrame:
    return pl.read_delta(str(place.settings.lake_path / "forecasts" / "1"))


@pytest.mark.parametrize("bundle", [network(PANEL), baseline(PANEL)], ids=["network", "baseline"])
@pytest.mark.parametrize("cold", [False, True], ids=["from snapshots", "from contexts"])
def test_what_is_issued_are_the_answers_of_the_service(home, bundle, cold):
    world = world_of(home, bundle)
    if cold:
        with world.engine.begin() as connection:
            connection.execute(tables.snapshots.delete())
    found = issue_now(open_workspace(world.settings))
    assert (found.series, found.rows) == (4, 4 * HORIZON)
    lake = issued_rows.newest(open_workspace(world.settings), "plant")[1].collect()
    with world.serving() as client:
        for name in ("a", "b", "c", "new"):
            answer = client.get(f"/v1/series/{name}/forecast", params={"quantiles": ",".join(map(str, LEVELS))}).json()
            own = lake.filter(pl.col("unique_id") == name).sort("horizon_step")
            expected = np.array(list(answer["quantiles"].values()), np.float32).T
            close = np.array_equal if rows_are_independent() else np.allclose
            assert close(own.select(COLUMNS).to_numpy(), expected)
            assert own["answered_by"].unique().to_list() == [answer["answered_by"]]
            assert issued_rows.wire(own["ds"], "instant").to_list() == answer["ds"]
            assert issued_rows.wire(own["origin"], "instant").unique().to_list() == [answer["origin"]]


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_an_issue_killed_after_any_shard_goes_on_and_every_row_is_there_once(place, monkeypatch, commits):
    killed_after(commits, place, monkeypatch)
    found = issue_now(place)
    assert (found.issue, found.resumed, found.rows) == (1, commits, 4 * HORIZON)
    assert not table_of(place).select("unique_id", "horizon_step", "issue").is_duplicated().any()
    assert issue_now(place).issue == 2  # what is whole is not gone on with


def test_a_process_killed_outright_leaves_an_issue_that_goes_on(world, place):
    code = "from pipelines.forecasts import served; served.GROUP = 2; from pipelines.cli import main; main()"
    environment = {"ROLLCAST_HOME": str(world.settings.home), "ROLLCAST_FAILPOINTS": "forecasts.committed=exit"}
    killed = subprocess.run([sys.executable, "-c", code, "forecast", "plant", "--lake"], env=environment, check=False)
    assert killed.returncode == -9
    assert table_of(place).height == HORIZON
    with pytest.raises(NotIssued, match="--lake"):
        issued_rows.newest(place, "plant")
    found = issue_now(place)
    assert (found.resumed, found.rows, table_of(place).height) == (1, 4 * HORIZON, 4 * HORIZON)


def test_an_issue_that_goes_on_is_of_its_own_moment(world, place, monkeypatch):
    killed_after(1, place, monkeypatch)
    later = LoggedValue(1, world.number(world.ingest("plant", *IDS), "b"), START, 50.0, START)
    observation_log.append(world.engine, [later])
    issue_now(place)
    issue_now(place)
    origins = table_of(place).filter(pl.col("unique_id") == "b").group_by("issue").agg(pl.col("origin").first())
    assert origins.sort("issue")["origin"].cast(pl.Int64).to_list() == [START - FIVE, START]


@pytest.mark.parametrize("words", [{"anew": True}, {"horizon": 2}], ids=str)
def test_a_different_issue_begins_anew_and_the_killed_one_is_dropped(place, monkeypatch, words):
    killed_after(2, place, monkeypatch)
    found = issue(place, "plant", words.get("horizon"), lambda *_: None, words.get("anew", False))
    assert (found.issue, found.resumed) == (2, 0)
    assert table_of(place)["issue"].unique().to_list() == [2]
    assert [row["whole"] for row in issued_rows.issues(place, "plant")] == [True, False]


def test_two_at_once_are_one_too_many(place):
    with IssuedForecasts(place.settings.lake_path, 1).write_lock(), pytest.raises(Busy, match="another process"):
        issue_now(place)


def test_a_cut_file_is_named_before_anything_is_added(place, monkeypatch):
    killed_after(1, place, monkeypatch)
    (file,) = (place.settings.lake_path / "forecasts" / "1").glob("issue=1/*.parquet")
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(Unavailable, match=file.name):
        issue_now(place)


def test_a_dataset_without_any_value_issues_nothing(place, world):
    world.promote(world.ingest("quiet", "x"), baseline(PANEL), panel_of())
    found = issue(place, "quiet", None, lambda *_: None)
    assert (found.series, found.rows) == (0, 0)
    assert forecasts.issues(place.engine, 2)[0].ended_at is not None


def test_the_command_line_issues_and_reads_back(world, capsys):
    assert run(["forecast", "plant", "--lake", "--out", "x.csv"]) == InvalidInput.exit_code
    assert run(["forecast", "plant", "--lake", "--json"]) == 0
    assert run(["forecasts", "plant"]) == 0
    assert run(["forecasts", "plant", "--series", "a", "--json"]) == 0
    assert '"horizon_step": 1, "origin": "2023-11-14T22:30:00Z", "q10"' in capsys.readouterr().out
    assert run(["forecasts", "plant", "--series", "silent"]) == 2
    assert run(["forecasts", "plant", "--series", "nobody"]) == 2
    assert (
        "there is no series 'nobody' in dataset 'plant'; `rollcast series list plant` names them"
        in capsys.readouterr().err
    )
