"""A file that a person asked for, whole or not there at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import InvalidInput


def check_folder(path: Path) -> None:
    """Raises InvalidInput for a file we could not write, before the work is done."""
    if not path.parent.is_dir():
        raise InvalidInput(f"there is no folder {path.parent}; make it first")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write under; when that is done, the file takes its place. Raises InvalidInput where that is refused."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = error.strerror or str(error).splitlines()[0]
        raise InvalidInput(f"{path} cannot be written ({reason}); name another file") from error
