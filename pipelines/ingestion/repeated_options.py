"""Refuses to answer "ingested before" for a source that is read differently now: its options then are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.changes import ingested_files, ingests
from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.grid.durations import parse_frequency
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

OPTIONS = "options"  # in the report of a table as it is stored: those by which it was read, where they were given
REPORTED = {"id_col": "id_column", "time_col": "time_column", "keep": "keep", "every": "every"}  # in every report
NOT_RECORDED = object()
GIVEN = ("date_format", "skip_lines", "separator", "decimal", "na", "wide")  # only under OPTIONS


def given_options(options: SourceOptions) -> dict[str, Any]:
    """The options that decide how a source is read, as far as they were given."""
    found = {name: getattr(options, name) for name in (*REPORTED, *GIVEN)}
    return {name: list(value) if name == "na" else value for name, value in found.items() if value}


def refuse_other_options(
    workspace: Workspace, dataset_id: int, name: str, report: Mapping[str, Any], options: SourceOptions, source: str
) -> None:
    """Raises InvalidInput where a source that was ingested before is read differently by these options.

    name: of the dataset; report: of the ingest before.
    """
    given = {option: (value, before_of(option, report)) for option, value in given_options(options).items()}
    differing = {option: both for option, both in given.items() if is_other(option, *both)}
    if not differing:
        return
    words = ", ".join(
        f"{flag(option)} {shown(value)} (was {shown(before)})" for option, (value, before) in differing.items()
    )
    newest = [
        one.id for one in ingests.ingests(workspace.engine, dataset_id) if one.source == source and not one.undone_at
    ]
    number = f" --number {newest[0]}" if newest else ""
    raise InvalidInput(
        f"it was ingested before, and with other options: {words}; to read it anew, take it back with `rollcast ingest "
        f"undo {name}{number}` and ingest it again, or give another --dataset; else leave them out",
        source=source,
    )


def refuse_other_ids(workspace: Workspace, known: Dataset | None, options: SourceOptions, source: str) -> None:
    """Raises InvalidInput where a source that was ingested before, and has grown since, is given other columns of ids:
    its rows would be stored once more, under other names."""
    record = ingested_files.newest_file(workspace.engine, known.id, source) if known and options.id_col else None
    if known is not None and record is not None and record.source == source:
        ids = SourceOptions(id_col=options.id_col)
        refuse_other_options(workspace, known.id, known.name, record.report, ids, source)


def before_of(option: str, report: Mapping[str, Any]) -> Any:
    """What an option was, or what was found without it; NOT_RECORDED where no record says so."""
    if option in REPORTED:
        return report.get(REPORTED[option])
    return report[OPTIONS].get(option) if OPTIONS in report else NOT_RECORDED


def is_other(option: str, value: Any, before: Any) -> bool:
    """Whether an option now says something else, however both are spelt."""
    return before is not NOT_RECORDED and normal(option, value) != normal(option, before)


def normal(option: str, value: Any) -> Any:
    """A value by which two spellings of the same are equal."""
    if value and option in ("id_col", "time_col"):
        return ",".join(part.strip() for part in value.split(","))
    return parse_frequency(value) if value and option == "every" else value or None


def flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def shown(value: Any) -> str:
    """A value in a message."""
    return " ".join(value) if isinstance(value, list) else "not given" if value is None else str(value)
