"""Files on a local disk: locks between processes, writing a file or a folder whole or not at all, and fsync."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import InvalidInput, RollcastError, first_line

# --- locks ------------------------------------------------------------------------------------------------------------


@contextmanager
def file_lock(path: Path, busy: RollcastError | None = None) -> Iterator[None]:
    """Hold an exclusive lock on the file `path` while the block runs; the file and its folder are made when missing.

    Where another process holds the lock, `busy` is raised at once; without `busy` the call waits. The system releases
    the lock of a process that ends or is killed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy else 0))
        except BlockingIOError:
            if busy is None:
                raise
            raise busy from None
        yield


# --- whole files ------------------------------------------------------------------------------------------------------


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives the path of a partial file to write: renamed to `path` when the block ends, removed when it raises."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def check_folder(path: Path) -> None:
    """Raises InvalidInput where the folder of an output file is missing; to be called before the work is done."""
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}; make it first")


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """As `whole_file`, for a file that a user named. Raises InvalidInput where it cannot be written."""
    try:
        with whole_file(path) as partial:
            yield partial
    except OSError as error:
        reason = error.strerror or first_line(error, longest=None)
        raise InvalidInput(f"{path} cannot be written ({reason}); name another file") from error


# --- fsync ------------------------------------------------------------------------------------------------------------


def fsync(paths: Iterable[Path]) -> None:
    """fsync files and folders, in this order. After an OSError a second try proves nothing: it may succeed with the
    pages lost.
    """
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def fsync_tree(path: Path) -> None:
    """fsync a file, or a folder with all that is in it: every file, then every folder, from the inside out."""
    inside = sorted(path.rglob("*"), key=lambda found: (found.is_dir(), -len(found.parts))) if path.is_dir() else []
    fsync([*inside, path])


def move_into_place(partial: Path, path: Path) -> None:
    """Rename a finished file or folder to `path`, in the same folder; both are on the disk when this returns."""
    fsync_tree(partial)
    partial.rename(path)
    fsync([path.parent])
