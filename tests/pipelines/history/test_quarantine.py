"""Values that break a quality rule are kept out of training, counted, listed, and released by hand."""

import json
import math

import numpy as np
import polars as pl
import pytest
from sqlalchemy import text

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.quality.quality_rules import RULE, judge, with_stored
from data.records import dataset_rules, quarantine, watermarks
from data.records.dataset_rules import QualityRules
from data.records.quarantine import Breach
from data.store import catalogue, database, leases, observation_log
from data.store.observation_log import LoggedValue
from pipelines.cli import run
from pipelines.history import quarantine as quarantining
from pipelines.history.history import read_history
from pipelines.history.limits import make_limits
from pipelines.ingestion.ingest import ingest
from pipelines.reports.quarantine_list import SHOWN, quarantine_list
from pipelines.upkeep.compact import LEASE
from pipelines.upkeep.handoff import move_rows
from pipelines.upkeep.status import status
from pipelines.workspace import open_workspace
from tests.support.service_kit import FIVE, START, World, baseline, median, panel_of, rows, until, wave

USUAL = [20.0 + step % 5 for step in range(40)]


def broken(values, chosen, stored=()):
    """The rule that each value of one series breaks, after the stored values; None where it breaks none."""
    fresh = pl.DataFrame(
        {"unique_id": "a", "ds": range(100, 100 + len(values)), "y": pl.Series(values, dtype=pl.Float64)}
    )
    before = pl.DataFrame({"unique_id": "a", "ds": range(len(stored)), "y": pl.Series(stored, dtype=pl.Float64)})
    return judge(with_stored(fresh, before), chosen).filter(pl.col("ds") >= 100)[RULE].to_list()


# --- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "values", "expected"),
    [
        (QualityRules(low=0, high=30), [20, -1, 31, None, 30], [None, "range", "range", None, None]),
        (QualityRules(max_jump=5), [20, 21, 60, 22, 23], [None, None, "jump", None, None]),
        (QualityRules(max_stale=3), [1, 7, 7, 7, 7, 7, 8], [None, None, None, None, "stale", "stale", None]),
        (QualityRules(max_stale=3), [None, None, None, None, 5], [None] * 5),
        (QualityRules(max_jump=5, high=50), [20, 60, 20], [None, "range", None]),
    ],
)
def test_a_value_is_named_by_the_first_rule_it_breaks(chosen, values, expected):
    assert broken(values, chosen) == expected


def test_a_level_that_lasts_is_no_jump_from_the_third_value_on():
    assert broken([20, 20, 20, 60, 60, 60, 60], QualityRules(max_jump=5)) == [*[None] * 3, "jump", "jump", "jump", None]


@pytest.mark.parametrize("spike", [20_000.0, -20_000.0, 65_535.0])
def test_a_value_a_thousand_times_too_large_is_a_spike_within_new_rows_and_after_stored_ones(spike):
    assert broken([*USUAL, spike, *USUAL], QualityRules()) == [*[None] * 40, "spike", *[None] * 40]
    assert broken([spike], QualityRules(), USUAL) == ["spike"]
    assert broken([spike] * 5 + [20.0], QualityRules(), USUAL) == ["spike"] * 5 + [None]
    assert broken([spike], QualityRules(spike=None), USUAL) == [None]


@pytest.mark.parametrize(
    "values",
    [
        [0.0] * 60 + [500.0],  # only zeros: no range to compare with
        [1.0] * 10 + [5_000.0],  # too few values
        [1.0] * 30 + [30.0] * 30,  # a level that is thirty times higher
        [10.0 * 2**step for step in range(30)],  # doubling
    ],
)
def test_large_values_that_may_belong_to_the_series_are_no_spikes(values):
    assert broken(values, QualityRules()) == [None] * len(values)


def test_no_value_of_the_samples_breaks_a_default_rule(root, home):
    workspace, samples = open_workspace(), root / "data" / "samples"
    options = SourceOptions(id_col="Ticker", target_col="Adj Close")
    stocks = ingest(workspace, str(samples / "stocks.csv"), "stocks", options)
    machine = ingest(
        workspace, str(samples / "machine_temperature_system_failure.csv"), "machine", SourceOptions(tz="UTC")
    )
    assert (stocks.quarantined, machine.quarantined) == ({}, {})


