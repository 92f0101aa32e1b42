"""A dataset's entry in the catalogue: what an ingest creates, what it may change, and what stays as it was."""

from __future__ import annotations

from dataclasses import replace

from data.errors import Conflict, InvalidInput
from data.formats.options import SourceOptions, snap_of
from data.grid.durations import parse_frequency
from data.quality.aggregation import check_every
from data.quality.conform import Conformed
from data.quality.keep_rules import check_keep
from data.reading.columns import split_names
from data.reading.memory import SourceMemory
from data.reading.remembered import with_dialect
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

MOST_STEPS = 100_000  # steps of a season or horizon


def labels_by_name(workspace: Workspace, known: Dataset) -> dict[str, int]:
    """The labels of the series that have one (see `data.grid.labels`), by `unique_id`."""
    labels = catalogue.labels(workspace.engine, known)
    if not labels:
        return {}
    return {name: labels[number] for number, name in catalogue.series(workspace.engine, known.id) if number in labels}


def check_counts(options: SourceOptions) -> None:
    """Raises InvalidInput for a season, horizon or overlap outside the allowed numbers of steps, and for a rule of
    `--keep` or a frequency of `--every` that does not exist."""
    check_keep(options.keep)
    check_every(options)
    if options.overlap is not None and not 0 <= options.overlap <= MOST_STEPS:
        raise InvalidInput(f"--overlap is {options.overlap}; it counts steps, so give 0 to {MOST_STEPS}")
    for option, given in (("--season", options.season), ("--horizon", options.horizon)):
        if given is not None and not 1 <= given <= MOST_STEPS:
            raise InvalidInput(f"{option} is {given}; it counts steps, so give 1 to {MOST_STEPS}")


def check_agrees(known: Dataset | None, options: SourceOptions) -> None:
    """Raises an error where the options contradict what the dataset's first source fixed.

    Conflict for the zone, the target, the columns of ids or the rule for stamps between steps, InvalidInput for the
    frequency.
    """
    snap = snap_of(options)
    if known is None:
        return
    if snap is not None and snap != known.grid.snap:
        raise Conflict(f"dataset {known.name!r} has --snap {known.grid.snap}, not {snap}; ingest under another name")
    zone = known.zone if keeps_zone(known) else None
    if None not in (options.tz, zone) and options.tz != zone:
        raise Conflict(f"dataset {known.name!r} has --tz {zone}, not {options.tz}; ingest under another name")
    check_target(known, options)
    check_id_columns(known, options)
    given = options.every or (None if SourceMemory.of(known.memory).every else options.freq)
    frequency = parse_frequency(given) if given else known.freq  # where rows are aggregated, --freq is that of the rows
    if frequency != known.freq:  # refused even for a file that was ingested before
        raise InvalidInput(f"dataset {known.name!r} has frequency {known.freq}, not {frequency}; use another name")


def check_target(known: Dataset, options: SourceOptions) -> None:
    """Raises Conflict for another target than the dataset's, unless `--as` says that it is the same quantity."""
    same = (None, known.target, SourceMemory.of(known.memory).target_column)
    if options.rename not in (None, known.target):
        raise Conflict(f"the target of dataset {known.name!r} is {known.target!r}; give --as {known.target}")
    if options.rename is None and options.target_col not in same:
        raise Conflict(
            f"the target of dataset {known.name!r} is {known.target!r}, not {options.target_col!r}; add --as "
            f"{known.target} where this source only names it otherwise, else ingest under another name"
        )


def check_id_columns(known: Dataset, options: SourceOptions) -> None:
    """Raises Conflict for other columns of ids than those by which the dataset's series are named."""
    stored = SourceMemory.of(known.memory).id_columns
    if stored and options.id_col is not None and split_names(options.id_col, stored) != stored:
        named = ",".join(stored)
        raise Conflict(
            f"the series of dataset {known.name!r} are named by --id-col {named}, not {options.id_col}; ingest under "
            f"another name, or rename the columns; `rollcast dataset set {known.name} --forget-source` forgets which "
            "they are"
        )


def keeps_zone(known: Dataset) -> bool:
    """Whether a dataset's zone decides where its rows belong: integer steps have none, and before version 7 every file
    of days could have its own."""
    return known.kind == "instant" or (known.kind == "date" and known.grid.civil)


def complete_options(known: Dataset | None, options: SourceOptions) -> SourceOptions:
    """The options, with what the known dataset has and remembers where they were not given.

    Columns and the form of dates are not filled in here: `data.reading.remembered` looks for them in each table.
    """
    if known is None:
        return options
    return replace(
        with_dialect(options, SourceMemory.of(known.memory)),
        tz=options.tz or known.zone,
        season=options.season or known.season,
        horizon=options.horizon or known.horizon,
    )


def update_season_and_horizon(workspace: Workspace, known: Dataset, options: SourceOptions) -> None:
    """Store a season or horizon that was given; it applies to models that are trained from now on."""
    if options.season is not None or options.horizon is not None:
        put_known_dataset(workspace, known, options.season or known.season, options.horizon or known.horizon)


def put_dataset(
    workspace: Workspace,
    known: Dataset | None,
    name: str,
    conformed: Conformed,
    memory: SourceMemory,
    rename: str | None,
) -> Dataset:
    """Create or update the dataset's entry in the catalogue.

    rename: the dataset's name of the target, where the source has another.
    """
    report = conformed.report
    if known is not None:
        zone = known.zone or (report.zone if keeps_zone(known) else None)
        return put_known_dataset(
            workspace,
            replace(known, has_split=known.has_split or conformed.has_split, zone=zone, memory=memory.to_json()),
            conformed.season,
            conformed.horizon,
        )
    return catalogue.put_dataset(
        workspace.engine,
        name,
        grid=conformed.grid,
        season=conformed.season,
        horizon=conformed.horizon,
        target=rename or report.target_column,
        zone=report.zone,
        has_split=conformed.has_split,
        memory=memory.to_json(),
        vocabulary=conformed.vocabulary,
    )


def put_known_dataset(workspace: Workspace, known: Dataset, season: int, horizon: int) -> Dataset:
    """Store the same entry with this season and horizon."""
    return catalogue.put_dataset(
        workspace.engine,
        known.name,
        grid=known.grid,
        season=season,
        horizon=horizon,
        target=known.target,
        zone=known.zone,
        has_split=known.has_split,
        memory=known.memory,
    )
