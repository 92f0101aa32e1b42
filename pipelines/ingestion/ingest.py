"""From a raw source to the lake: read, conform, store what is new, and say what was found.

A source of any size passes through: its rows are typed batch by batch, set aside by series, conformed some series at a
time, and added to the lake in one commit, after the last of them has been found sound.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from data import failpoints
from data.errors import Conflict, InvalidInput, UnknownDataset
from data.grid.grid import parse_frequency
from data.lake import commits
from data.quality.quality import Conformed, conform_all, refuse_gap
from data.records import quarantine, watermarks
from data.schema import SERIES
from data.scratch import scratch_folder
from data.sources.formats import Table
from data.sources.intake import Intake
from data.sources.pieces import Piece, Source
from data.sources.resolve import SourceOptions, open_source, stem_of
from data.sources.watermark_overlap import moved_back
from data.store import catalogue, promotions
from data.store.catalogue import Dataset
from pipelines.console import Report
from pipelines.history.history import pack_contexts, read_history
from pipelines.history.quarantine import Gate, gate
from pipelines.models import model_store
from pipelines.promotion import shadow
from pipelines.workspace import Workspace

LONGEST = 100_000  # steps of a season or horizon


@dataclass(frozen=True)
class Ingested:
    """What an ingest did."""

    dataset: str
    source: str
    added: int  # rows that are new, or say something else than before
    repeated: bool  # nothing of the source was new since it was ingested before
    snapshot: int  # version of the lake's table afterwards
    report: dict[str, Any]
    reanchored: int | None = None  # the promotion event that makes the served model start anew from these rows
    pieces: int = 1  # files, objects, addresses or queries of the source
    unchanged: int = 0  # of them, those that had nothing new
    quarantined: dict[str, int] = field(default_factory=dict)  # values kept out of training, by the rule they broke

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Taken:
    """The pieces that were read: digests of the new tables, with their names, and where each watermark moves to."""

    tables: dict[str, str]
    marks: dict[str, str]
    unchanged: int


def ingest(
    workspace: Workspace,
    source: str,
    name: str,
    options: SourceOptions,
    moved: Report = lambda done, total, words: None,
) -> Ingested:
    """Store a source's rows under a dataset's name; what was ingested before is not read again.

    Nothing is stored unless the whole source is sound. Watermarks move after the rows are on the disk.

    Raises:
        InvalidInput: the source cannot be read, breaks the frame contract, or has another frequency than its dataset.
        Conflict: the dataset exists with another zone or target.
        Unavailable: a server or database does not answer, after some tries.
    """
    catalogue.check_name(name)
    check_counts(options)
    known = find(workspace, name)
    check_agrees(known, options)
    opened = open_source(source)
    with scratch_folder(workspace.settings.home) as scratch:
        intake = Intake(completed(known, options), scratch / "typed", known.target if known else None)
        taken = take(workspace, known, opened, intake, scratch, moved)
        if not taken.tables:
            return nothing_new(workspace, known, opened, options, taken)
        moved(1, 1, f"checking {intake.read:,} rows")
        quality = gate(workspace, known, (intake.low, intake.high), scratch / "around")
        conformed = conform_all(intake, opened.name, scratch / "long", known.grid if known else None, quality.sift)
        if known:
            check_reach(workspace, known, conformed)
        dataset = describe(workspace, known, name, conformed)
        return store(workspace, dataset, opened, conformed, taken, quality, scratch)


def take(
    workspace: Workspace, known: Dataset | None, opened: Source, intake: Intake, scratch: Path, moved: Report
) -> Taken:
    """Fetch and read every piece that has something new, one after the other."""
    stored = {mark.source: mark.value for mark in watermarks.watermarks(workspace.engine, known.id)} if known else {}
    tables: dict[str, str] = {}
    marks: dict[str, str] = {}
    for done, piece in enumerate(opened.pieces):
        intake.told = partial(told, moved, done, len(opened.pieces))
        with TemporaryDirectory(dir=scratch) as folder:
            table = piece.fetch(Path(folder), asked_since(piece, stored.get(piece.key), known, intake.options))
            if table is None:
                continue
            new = not (known and is_stored(workspace, known, table, intake.options))
            mark = intake.add(table) if new else None
            if new:
                tables[table.sha256] = table.name
            mark = mark if piece.rolling else table.mark
        if mark is not None:
            marks[piece.key] = mark
    return Taken(tables, marks, len(opened.pieces) - len(tables))


def is_stored(workspace: Workspace, known: Dataset, table: Table, options: SourceOptions) -> bool:
    """Whether the same rows were ingested before: the same bytes, and of a file of one series the same name too."""
    record = catalogue.seen_file(workspace.engine, known.id, table.sha256)
    if record is None or record.report["id_column"] is not None:
        return record is not None
    return options.series is None and stem_of(record.source) == stem_of(table.name)


def told(moved: Report, done: int, pieces: int, rows: int) -> None:
    """Say how far the reading is: in pieces, and in rows, of which nobody knows the number."""
    moved(done, pieces, f"{rows:,} rows read")


def asked_since(piece: Piece, mark: str | None, known: Dataset | None, options: SourceOptions) -> str | None:
    """The mark a piece is compared with: the stored one, for a rolling piece moved back by the overlap."""
    if not piece.rolling or mark is None or known is None:
        return options.since if piece.rolling and mark is None else mark
    return moved_back(mark, options.overlap, known.grid, options.date_format)


def nothing_new(
    workspace: Workspace, known: Dataset | None, opened: Source, options: SourceOptions, taken: Taken
) -> Ingested:
    """The answer where no piece has anything new: the newest ingest's snapshot and report."""
    record = catalogue.newest_file(workspace.engine, known.id, opened.name) if known else None
    if known is None or record is None:
        raise InvalidInput("it has nothing after --since", source=opened.name)
    settle(workspace, known, options)
    watermarks.move(workspace.engine, known.id, taken.marks)
    return Ingested(
        known.name, opened.name, 0, True, known.snapshot or record.snapshot, record.report,
        pieces=len(opened.pieces), unchanged=taken.unchanged,
    )  # fmt: skip


