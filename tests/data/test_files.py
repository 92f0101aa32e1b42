import os
from multiprocessing import get_context

import pytest

from data.errors import AlreadyRunning, Conflict, InvalidInput
from data.files import check_folder, file_lock, fsync_tree, move_into_place, output_file, whole_file


def hold(path, held, released):
    with file_lock(path):
        held.set()
        released.wait(50)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock `tmp_path/home/lock` until the event that this gives is set."""
    context = get_context("spawn")
    held, released = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "home" / "lock", held, released))
    process.start()
    assert held.wait(150)
    yield released
    released.set()
    process.join()


def test_a_lock_that_another_process_holds_is_refused_at_once(tmp_path, other):
    path = tmp_path / "home" / "lock"
    refused = pytest.raises(Conflict, match="a demo is running already; wait for it to end or stop it")
    with refused, file_lock(path, AlreadyRunning("a demo")):
        pass
    other.set()
    with file_lock(path):  # waits for the other process
        pass
    with file_lock(path, AlreadyRunning("a demo")):
        pass


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "page.md"
    with whole_file(path) as partial:
        partial.write_text("new")
        assert not path.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]


def test_a_file_that_was_not_finished_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_file(path) as partial:
        divmod(partial.write_text("half"), 0)
    assert [file.name for file in tmp_path.iterdir()] == ["page.md"]
    assert path.read_text() == "old"


def test_an_output_file_that_cannot_be_written_is_the_users_to_change(tmp_path):
    (tmp_path / "taken").mkdir()
    refused = pytest.raises(InvalidInput, match=r"taken cannot be written \(Is a directory\); name another file")
    with refused, output_file(tmp_path / "taken") as partial:
        partial.write_text("x")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
    with pytest.raises(InvalidInput, match="there is no folder"):
        check_folder(tmp_path / "nowhere" / "page.html")


def test_a_folder_is_synced_from_the_inside_out_before_it_is_renamed(tmp_path, monkeypatch):
    partial, path = tmp_path / "partial", tmp_path / "whole"
    (partial / "inner").mkdir(parents=True)
    (partial / "inner" / "file").write_text("x")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    move_into_place(partial, path)
    names = ["partial/inner/file", "partial/inner", "partial", "."]
    assert synced == [str((tmp_path / name).resolve()) for name in names]
    assert (path / "inner" / "file").read_text() == "x"
    fsync_tree(path / "inner" / "file")
    assert synced[-1] == str(path / "inner" / "file")