def test_contradictory_rules_are_refused():
    with pytest.raises(InvalidInput, match="above --max"):
        QualityRules(low=2, high=1)
    with pytest.raises(InvalidInput, match="--max-jump is 0"):
        QualityRules(max_jump=0)
    with pytest.raises(InvalidInput, match="finite"):
        QualityRules(high=math.inf)


def test_the_table_holds_a_value_once_on_every_store(store):
    from data.grid.grid import Grid

    dataset = catalogue.put_dataset(store, "plant", grid=Grid("1h"), season=1, horizon=1, target="y")
    numbers = catalogue.ensure_series(store, dataset.id, ["a"])
    breach = Breach("a", 7, 1e9, "range")
    assert [quarantine.put(store, dataset.id, [breach, breach], numbers, "x.csv") for _ in range(2)] == [1, 0]
    (held,) = quarantine.values(store, dataset.id)
    assert (held.unique_id, held.ds, held.y, held.rule, held.source) == ("a", 7, 1e9, "range", "x.csv")
    assert quarantine.counts(store) == {"plant": 1}
    with database.writing(store) as connection:
        quarantine.release_live(connection, dataset.id, [(held.series_id, held.ds, held.y)], at=1)
    assert quarantine.put(store, dataset.id, [breach], numbers, "x.csv") == 0
    assert quarantine.counts(store) == {}
    dataset_rules.put(store, dataset.id, QualityRules(low=1, unit="kW"))
    assert dataset_rules.rules(store, dataset.id) == QualityRules(low=1, unit="kW")
    watermarks.set_watermarks(store, dataset.id, {"s": "1"})
    watermarks.set_watermarks(store, dataset.id, {"s": "2", "t": "3"})
    assert [(mark.source, mark.value) for mark in watermarks.watermarks(store, dataset.id)] == [("s", "2"), ("t", "3")]


# --- sources ----------------------------------------------------------------------------------------------------------


def written(path, values, first=0, **columns) -> str:
    frame = pl.DataFrame({"unique_id": "a", "t": range(first, first + len(values)), "y": values, **columns})
    frame.write_csv(path)
    return str(path)


def test_a_spike_of_a_file_is_stored_as_missing_until_it_is_released(tmp_path):
    workspace, options = open_workspace(), SourceOptions(season=5, horizon=5)
    source = written(tmp_path / "plant.csv", [*USUAL, 20_000.0, *USUAL], temp=range(81))
    result = ingest(workspace, source, "plant", options)
    assert (result.quarantined, result.report["quarantined"], result.added) == ({"spike": 1}, 1, 81)
    assert workspace.lake.read(1).row(40) == ("a", 40, None, 40.0)
    assert np.flatnonzero(np.isnan(read_history(workspace, "plant").panel.values)).tolist() == [40]
    # The same rows in another file add nothing to quarantine or lake.
    longer = written(tmp_path / "longer.csv", [*USUAL, 20_000.0, *USUAL, 20.0], temp=range(82))
    assert (ingest(workspace, longer, "plant", options).added, len(quarantining.list_values(workspace, "plant"))) == (
        1,
        1,
    )
    (held,) = quarantining.list_values(workspace, "plant")
    assert (held["unique_id"], held["ds"], held["y"], held["rule"], held["source"]) == (
        "a",
        40,
        20_000.0,
        "spike",
        source,
    )
    released = quarantining.release(workspace, "plant", [held["id"]], None, None)
    assert (released.released, released.added, released.superseded) == (1, 1, 0)
    assert workspace.lake.read(1).row(40) == ("a", 40, 20_000.0, 40.0)
    # It stays released when it is ingested again.
    third = written(tmp_path / "third.csv", [*USUAL, 20_000.0, *USUAL, 20.0, 21.0], temp=range(83))
    assert (ingest(workspace, third, "plant", options).quarantined, workspace.lake.read(1)["y"][40]) == ({}, 20_000.0)
    assert quarantining.list_values(workspace, "plant") == []
    assert len(quarantining.list_values(workspace, "plant", released=True)) == 1


