"""A backup restores to the moment it was made: every row, every file, every forecast; or it is refused."""

import json
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data import failpoints
from data.errors import Conflict, DamagedArtifact, InvalidInput
from data.lake import backups, commits, handoffs, scrub
from data.settings import Settings
from data.store import catalogue, observation_log
from pipelines.history.history import read_history
from pipelines.upkeep.backup import backup
from pipelines.upkeep.compact import compact
from pipelines.upkeep.restore import restore
from pipelines.workspace import open_workspace
from tests.support.handoff_kit import execute, lake_rows, observe, quiet
from tests.support.service_kit import START, World, baseline, panel_of, rows

PANEL = panel_of("a", "b")
NAIVE = baseline(PANEL, "naive")


@pytest.fixture
def world(tmp_path) -> World:
    return filled(World.at(tmp_path / "home"))


def filled(world) -> World:
    """One dataset with a lake of two versions, a promoted model, and rows in the log."""
    dataset = world.ingest("plant", "a", "b")
    workspace = open_workspace(world.settings)
    for y in (1.0, 2.0):
        workspace.lake.append(dataset.id, pl.DataFrame({"unique_id": ["a"], "ds": [START - 1], "y": [y]}))
    commits.record(world.engine, dataset.id, workspace.lake.path(dataset.id))
    observe(world, dataset, ("a", 0, 1.0), ("b", 0, None), ("a", 1, 2.0))
    world.promote(dataset, NAIVE, PANEL)
    execute(world, "UPDATE promotions SET decided_at = 0")
    observe(world, dataset, ("a", 2, 3.0))
    return world


def elsewhere(tmp_path, url="") -> Settings:
    return Settings(home=tmp_path / "other", database_url=url)


def forecasts(settings):
    with World(settings, open_workspace(settings).engine).serving() as client:
        return [client.get(f"/v1/series/{series}/forecast").content for series in ("a", "b")]


def files(folder: Path):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_a_backup_is_restored_bit_for_bit(world, tmp_path):
    done = backup(open_workspace(world.settings), tmp_path / "backups", None, False, quiet)
    assert done.snapshots == {"plant": 1}
    found = restore(elsewhere(tmp_path), tmp_path / "backups", False, quiet)
    assert found.observations == {"plant": 4}
    original, restored = open_workspace(world.settings), open_workspace(elsewhere(tmp_path))
    assert files(original.lake.root / "1") == files(restored.lake.root / "1")
    assert observation_log.log(original.engine, 1).seq.tolist() == observation_log.log(restored.engine, 1).seq.tolist()
    before, after = read_history(original, "plant"), read_history(restored, "plant")
    assert np.array_equal(before.panel.values, after.panel.values, equal_nan=True)
    assert forecasts(world.settings) == forecasts(elsewhere(tmp_path))
    assert compact(restored, None, False, quiet)[0].handed_off == 3  # no lease was restored


@pytest.mark.parametrize("into", ["sqlite", "postgres"])
def test_a_backup_of_either_store_restores_into_either(store, tmp_path, into, request):
    url = store.url.render_as_string(hide_password=False)
    home = filled(World(Settings(home=tmp_path / "home", database_url=url), store))
    target = elsewhere(tmp_path, request.getfixturevalue("another_postgres_url") if into == "postgres" else "")
    backup(open_workspace(home.settings), tmp_path / "backups", None, False, quiet)
    restore(target, tmp_path / "backups", False, quiet)
    assert forecasts(home.settings) == forecasts(target)
    again = open_workspace(target).engine
    assert catalogue.ensure_series(again, 1, ["c"])["c"] == 3  # numbering continues
    with pytest.raises(Conflict, match="not empty"):
        restore(target, tmp_path / "backups", False, quiet)


def test_fault_22_a_backup_under_write_load_restores_to_one_moment(world, tmp_path):
    dataset, acknowledged, stop = catalogue.dataset(world.engine, "plant"), [4], threading.Event()

    def write():
        step = 3
        while not stop.is_set():
            acknowledged.extend(observe(world, dataset, ("a", step, float(step)), ("b", step, float(step)), at=step))
            step += 1

    writer = threading.Thread(target=write)
    writer.start()
    workspace = open_workspace(world.settings)
    moments = []
    for _ in range(3):
        first = acknowledged[-1]
        backup(workspace, tmp_path / "backups", None, False, quiet)
        moments.append((first, acknowledged[-1]))
        compact(workspace, None, False, quiet)
    stop.set()
    writer.join()
    for number, (folder, (first, last)) in enumerate(
        zip(sorted((tmp_path / "backups").iterdir()), moments, strict=True)
    ):
        target = Settings(home=tmp_path / f"other-{number}")
        restore(target, folder, False, quiet)
        found = open_workspace(target)
        seqs = observation_log.log(found.engine, dataset.id).seq.tolist()
        gone = handoffs.handed_off(found.engine, dataset.id)
        assert seqs == list(range(gone + 1, gone + 1 + len(seqs)))  # no gap: everything up to one moment
        assert first <= seqs[-1] <= last + 2
        assert len(lake_rows(found, dataset)) == 2 + gone
        assert not [
            *scrub.find_damage(found.engine, found.lake, 1),
            *scrub.find_changed_files(found.engine, found.lake, 1, lambda n: 0),
        ]


