"""An ingest is taken back: what it stored is absent, and what it replaced is as it was."""

import pytest

from data.changes import deletions, ingests
from data.errors import Conflict, NotFound, UnknownDataset
from data.formats.options import SourceOptions
from data.records import quarantine
from data.store import catalogue
from pipelines.deletion import run, undo
from pipelines.history.quarantine import release
from pipelines.ingestion.ingest import ingest
from tests.support.deletion_kit import (
    home_of,
    lake_rows,
    observe,
    require_same,
    require_sound,
)
from tests.support.handoff_kit import quiet
from tests.support.loop_kit import workspace_at
from tests.support.road_kit import HISTORY, NAME, add_file, rows_of, sensors, write_file

IDS = sensors(3)
BEFORE = rows_of(IDS, range(-HISTORY, 0))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_the_last_ingest_is_as_if_never_seen_and_its_file_may_come_again(tmp_path, request, kind):
    database_url = "" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    ours = home_of(tmp_path / "ours", BEFORE, database_url=database_url)
    theirs = home_of(tmp_path / "theirs", BEFORE)
    wrong = [(name, hour, 1000.0) for name, hour, _ in rows_of(IDS[:2], range(-3, 4))]
    for home in (ours, theirs):
        add_file(home, home.settings.home / "first.csv", rows_of(IDS, range(0, 2)))
    add_file(ours, tmp_path / "wrong.csv", wrong)
    done = undo.undo(ours, NAME)
    assert (done["state"], done["deleted"]["lake_rows"], done["deleted"]["log_rows"]) == ("done", 14, 14)
    require_same(ours, theirs)
    require_sound(ours)
    again = add_file(ours, tmp_path / "wrong.csv", wrong)
    assert (again.repeated, again.added) == (False, 14)


def test_an_earlier_ingest_goes_by_its_number_and_a_later_correction_stays(tmp_path):
    ours, theirs = home_of(tmp_path / "ours", BEFORE), home_of(tmp_path / "theirs", BEFORE)
    add_file(ours, tmp_path / "wrong.csv", [(IDS[0], 0, 900.0), (IDS[1], 0, 901.0)])
    for home in (ours, theirs):
        add_file(home, home.settings.home / "right.csv", rows_of(IDS[:1], range(0, 1)))
    number = undo.list_ingests(ours, NAME)[1]["number"]
    undo.undo(ours, NAME, number)
    require_same(ours, theirs)
    with pytest.raises(Conflict, match=f"ingest {number} was taken back already"):
        undo.undo(ours, NAME, number)


