"""A kill at any step of a deletion: the same command again, or the next work on the dataset, finishes it."""

import multiprocessing
import signal

import pytest

from data import failpoints
from data.changes import deletions
from data.errors import UnknownDataset
from data.store import catalogue
from pipelines.deletion import requests, run, undo
from pipelines.ingestion import row_storage
from pipelines.upkeep import doctor
from pipelines.upkeep.compact import compact
from pipelines.workspace import open_workspace
from tests.support.deletion_kit import ds, home_of, lake_rows, observe, require_same, require_sound, served_bundle
from tests.support.handoff_kit import quiet
from tests.support.road_kit import HISTORY, NAME, add_file, rows_of, sensors, twin_of

IDS = sensors(2)
BEFORE = rows_of(IDS, range(-HISTORY, 0))
LAKE = ("erase.lifted", "erase.rewritten", "erase.synced", "erase.vacuumed")
ROWS = ("deletion.begun", *LAKE, "deletion.erased", "deletion.issued", "deletion.prepared", "deletion.applied")
ROWS += ("deletion.summed", "deletion.done")
UNDO = tuple(point for point in ROWS if point != "deletion.issued")
DATASET = ("deletion.begun", "deletion.applied", "deletion.erased", "deletion.unmirrored", "deletion.done")


@pytest.fixture(scope="module")
def children():
    """A context whose processes start with the libraries loaded, but without their threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.test_deletion"])
    return context


def die(settings, point, command, *arguments):
    failpoints.ARMED.update({point: "exit"})
    command(open_workspace(settings), NAME, *arguments)


def kill_at(children, workspace, point, command, *arguments):
    """Run a command in a process that is killed at this point; a minute later its lease is over."""
    child = children.Process(target=die, args=(workspace.settings, point, command, *arguments))
    child.start()
    child.join(300)
    assert child.exitcode == -signal.SIGKILL, point
    with workspace.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE leases SET renewed_at = 0")


def delete_rows(workspace, name):
    return requests.delete_rows(workspace, name, [IDS[0]], "2024-03-05T10:00:00Z", "2024-03-06T02:00:00Z", False)


def gone(row):
    return row[0] == IDS[0] and ds_of("2024-03-05T10:00:00Z") <= ds(row[1]) <= ds_of("2024-03-06T02:00:00Z")


def ds_of(text):
    from data.grid.stamps import parse_ds

    return parse_ds(text, "instant")


FEW = ("erase.rewritten", "deletion.applied")


@pytest.mark.parametrize("points", [FEW, pytest.param(ROWS, marks=pytest.mark.slow)], ids=["few", "all"])
def test_fault_53_a_kill_at_any_step_of_deleting_rows_is_finished_by_the_same_command(tmp_path, children, points):
    ours = home_of(tmp_path / "ours", BEFORE)
    theirs = home_of(tmp_path / "theirs", [row for row in BEFORE if not gone(row)], served_bundle(ours))
    observe(ours, rows_of(IDS, range(0, 6)))
    observe(theirs, [row for row in rows_of(IDS, range(0, 6)) if not gone(row)])
    for point in points:
        home = twin_of(ours, tmp_path / point)
        kill_at(children, home, point, delete_rows)
        ended = point == "deletion.done"
        assert doctor.unfinished(home).verdict == ("ok" if ended else "warning"), point
        done = delete_rows(home, NAME)
        assert done["state"] == "done", point
        if not ended:  # what was counted before the kill is still what the answer says
            assert (done["deleted"]["lake_rows"], done["deleted"]["log_rows"]) == (14, 3), point
        require_same(home, theirs)
        require_sound(home)
        assert deletions.unfinished(home.engine) == [], point


@pytest.mark.slow
def test_fault_53_a_kill_at_any_step_of_an_undo_is_finished_and_takes_no_other_ingest_back(tmp_path, children):
    ours = home_of(tmp_path / "ours", BEFORE)
    theirs = twin_of(ours, tmp_path / "theirs")
    add_file(ours, tmp_path / "wrong.csv", [(IDS[0], hour, 900.0) for hour in range(-4, 3)])
    for point in UNDO:
        home = twin_of(ours, tmp_path / point)
        kill_at(children, home, point, undo.undo)
        if point != "deletion.done":
            assert undo.undo(home, NAME)["state"] == "done", point
        require_same(home, theirs)
        require_sound(home)
        assert [own["state"] for own in undo.list_ingests(home, NAME)] == ["undone", "done"], point


def test_fault_53_a_kill_at_any_step_of_deleting_a_dataset_is_finished_by_the_same_command(tmp_path, children):
    ours = home_of(tmp_path / "ours", BEFORE)
    for point in DATASET[:-1]:
        home = twin_of(ours, tmp_path / point)
        kill_at(children, home, point, requests.delete_whole)
        assert requests.delete_whole(home, NAME)["state"] == "done", point
        with pytest.raises(UnknownDataset):
            catalogue.dataset(home.engine, NAME)
        assert not home.lake.path(1).exists(), point


@pytest.mark.parametrize("following", ["ingest", "compact", "jobs"])
def test_the_next_work_on_the_dataset_finishes_a_deletion_first(tmp_path, children, following):
    ours = home_of(tmp_path / "ours", BEFORE)
    kill_at(children, ours, "deletion.erased", delete_rows)
    if following == "ingest":
        add_file(ours, tmp_path / "more.csv", rows_of(IDS, range(5, 6)))  # not one of the deleted hours
    elif following == "compact":
        compact(ours, NAME, False, quiet)
    else:
        run.run_asked(ours)
    assert [found.state for found in deletions.deletions(ours.engine)] == ["done"]
    assert not [row for row in lake_rows(ours) if gone_row(row)]
    require_sound(ours)


def gone_row(row):
    return row[0] == IDS[0] and ds_of("2024-03-05T10:00:00Z") <= row[1] <= ds_of("2024-03-06T02:00:00Z")


INGEST = ("ingest.stored", "ingest.committed", "ingest.logged", "ingest.recorded")


def ingest_wrong(workspace, name, folder):
    row_storage.SLICE = 2  # several transactions of the log
    add_file(workspace, folder / "wrong.csv", [(IDS[0], hour, 900.0 + hour) for hour in range(-4, 3)])


@pytest.mark.slow
def test_an_ingest_that_was_killed_can_be_taken_back_and_one_that_went_on_is_one(tmp_path, children):
    ours = home_of(tmp_path / "ours", BEFORE)
    theirs = twin_of(ours, tmp_path / "theirs")
    for point in INGEST:
        home = twin_of(ours, tmp_path / point)
        kill_at(children, home, point, ingest_wrong, tmp_path)
        again = twin_of(home, tmp_path / f"{point}.again")
        undo.undo(home, NAME)
        require_same(home, theirs)
        ingest_wrong(again, NAME, tmp_path)
        assert len(undo.list_ingests(again, NAME)) == 2, point
        undo.undo(again, NAME)
        require_same(again, theirs)
        require_sound(again)
