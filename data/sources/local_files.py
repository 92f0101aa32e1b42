"""Files of this machine: one, those that match a pattern, or all tables of a folder and its subfolders."""

import glob
from pathlib import Path

from data.errors import InvalidInput
from data.formats.source_table import SourceTable, is_table, kind_of_name, table_of
from data.sources.pieces import Piece, Source


def open_files(source: str) -> Source:
    """The files of a path, a pattern (`*`, `?`, `**`) or a folder, in the order of their names."""
    if not source:
        raise InvalidInput("it has no name; give a path, a URL or an SQL address", source="source")
    path = Path(source).expanduser()
    if path.is_file():
        return Source(source, [_piece(path, source)])
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.is_file() and is_table(file.name))
        if not found:
            raise InvalidInput("the folder holds no CSV, Parquet or NDJSON file", source=source)
    else:
        found = sorted(Path(name) for name in glob.glob(str(path), recursive=True) if Path(name).is_file())
        if not found:
            missing = "no file matches this pattern" if glob.has_magic(source) else "there is no such file"
            raise InvalidInput(f"{missing}; give a path, a URL or an SQL address", source=source)
    return Source(source, [_piece(file, str(file)) for file in found])


def _piece(path: Path, name: str) -> Piece:
    kind = kind_of_name(path.name, name)

    def fetch(folder: Path, seen: str | None) -> SourceTable | None:
        stat = path.stat()
        mark = f"{stat.st_size} {stat.st_mtime_ns}"
        return None if seen == mark else table_of(path, kind, name, folder, mark)

    return Piece(str(path.resolve()), name, fetch)
