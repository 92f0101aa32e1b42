"""The dataset's entry in the catalogue: what an ingest may change of it, and what it may not."""

from __future__ import annotations

from dataclasses import replace

from data.errors import Conflict, InvalidInput, UnknownDataset
from data.grid.grid import parse_frequency
from data.quality.quality import Conformed
from data.sources.resolve import SourceOptions
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

MOST_STEPS = 100_000  # steps of a season or horizon


def find_dataset(workspace: Workspace, name: str) -> Dataset | None:
    """The dataset, where it exists already."""
    try:
        return catalogue.dataset(workspace.engine, name)
    except UnknownDataset:
        return None


def check_counts(options: SourceOptions) -> None:
    """Raises InvalidInput for a season, horizon or overlap that counts no steps."""
    if options.overlap is not None and not 0 <= options.overlap <= MOST_STEPS:
        raise InvalidInput(f"--overlap is {options.overlap}; it counts steps, so give 0 to {MOST_STEPS}")
    for word, given in (("--season", options.season), ("--horizon", options.horizon)):
        if given is not None and not 1 <= given <= MOST_STEPS:
            raise InvalidInput(f"{word} is {given}; it counts steps, so give 1 to {MOST_STEPS}")


def check_agrees(known: Dataset | None, options: SourceOptions) -> None:
    """Raises Conflict, or InvalidInput for a frequency, where the options contradict what the dataset's first source
    settled for good."""
    if known is None:
        return
    fixed = (("--tz", options.tz, known.zone), ("--target-col", options.target_col, known.target))
    for word, given, settled in fixed:
        if given is not None and given != settled and not (word == "--tz" and known.kind != "instant"):
            raise Conflict(f"dataset {known.name!r} has {word} {settled}, not {given}; ingest under another name")
    said = parse_frequency(options.freq) if options.freq else known.freq
    if said != known.freq:  # said of a file that was ingested before, too
        raise InvalidInput(f"dataset {known.name!r} has frequency {known.freq}, not {said}; use another name")


def complete_options(known: Dataset | None, options: SourceOptions) -> SourceOptions:
    """Options with what the dataset has settled already in the place of what was not said."""
    if known is None:
        return options
    return replace(
        options,
        tz=options.tz or known.zone,
        season=options.season or known.season,
        horizon=options.horizon or known.horizon,
    )


def update_season_and_horizon(workspace: Workspace, known: Dataset, options: SourceOptions) -> None:
    """A season or horizon said anew holds for what is trained from now on."""
    if options.season is not None or options.horizon is not None:
        put_known_dataset(workspace, known, options.season or known.season, options.horizon or known.horizon)


def put_dataset(workspace: Workspace, known: Dataset | None, name: str, conformed: Conformed) -> Dataset:
    """The dataset's entry in the catalogue, made or brought up to date."""
    report = conformed.report
    if known is not None:
        return put_known_dataset(
            workspace,
            replace(known, has_split=known.has_split or conformed.has_split),
            conformed.season,
            conformed.horizon,
        )
    return catalogue.put_dataset(
        workspace.engine,
        name,
        grid=conformed.grid,
        season=conformed.season,
        horizon=conformed.horizon,
        target=report.target_column,
        zone=report.zone,
        has_split=conformed.has_split,
    )


def put_known_dataset(workspace: Workspace, known: Dataset, season: int, horizon: int) -> Dataset:
    """The same entry with another season and horizon."""
    return catalogue.put_dataset(
        workspace.engine,
        known.name,
        grid=known.grid,
        season=season,
        horizon=horizon,
        target=known.target,
        zone=known.zone,
        has_split=known.has_split,
    )
