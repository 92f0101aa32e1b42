"""From a raw source to the lake: read, conform, store what is new, and say what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from data import catalogue, commits, models
from data.catalogue import Dataset
from data.errors import Conflict, InvalidInput, UnknownDataset
from data.quality import Conformed, conform, refuse_gap
from data.schema import SERIES, SPLIT, TIME
from data.sources import Source, SourceOptions, open_source
from pipelines import registered, shadow
from pipelines.contexts import pack_contexts
from pipelines.history import read_history
from pipelines.workspace import Workspace

LONGEST = 100_000  # steps of a season or horizon


@dataclass(frozen=True)
class Ingested:
    """What an ingest did."""

    dataset: str
    source: str
    added: int  # rows that are new, or say something else than before
    repeated: bool  # these very bytes were ingested before, and nothing was read
    snapshot: int  # version of the lake's table afterwards
    report: dict[str, Any]
    reanchored: int | None = None  # the promotion event that makes the served model start anew from these rows

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def ingest(workspace: Workspace, source: str, name: str, options: SourceOptions) -> Ingested:
    """Store a source's rows under a dataset's name; the same source twice adds nothing.

    Nothing is stored unless the whole source is sound.

    Raises:
        InvalidInput: the source cannot be read, breaks the frame contract, or has another frequency than its dataset.
        Conflict: the dataset exists with another zone or target.
    """
    catalogue.check_name(name)
    check_counts(options)
    known = find(workspace, name)
    check_agrees(known, options)
    with open_source(source) as opened:
        if known and (record := catalogue.seen_file(workspace.engine, known.id, opened.sha256)):
            settle(workspace, known, options)
            return Ingested(name, opened.name, 0, True, record.snapshot, record.report)
        raw = opened.read()
        conformed = conform(raw, completed(known, options, raw), opened.name, known.grid if known else None)
        if known:
            check_reach(workspace, known, conformed)
        return store(workspace, describe(workspace, known, name, conformed), opened, conformed)


def check_reach(workspace: Workspace, known: Dataset, conformed: Conformed) -> None:
    """Raises InvalidInput where a series' new rows lie absurdly far before or after those that are stored."""
    span = [pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")]
    stored = workspace.lake.read(known.id).group_by(SERIES).agg(span)
    both = conformed.frame.group_by(SERIES).agg(span).join(stored, on=SERIES, suffix="_stored")
    ends = {name: known.grid.steps(both[name].to_numpy()) for name in both.columns if name != SERIES}
    apart = np.maximum(ends["first"] - ends["last_stored"], ends["first_stored"] - ends["last"])
    refuse_gap(int(apart.max(initial=0)) - 1, known.grid, conformed.report.source, conformed.report.time_column)


def find(workspace: Workspace, name: str) -> Dataset | None:
    """The dataset, where it exists already."""
    try:
        return catalogue.dataset(workspace.engine, name)
    except UnknownDataset:
        return None


def check_counts(options: SourceOptions) -> None:
    """Raises InvalidInput for a season or horizon that counts no steps."""
    for word, given in (("--season", options.season), ("--horizon", options.horizon)):
        if given is not None and not 1 <= given <= LONGEST:
            raise InvalidInput(f"{word} is {given}; it counts steps, so give 1 to {LONGEST}")


def check_agrees(known: Dataset | None, options: SourceOptions) -> None:
    """Raises Conflict where the options contradict what the dataset's first source settled for good."""
    if known is None:
        return
    fixed = (("--tz", options.tz, known.zone), ("--target-col", options.target_col, known.target))
    for word, given, settled in fixed:
        if given is not None and given != settled and not (word == "--tz" and known.kind != "instant"):
            raise Conflict(f"dataset {known.name!r} has {word} {settled}, not {given}; ingest under another name")


def completed(known: Dataset | None, options: SourceOptions, raw: pl.DataFrame) -> SourceOptions:
    """Options with what the dataset has settled already in the place of what was not said."""
    if known is None:
        return options
    target = known.target if known.target in raw.columns else None
    return replace(
        options,
        tz=options.tz or known.zone,
        target_col=options.target_col or target,
        season=options.season or known.season,
        horizon=options.horizon or known.horizon,
    )


def settle(workspace: Workspace, known: Dataset, options: SourceOptions) -> None:
    """A season or horizon said anew holds for what is trained from now on."""
    if options.season is not None or options.horizon is not None:
        put(workspace, known, options.season or known.season, options.horizon or known.horizon)


def describe(workspace: Workspace, known: Dataset | None, name: str, conformed: Conformed) -> Dataset:
    """The dataset's entry in the catalogue, made or brought up to date."""
    split = SPLIT in conformed.frame.columns
    if known is not None:
        return put(workspace, replace(known, has_split=known.has_split or split), conformed.season, conformed.horizon)
    report = conformed.report
    return catalogue.put_dataset(
        workspace.engine,
        name,
        grid=conformed.grid,
        season=conformed.season,
        horizon=conformed.horizon,
        target=report.target_column,
        zone=report.zone,
        has_split=split,
    )


def put(workspace: Workspace, known: Dataset, season: int, horizon: int) -> Dataset:
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


def store(workspace: Workspace, dataset: Dataset, source: Source, conformed: Conformed) -> Ingested:
    """Series, lake, then the note that it is done: a crash in between repeats the append, which then adds nothing."""
    frame, report = conformed.frame, conformed.report.to_dict()
    catalogue.ensure_series(workspace.engine, dataset.id, frame[SERIES].unique(maintain_order=True).to_list())
    before = workspace.lake.count(dataset.id)
    snapshot = workspace.lake.append(dataset.id, frame)
    commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    added = workspace.lake.count(dataset.id) - before
    catalogue.record_file(workspace.engine, dataset.id, source.sha256, source.name, report, snapshot)
    event = reanchor(workspace, dataset, snapshot) if added else None
    return Ingested(dataset.name, source.name, added, False, snapshot, report, event)


def reanchor(workspace: Workspace, dataset: Dataset, snapshot: int) -> int | None:
    """Give the served model, if there is one, contexts that know the new rows, and the shadow too; the event's id."""
    served = models.served(workspace.engine, dataset.id)
    if served is None:
        return None
    history = read_history(workspace, dataset.name)
    bundle = registered.load(workspace, dataset, served.version)
    evidence = {"cause": "ingest", "snapshot": snapshot}
    contexts = pack_contexts(history, bundle)
    event = models.decide(
        workspace.engine, dataset.id, served.version, "reanchored", evidence, contexts, history.log_seq
    )
    shadow.reanchor(workspace, history, "ingest")
    return event.id