def check_reach(workspace: Workspace, known: Dataset, conformed: Conformed) -> None:
    """Raises InvalidInput where a series' new rows lie absurdly far before or after those that are stored."""
    ends = conformed.spans().join(workspace.lake.spans(known.id), on=SERIES, suffix="_stored")
    steps = {name: known.grid.steps(ends[name].to_numpy()) for name in ends.columns if name != SERIES}
    apart = np.maximum(steps["first"] - steps["last_stored"], steps["first_stored"] - steps["last"])
    refuse_gap(int(apart.max(initial=0)) - 1, known.grid, conformed.report.source, conformed.report.time_column)


def find(workspace: Workspace, name: str) -> Dataset | None:
    """The dataset, where it exists already."""
    try:
        return catalogue.dataset(workspace.engine, name)
    except UnknownDataset:
        return None


def check_counts(options: SourceOptions) -> None:
    """Raises InvalidInput for a season, horizon or overlap that counts no steps."""
    if options.overlap is not None and not 0 <= options.overlap <= LONGEST:
        raise InvalidInput(f"--overlap is {options.overlap}; it counts steps, so give 0 to {LONGEST}")
    for word, given in (("--season", options.season), ("--horizon", options.horizon)):
        if given is not None and not 1 <= given <= LONGEST:
            raise InvalidInput(f"{word} is {given}; it counts steps, so give 1 to {LONGEST}")


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


def completed(known: Dataset | None, options: SourceOptions) -> SourceOptions:
    """Options with what the dataset has settled already in the place of what was not said."""
    if known is None:
        return options
    return replace(
        options,
        tz=options.tz or known.zone,
        season=options.season or known.season,
        horizon=options.horizon or known.horizon,
    )


def settle(workspace: Workspace, known: Dataset, options: SourceOptions) -> None:
    """A season or horizon said anew holds for what is trained from now on."""
    if options.season is not None or options.horizon is not None:
        put(workspace, known, options.season or known.season, options.horizon or known.horizon)


def describe(workspace: Workspace, known: Dataset | None, name: str, conformed: Conformed) -> Dataset:
    """The dataset's entry in the catalogue, made or brought up to date."""
    report = conformed.report
    if known is not None:
        return put(
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


def store(
    workspace: Workspace,
    dataset: Dataset,
    opened: Source,
    conformed: Conformed,
    taken: Taken,
    quality: Gate,
    scratch: Path,
) -> Ingested:
    """Series, quarantine, lake, a note that it is done, watermarks: killed in between, ingest again adds the rest."""
    report = conformed.report.to_dict() | {"quarantined": len(quality.breaches)}
    numbers = catalogue.ensure_series(workspace.engine, dataset.id, conformed.spans()[SERIES].to_list())
    quarantine.put(workspace.engine, dataset.id, quality.breaches, numbers, opened.name)
    snapshot, added = workspace.lake.extend(dataset.id, conformed.parts, conformed.span, scratch)
    failpoints.hit("ingest.stored")
    commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    for sha256, name in taken.tables.items():
        catalogue.record_file(workspace.engine, dataset.id, sha256, name, report, snapshot)
    failpoints.hit("ingest.recorded")
    watermarks.move(workspace.engine, dataset.id, taken.marks)
    event = reanchor(workspace, dataset, snapshot) if added else None
    return Ingested(
        dataset.name,
        opened.name,
        added,
        False,
        snapshot,
        report,
        event,
        len(opened.pieces),
        taken.unchanged,
        quality.counts,
    )


def reanchor(workspace: Workspace, dataset: Dataset, snapshot: int, cause: str = "ingest") -> int | None:
    """Give the served model, if there is one, contexts that know the new rows, and the shadow too; the event's id."""
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        return None
    history = read_history(workspace, dataset.name)
    bundle = model_store.load(workspace, dataset, served.version)
    evidence = {"cause": cause, "snapshot": snapshot}
    contexts = pack_contexts(history, bundle)
    event = promotions.decide(
        workspace.engine, dataset.id, served.version, "reanchored", evidence, contexts, history.log_seq
    )
    shadow.reanchor(workspace, history, cause)
    return event.id
