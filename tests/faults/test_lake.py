"""Damage to the lake's files, and several processes in it; numbered as in the list of faults."""

import contextlib
import json
import multiprocessing
import random
import sqlite3
import struct
import threading

import polars as pl
import pytest
from deltalake import DeltaTable

from data.errors import Unavailable
from data.grid.grid import Grid
from data.lake import commits, log_checksums, scrub
from data.lake.table import Lake
from data.settings import load_settings
from data.store import catalogue, observation_log
from data.store.database import connect, open_store
from data.store.observation_log import LoggedValue
from pipelines.monitoring.check import check_damages
from pipelines.upkeep import doctor
from pipelines.workspace import Workspace, open_workspace

SERIES = [f"s{n}" for n in range(20)]


def frame(step, ids=SERIES):
    return pl.DataFrame({"unique_id": ids, "ds": [step] * len(ids), "y": [step + n / 7 for n in range(len(ids))]})


@pytest.fixture
def plant(home) -> Workspace:
    """A workspace with one dataset of four versions."""
    workspace = open_workspace()
    put(workspace)
    for step in range(4):
        append(workspace, frame(step))
    return workspace


def put(workspace):
    catalogue.put_dataset(workspace.engine, "plant", grid=Grid("1"), season=1, horizon=1, target="y")


def append(workspace, rows):
    workspace.lake.append(1, rows)
    commits.record(workspace.engine, 1, workspace.lake.path(1))


def entry(workspace, version):
    return workspace.lake.path(1) / "_delta_log" / f"{version:020}.json"


def data_file(workspace, version):
    (add,) = [json.loads(line)["add"] for line in entry(workspace, version).read_text().splitlines() if '"add"' in line]
    return workspace.lake.path(1) / add["path"]


def damages(workspace):
    return list(scrub.find_damage(workspace.engine, workspace.lake, 1))


def checksum_damages(workspace):
    return list(scrub.find_changed_files(workspace.engine, workspace.lake, 1, lambda size: None))


def test_an_intact_lake_has_no_damage(plant):
    assert damages(plant) == checksum_damages(plant) == []
    assert doctor.exit_code([check for check in doctor.examine(thorough=True) if check.name.startswith("plant")]) == 0


@pytest.mark.parametrize("version", [3, 1])
def test_fault_04_an_empty_log_entry_is_named_and_no_version_is_read_past_it(plant, version):
    entry(plant, version).write_bytes(b"")
    (damage,) = damages(plant)
    assert damage.startswith(f"{entry(plant, version)} came back empty after a crash: version {version} is not whole")
    for use in (plant.lake.read, plant.lake.snapshot, lambda number: plant.lake.append(number, frame(9))):
        with pytest.raises(Unavailable, match="came back empty"):
            use(1)


def test_an_empty_entry_that_was_not_recorded_may_be_removed_and_the_commit_made_again(plant):
    plant.lake.append(1, frame(4))  # as after a kill before the record, and a power failure
    entry(plant, 4).write_bytes(b"")
    with pytest.raises(
        Unavailable, match="version 4 is not whole; it was never acknowledged: remove the file and repeat"
    ):
        plant.lake.read(1)
    entry(plant, 4).unlink()
    append(plant, frame(4))
    assert damages(plant) == []
    assert plant.lake.read(1).height == 100


@pytest.mark.parametrize("after", [b"", b"\0" * 200])
def test_fault_05_a_torn_or_zero_filled_log_entry_is_one_sentence_with_its_repair(plant, after):
    path = entry(plant, 3)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + after)
    assert len(damages(plant)) == 1
    with pytest.raises(
        Unavailable, match="came back torn after a crash: version 3 is not whole; restore a backup"
    ) as e:
        plant.lake.read(1)
    assert str(path) in str(e.value)


def test_a_newest_version_that_is_gone_is_noticed(plant):
    entry(plant, 3).unlink()
    assert f"{entry(plant, 3)} is gone" in damages(plant)[0]
    with pytest.raises(Unavailable, match="is gone, and its rows with it; restore a backup"):
        plant.lake.append(1, frame(9))


def test_fault_06_a_missing_data_file_is_named(plant):
    path = data_file(plant, 1)
    path.unlink()
    assert damages(plant) == [f"{path} is gone; restore a backup"]
    with pytest.raises(Unavailable, match=f"{path} is gone"):
        plant.lake.read(1)
    check = next(check for check in doctor.examine() if check.name == "plant: lake")
    assert (check.verdict, check.detail) == ("failed", f"{path} is gone; restore a backup")