def test_a_corrected_value_is_not_undone_by_a_release(tmp_path):
    workspace, options = open_workspace(), SourceOptions(season=5, horizon=5)
    ingest(workspace, written(tmp_path / "plant.csv", [*USUAL, 20_000.0]), "plant", options)
    ingest(workspace, written(tmp_path / "corrected.csv", [20.0], first=40), "plant", options)
    released = quarantining.release(workspace, "plant", None, None, "spike")
    assert (released.released, released.added, released.superseded) == (1, 0, 1)
    assert workspace.lake.read(1)["y"][40] == 20.0


def test_rows_in_another_unit_are_quarantined(tmp_path):
    workspace, options = open_workspace(), SourceOptions(season=5, horizon=5, target_col="y")
    ingest(workspace, written(tmp_path / "plant.csv", USUAL), "plant", options)
    dataset_rules.put(workspace.engine, 1, QualityRules(unit="degC"))
    source = written(tmp_path / "more.csv", [70.0, 21.0, 22.0], first=40, unit=["degF", "degC", None])
    assert ingest(workspace, source, "plant", options).quarantined == {"unit": 1}
    assert workspace.lake.read(1)["y"].to_list()[40:] == [None, 21.0, 22.0]


def test_values_are_checked_against_the_stored_ones_before_them(tmp_path):
    workspace, options = open_workspace(), SourceOptions(season=5, horizon=5)
    ingest(workspace, written(tmp_path / "plant.csv", USUAL), "plant", options)
    dataset_rules.put(workspace.engine, 1, QualityRules(max_jump=10, max_stale=2))
    result = ingest(workspace, written(tmp_path / "more.csv", [50.0, 24.0, 24.0], first=40), "plant", options)
    assert result.quarantined == {"jump": 1}
    again = ingest(workspace, written(tmp_path / "still.csv", [24.0, 24.0], first=43), "plant", options)
    assert again.quarantined == {"stale": 2}


# --- live values ------------------------------------------------------------------------------------------------------