def test_the_list_names_each_ingest_and_what_became_of_it(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    add_file(ours, tmp_path / "more.csv", rows_of(IDS, range(0, 2)))
    undo.undo(ours, NAME)
    newest, first = undo.list_ingests(ours, NAME)
    assert (newest["source"], newest["rows"], newest["logged"], newest["state"]) == (
        str(tmp_path / "more.csv"),
        6,
        6,
        "undone",
    )
    assert (first["rows"], first["logged"], first["state"]) == (360, 0, "done")


def test_a_series_that_the_ingest_brought_goes_and_its_id_does_not_come_back(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    add_file(ours, tmp_path / "new.csv", rows_of(["s0009"], range(-30, 0)))
    number = dict(reversed(row) for row in catalogue.series(ours.engine, 1))["s0009"]
    undo.undo(ours, NAME)
    assert [name for _, name in catalogue.series(ours.engine, 1)] == IDS
    add_file(ours, tmp_path / "new.csv", rows_of(["s0009"], range(-30, 0)))
    assert dict(reversed(row) for row in catalogue.series(ours.engine, 1))["s0009"] == number + 1


def test_a_series_that_got_live_values_since_stays_with_them(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    add_file(ours, tmp_path / "new.csv", rows_of(["s0009"], range(-30, 0)))
    observe(ours, rows_of(["s0009"], range(0, 1)))
    undo.undo(ours, NAME)
    assert [name for _, name in catalogue.series(ours.engine, 1)] == [*IDS, "s0009"]
    assert [row for row in lake_rows(ours) if row[0] == "s0009"] == []
    require_sound(ours)


def test_season_and_quarantine_are_as_before(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    before = catalogue.dataset(ours.engine, NAME)
    spiked = [(IDS[0], hour, 1e6 if hour == 2 else y) for _, hour, y in rows_of(IDS[:1], range(0, 6))]
    result = ingest(ours, write_file(tmp_path / "s.csv", spiked), NAME, SourceOptions(tz="UTC", season=6), quiet)
    assert (catalogue.dataset(ours.engine, NAME).season, result.quarantined) == (6, {"spike": 1})
    undo.undo(ours, NAME)
    after = catalogue.dataset(ours.engine, NAME)
    assert (after.season, after.horizon) == (before.season, before.horizon)
    assert quarantine.values(ours.engine, 1, released=None) == []


def test_a_value_that_was_released_since_goes_too(tmp_path):
    ours, theirs = home_of(tmp_path / "ours", BEFORE), home_of(tmp_path / "theirs", BEFORE)
    spiked = [(IDS[0], hour, 1e6 if hour == 2 else y) for _, hour, y in rows_of(IDS[:1], range(0, 6))]
    add_file(ours, tmp_path / "s.csv", spiked)
    assert release(ours, NAME, None, IDS[0], None).released == 1
    undo.undo(ours, NAME)
    require_same(ours, theirs)


def test_an_ingest_that_made_the_dataset_takes_it_away_so_that_another_may_choose_its_frequency(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    ours = workspace_at(home)
    add_file(ours, home / "history.csv", BEFORE)
    done = undo.undo(ours, NAME)
    assert done["dataset_deleted"] is True
    with pytest.raises(UnknownDataset):
        catalogue.dataset(ours.engine, NAME)
    daily = [(IDS[0], 24 * day, 1.0) for day in range(-5, 0)]
    options = SourceOptions(tz="UTC", freq="1d")
    assert ingest(ours, write_file(home / "d.csv", daily), NAME, options, quiet).added == 5
    assert catalogue.dataset(ours.engine, NAME).id == 2


def test_a_dataset_with_a_model_stays_without_rows(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    done = undo.undo(ours, NAME)
    assert done["dataset_deleted"] is False
    assert lake_rows(ours) == []
    require_sound(ours)
    with pytest.raises(NotFound, match="no ingest left to take back"):
        undo.undo(ours, NAME)


def test_a_dry_run_counts_and_changes_nothing(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    add_file(ours, tmp_path / "more.csv", rows_of(IDS, range(0, 2)))
    rows = lake_rows(ours)
    preview = undo.undo(ours, NAME, dry_run=True)
    assert (preview["dry_run"], preview["deleted"]["lake_rows"], preview["deleted"]["log_rows"]) == (True, 6, 6)
    assert lake_rows(ours) == rows
    assert [own.undone_at for own in ingests.ingests(ours.engine, 1)] == [None, None]


def test_a_request_does_not_reach_a_later_series_of_the_same_name(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    new, asked = rows_of(["s0009"], range(-30, 0)), {"series": ["s0009"]}
    add_file(ours, tmp_path / "new.csv", new)
    deletions.ask(ours.engine, 1, "series", asked)  # as a service does
    undo.undo(ours, NAME)
    add_file(ours, tmp_path / "new.csv", new)
    assert [(done.kind, done.state) for done in run.run_asked(ours)] == [("series", "failed")]
    assert len([row for row in lake_rows(ours) if row[0] == "s0009"]) == 30
    deletions.ask(ours.engine, 1, "series", asked)
    assert [(done.kind, done.state) for done in run.run_asked(ours)] == [("series", "done")]
    assert [name for _, name in catalogue.series(ours.engine, 1)] == IDS


def test_a_request_that_is_made_again_means_the_series_of_now(tmp_path):
    ours = home_of(tmp_path / "ours", BEFORE)
    new, asked = rows_of(["s0009"], range(-30, 0)), {"series": ["s0009"]}
    add_file(ours, tmp_path / "new.csv", new)
    first = deletions.ask(ours.engine, 1, "series", asked)
    undo.undo(ours, NAME)
    add_file(ours, tmp_path / "new.csv", new)
    assert deletions.ask(ours.engine, 1, "series", asked).id == first.id
    assert [(done.id, done.state) for done in run.run_asked(ours)] == [(first.id, "done")]
