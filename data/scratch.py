"""Temporary folders below the home folder, for data that does not fit in memory."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def scratch_folder(home: Path) -> Iterator[Path]:
    """A folder that is removed when the block ends. Folders that killed processes left are removed first."""
    root = home / "scratch"
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        if not _is_running(left.name.partition("-")[0]):
            shutil.rmtree(left, ignore_errors=True)
    with TemporaryDirectory(dir=root, prefix=f"{os.getpid()}-") as folder:
        yield Path(folder)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