def test_fault_27_a_thousandfold_spike_is_stored_and_folded_as_missing_and_alerts_until_it_is_released(tmp_path, home):
    world, workspace = World.at(home), open_workspace()
    stamps = [(START + (step - 200) * FIVE) // 1_000_000 for step in range(200)]
    pl.DataFrame({"unique_id": "a", "ds": stamps, "y": wave(200)}).write_csv(tmp_path / "plant.csv")
    ingest(workspace, str(tmp_path / "plant.csv"), "plant", SourceOptions(date_format="s", season=12, horizon=6))
    dataset, panel = catalogue.dataset(workspace.engine, "plant"), panel_of("a")
    world.promote(dataset, baseline(panel, "naive"), panel)
    make_limits(workspace, dataset)
    with world.serving() as client:
        until(lambda: client.app.state.runtime.directory.datasets["plant"].judge.version == 1)
        answer = client.post("/v1/observations", json={"observations": rows("a", [12_000.0])})
        assert (answer.status_code, answer.json()["outcomes"]) == (200, ["quarantined"])
        assert median(client, "a")[0] == pytest.approx(wave(200)[-1])  # the value before it
        client.post("/v1/observations", json={"observations": rows("a", [12.0], first=1)})
        until(lambda: 'rollcast_quarantined_values{dataset="plant"} 1.0' in client.get("/metrics").text)
    assert status(workspace).datasets[0].quarantined == 1
    (held,) = quarantining.list_values(workspace, "plant")
    assert (held["unique_id"], held["y"], held["rule"], held["source"]) == ("a", 12_000.0, "spike", "live")
    # Training does not read it, from the log or from the lake.
    assert read_history(workspace, "plant").panel.values[-2:].tolist() == pytest.approx([math.nan, 12.0], nan_ok=True)
    with leases.held(workspace.engine, LEASE) as lease:
        assert move_rows(workspace, lease, dataset, 2, lambda *_: None) == 1  # the spike; the newest row stays
    assert workspace.lake.read(dataset.id)["y"][-1] is None
    assert read_history(workspace, "plant").panel.values[-2:].tolist() == pytest.approx([math.nan, 12.0], nan_ok=True)
    # Released by hand, it is read: a new row of the log, which the hand-off has yet to move.
    assert quarantining.release(workspace, "plant", None, "a", None).to_dict() | {"snapshot": 0} == {
        "dataset": "plant", "released": 1, "added": 1, "superseded": 0, "snapshot": 0,
    }  # fmt: skip
    assert world.logged(dataset, "a") == [(1, 12.0), (0, 12_000.0)]
    assert read_history(workspace, "plant").panel.values[-2:].tolist() == [12_000.0, 12.0]
    assert status(workspace).datasets[0].quarantined == 0


def test_live_values_that_an_earlier_version_logged_are_checked_once(tmp_path, home):
    world, workspace = World.at(home), open_workspace()
    ingest(workspace, written(tmp_path / "plant.csv", USUAL), "plant", SourceOptions(season=5, horizon=5))
    dataset = catalogue.dataset(workspace.engine, "plant")
    held = [LoggedValue(dataset.id, world.number(dataset, "a"), ds, 20_000.0, 1) for ds in (40, 41)]
    observation_log.append(workspace.engine, held[:1])
    with workspace.engine.begin() as connection:  # a home of the schema before, and its first start
        connection.execute(text("UPDATE schema_version SET version = 5"))
    database.migrate(workspace.engine)
    observation_log.append(workspace.engine, held[1:])  # judged when it was stored, by whoever stored it
    assert [value["ds"] for value in quarantining.list_values(workspace, "plant")] == [40]
    assert read_history(workspace, "plant").panel.values[-2:].tolist() == pytest.approx([math.nan, 2e4], nan_ok=True)
    assert quarantining.release(workspace, "plant", None, "a", None).added == 1
    assert quarantining.list_values(workspace, "plant") == []


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def rollcast(capsys):
    """Run one command line in this process: exit code, standard output, standard error."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([*words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def test_rules_and_quarantine_have_commands(rollcast, tmp_path):
    source = written(tmp_path / "plant.csv", USUAL)
    assert rollcast("ingest", source, "--dataset", "plant", "--horizon", "5")[0] == 0
    shown = json.loads(rollcast("quality", "set", "plant", "--max", "30", "--max-stale", "9", "--json")[1])
    assert shown == {
        "min": None,
        "max": 30.0,
        "max_jump": None,
        "max_stale": 9,
        "unit": None,
        "spike": 100.0,
        "accept_after": 8,
    }
    more = written(tmp_path / "more.csv", [31.0], first=40)
    assert "values in quarantine: range 1" in rollcast("ingest", more, "--dataset", "plant")[2]
    assert "1 in quarantine" in rollcast("status")[2]
    (held,) = json.loads(rollcast("quarantine", "list", "plant", "--json")[1])
    assert (held["ds"], held["y"], held["rule"]) == (40, 31.0, "range")
    assert rollcast("quarantine", "release", "plant")[0] == 2
    assert json.loads(rollcast("quarantine", "release", "plant", "--id", str(held["id"]), "--json")[1])["added"] == 1
    cleared = json.loads(rollcast("quality", "clear", "plant", "--json")[1])
    assert (cleared["max"], cleared["spike"]) == (None, 100.0)


def test_the_list_begins_with_a_count_for_each_rule_and_shows_the_first_values(capsys):
    row = {"id": 1, "unique_id": "a", "ds": "2024-01-02", "y": 9.0, "rule": "spike"}
    rows = [{**row, "id": i, "ds": f"2024-01-{2 + i % 20:02}", "unique_id": "ab"[i % 2]} for i in range(60)]
    quarantine_list([*rows, {**row, "ds": "2023-12-31", "rule": "range"}], False, "plant", False)
    printed = capsys.readouterr()
    lines = [line.split() for line in printed.out.splitlines() if line.strip()]
    assert lines[0] == "plant: 61 in quarantine".split()
    assert lines[3] == ["spike", "60", "2", "2024-01-02", "2024-01-21"]
    assert lines[4] == ["range", "1", "1", "2023-12-31", "2023-12-31"]
    assert printed.out.count("spike") == 1 + SHOWN
    assert "11 more; --json lists all of them" in printed.err
    quarantine_list(rows, True, "plant", False)
    assert len(json.loads(capsys.readouterr().out)) == 60