@pytest.mark.parametrize("keep", [0.0, 0.5])
def test_fault_07_a_truncated_or_zeroed_data_file_is_named_and_the_reading_thread_goes_on(plant, keep, capfd):
    path = data_file(plant, 2)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if keep else bytes(len(whole)))
    raised = []

    def read():
        try:
            plant.lake.read(1)
        except Unavailable as error:
            raised.append(str(error))

    thread = threading.Thread(target=read)  # the panic of Polars is no Exception
    thread.start()
    thread.join()
    assert raised == damages(plant)
    assert str(path) in raised[0]
    assert "panicked" not in capfd.readouterr().err  # Polars would print its panic


def test_fault_08_every_flipped_bit_in_a_data_file_or_a_log_entry_is_found(plant):
    draw = random.Random(8)
    for path, look in ((data_file(plant, 2), checksum_damages), (entry(plant, 2), damages)):
        whole = path.read_bytes()
        for _ in range(50):
            flipped = bytearray(whole)
            flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
            path.write_bytes(flipped)
            assert any(str(path) in damage for damage in look(plant))
        path.write_bytes(whole)
    assert damages(plant) == checksum_damages(plant) == []


def test_fault_08_every_flipped_bit_in_an_observation_of_the_database_is_found(plant):
    """SQLite finds damage to the structure of its pages, but not to a value in them."""
    values = [n / 7 for n in range(1, 2_000) if n % 7]
    observation_log.append(plant.engine, [LoggedValue(1, 1 + n % 20, n, y, 5) for n, y in enumerate(values)])
    log_checksums.record_checksums(plant.engine, 1)
    plant.engine.dispose()
    path, draw = load_settings().home / "live.db", random.Random(8)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = path.read_bytes()
    for value in draw.sample(values, 20):
        flipped, stored = bytearray(whole), struct.pack(">d", value)
        assert whole.count(stored) == 1
        flipped[whole.index(stored) + draw.randrange(8)] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        engine = connect(f"sqlite:///{path}")
        assert check_damages("file", scrub.check_database(engine, True), lambda: "").verdict == "ok"
        assert check_damages("rows", log_checksums.find_changes(engine, 1), lambda: "").verdict == "failed"
        engine.dispose()


def test_a_wrong_number_of_rows_is_reported(plant):
    with plant.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE commits SET rows = 21 WHERE version = 2")
    (damage,) = damages(plant)
    assert "has 80 rows, and 81 were written" in damage


def test_the_doctor_reports_a_damaged_database_file(plant):
    plant.engine.dispose()
    path = load_settings().home / "live.db"
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle : middle + 4096] = bytes(4096)
    path.write_bytes(raw)
    checks = doctor.examine()
    assert any(check.verdict == "failed" and "live.db" in check.detail for check in checks)


# --- several at once ----------------------------------------------------------------------------------------------


def append_own(root, url, number, rounds):
    workspace = Workspace(None, open_store(url), Lake(root))
    for step in range(rounds):
        append(workspace, frame(step, [f"w{number}"]))


@pytest.fixture(scope="module")
def children():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.test_lake"])
    return context


def test_fault_13_four_processes_append_and_every_row_is_there_and_every_commit_recorded(plant, children):
    url = plant.engine.url.render_as_string(hide_password=False)
    workers = [children.Process(target=append_own, args=(plant.lake.root, url, number, 5)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    rows = plant.lake.read(1)
    assert [rows.filter(pl.col("unique_id") == f"w{number}").height for number in range(4)] == [5] * 4
    assert [commit.version for commit in commits.commits(plant.engine, 1)] == list(range(24))
    assert damages(plant) == []


def test_fault_14_a_merge_is_refused_by_the_table_itself(plant):
    merger = DeltaTable(plant.lake.path(1)).merge(frame(0), "t.unique_id = s.unique_id", "s", "t")
    with pytest.raises(Exception, match=r"(?i)append"):
        merger.when_matched_update_all().execute()


def test_fault_15_readers_finish_while_files_are_compacted_and_vacuumed(plant):
    stop, rows, failed = threading.Event(), set(), []

    def read():
        while not stop.is_set():
            try:
                rows.add(plant.lake.read(1).height)
            except Unavailable as error:
                failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for step in range(4, 10):
        append(plant, frame(step))
        plant.lake.optimize(1)
    stop.set()
    for reader in readers:
        reader.join()
    assert not failed
    assert rows <= set(range(80, 201, 20))
    assert plant.lake.files(1)[0] == 1