def test_a_hand_off_under_way_is_finished_once_after_a_restore(world, tmp_path, monkeypatch):
    workspace = open_workspace(world.settings)
    monkeypatch.setitem(failpoints.ARMED, "handoff.recorded", "error")
    with pytest.raises(OSError, match="Input/output error"):
        compact(workspace, None, False, quiet)
    monkeypatch.delitem(failpoints.ARMED, "handoff.recorded")
    backup(workspace, tmp_path / "backups", None, False, quiet)
    restore(elsewhere(tmp_path), tmp_path / "backups", False, quiet)
    found = open_workspace(elsewhere(tmp_path))
    compact(found, None, False, quiet)
    assert [row[:3] for row in lake_rows(found, catalogue.dataset(found.engine, "plant"))][2:] == [
        ("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, None),
    ]  # fmt: skip


def test_a_damaged_backup_is_refused_before_anything_changes(world, tmp_path):
    done = backup(open_workspace(world.settings), tmp_path / "backups", None, False, quiet)
    folder = Path(done.path)
    manifest = json.loads((folder / backups.MANIFEST).read_bytes())
    for name in (*manifest["files"], backups.MANIFEST):
        whole = (folder / name).read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        (folder / name).write_bytes(flipped)
        with pytest.raises((DamagedArtifact, InvalidInput), match=name.split("/")[-1]):
            restore(elsewhere(tmp_path), folder, False, quiet)
        (folder / name).write_bytes(whole)
    with pytest.raises(InvalidInput, match="is not a backup"):
        restore(elsewhere(tmp_path), folder / "live.db", False, quiet)
    (folder / "live.db").unlink()
    with pytest.raises(DamagedArtifact, match=r"live\.db is gone"):
        restore(elsewhere(tmp_path), folder, False, quiet)
    assert not (tmp_path / "other").exists()


def test_a_home_that_is_not_empty_is_never_overwritten(world, tmp_path):
    backup(open_workspace(world.settings), tmp_path / "backups", None, False, quiet)
    before = files(world.settings.home)
    with pytest.raises(Conflict, match="is not empty"):
        restore(world.settings, tmp_path / "backups", False, quiet)
    assert files(world.settings.home) == before


def test_a_damaged_lake_leaves_no_backup(world, tmp_path):
    workspace = open_workspace(world.settings)
    path = next(iter(workspace.lake.active(1)))
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DamagedArtifact, match="is not what was written"):
        backup(workspace, tmp_path / "backups", None, False, quiet)
    assert not list((tmp_path / "backups").iterdir())


def test_all_but_the_newest_are_deleted_and_a_dry_run_names_them(world, tmp_path):
    workspace, folder = open_workspace(world.settings), tmp_path / "backups"
    names = [Path(backup(workspace, folder, 2, False, quiet).path).name for _ in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == names[1:]
    dry = backup(workspace, folder, 2, True, quiet)
    assert (dry.removed, dry.snapshots, dry.dry_run) == ([names[1]], {"plant": 1}, True)
    assert sorted(path.name for path in folder.iterdir()) == names[1:]
    (folder / "rollcast-of-mine-Z").mkdir()
    assert len(list(folder.iterdir())) == 3
    checked = restore(elsewhere(tmp_path), folder, True, quiet)
    assert checked.source.endswith(names[2]) and not (tmp_path / "other").exists()


def test_a_folder_inside_the_home_is_refused(world):
    with pytest.raises(InvalidInput, match="inside the home"):
        backup(open_workspace(world.settings), world.settings.home / "backups", None, False, quiet)


def test_a_service_works_during_a_backup(world, tmp_path):
    with world.serving() as client:
        backup(open_workspace(world.settings), tmp_path / "backups", None, False, quiet)
        assert client.post("/v1/observations", json=rows("a", [4.0], 3)).status_code == 200
