"""Keeping values that break a dataset's rules out of training: those of a source, and those that came live.

A source's value is judged before it is stored: its row enters the lake with `y` missing. A live value is acknowledged,
logged and followed by the state like any other; it is judged once, when history is read or the log is handed to the
lake, and history has it as missing from then on. Either way it waits in the table `quarantine` until it is released.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from data.errors import InvalidInput
from data.grid.grid import format_ds
from data.lake import commits
from data.quality import quality_rules
from data.quality.quality_rules import FOREIGN, FRESH, RULE, Rules
from data.records import quarantine, watermarks
from data.records.quarantine import LIVE, Breach, Held
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE
from data.sources.intake import UNIT
from data.spill import Spill, Where
from data.store import catalogue, observation_log
from data.store.catalogue import Dataset
from pipelines.workspace import Workspace

LOG = "live log"  # its watermark's name: rows up to this `seq` were judged
KEY = [SERIES, TIME, VALUE]
REFERENCE, MOST_REFERENCE = 100, 2_000  # steps before new rows that they are judged by: two seasons, within these
SLACK = 2 * 86_400_000_000  # microseconds between a time as a source has it and in UTC, and the step it moves to


@dataclass
class QuarantineFilter:
    """What stands before the lake during an ingest: `sift` lets rows through, and remembers what it held back."""

    chosen: Rules
    stored: Spill  # rows of the lake around the new ones
    released: pl.DataFrame  # KEY of values that pass whatever they are
    held: pl.DataFrame  # KEY of values that are in quarantine already
    breaches: list[Breach] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Values held back, by rule."""
        return dict(sorted(Counter(one.rule for one in self.breaches).items()))

    def sift(self, where: Where, frame: pl.DataFrame) -> pl.DataFrame:
        """The same rows in the same order, without the values that broke a rule."""
        known = newest(mask_values(self.stored.matching(where), self.held))
        judged = apply_rules(flag_foreign_units(frame, self.chosen), known, self.chosen, self.released, self.held)
        bad = judged.filter(pl.col(RULE).is_not_null())
        if bad.is_empty():
            return frame
        self.breaches += to_breaches(bad)
        out = frame.join(bad.select(SERIES, TIME, RULE), on=[SERIES, TIME], how="left", maintain_order="left")
        return out.with_columns(pl.when(pl.col(RULE).is_null()).then(pl.col(VALUE)).alias(VALUE)).drop(RULE)


def quarantine_filter(
    workspace: Workspace, known: Dataset | None, ends: tuple[int, int], folder: Path
) -> QuarantineFilter:
    """The gate of one ingest, whose times lie between `ends`."""
    if known is None:
        return QuarantineFilter(Rules(), Spill(None), no_keys(), no_keys())
    chosen = quality_rules.rules(workspace.engine, known.id)
    stored = workspace.lake.window(known.id, reference_span(known, *ends), folder)
    held = quarantine.values(workspace.engine, known.id)
    return QuarantineFilter(
        chosen, stored, to_keys(quarantine.values(workspace.engine, known.id, released=True)), to_keys(held)
    )


def reference_span(dataset: Dataset, first: int, last: int) -> tuple[int, int]:
    """Times of the rows that some are judged by, and of those they may replace."""
    slack = SLACK if dataset.kind != "step" else 0
    steps = min(MOST_REFERENCE, max(REFERENCE, 2 * dataset.season))
    start, stop = (int(stamp) for stamp in dataset.grid.stamps([0, steps]))
    return first - slack - (stop - start), last + slack


def quarantine_live_values(workspace: Workspace, dataset: Dataset) -> int:
    """Judge what came live since the last time; how many values went into quarantine. Judging twice adds nothing."""
    marks = {mark.source: mark.value for mark in watermarks.watermarks(workspace.engine, dataset.id)}
    after = int(marks.get(LOG, 0))
    if observation_log.last_seq(workspace.engine, dataset.id) <= after:
        return 0
    numbers = {unique_id: number for number, unique_id in catalogue.series(workspace.engine, dataset.id)}
    log = observation_log.log(workspace.engine, dataset.id)
    rows, new = log_rows(log, numbers), log.seq > after
    fresh, earlier = newest(rows.filter(new)), rows.filter(~new)
    span = reference_span(dataset, int(fresh[TIME].min()), int(fresh[TIME].max()))  # type: ignore[arg-type]
    stored = workspace.lake.window(dataset.id, span, None).matching(())
    known = pl.concat([stored, earlier.filter(pl.col(TIME).is_between(*span))], how="diagonal")
    held = to_keys(quarantine.values(workspace.engine, dataset.id))
    released = to_keys(quarantine.values(workspace.engine, dataset.id, released=True))
    chosen = quality_rules.rules(workspace.engine, dataset.id)
    judged = apply_rules(fresh.select(KEY), newest(mask_values(known, held)), chosen, released, held)
    found = to_breaches(judged.filter(pl.col(RULE).is_not_null()))
    count = quarantine.put(workspace.engine, dataset.id, found, numbers, LIVE)
    watermarks.move(workspace.engine, dataset.id, {LOG: str(int(log.seq[-1]))})
    return count


def mask_quarantined(workspace: Workspace, dataset: Dataset, rows: pl.DataFrame, number: str) -> pl.DataFrame:
    """History without the values in quarantine; its series stand under their integer ids in the column `number`."""
    held = [(one.series_id, one.ds, one.y) for one in quarantine.values(workspace.engine, dataset.id)]
    schema = {number: pl.Int64, TIME: pl.Int64, VALUE: pl.Float64}
    return mask_values(rows, pl.DataFrame(held, schema=schema, orient="row").unique())


# --- looking and letting go -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReleaseResult:
    """What a release did."""

    dataset: str
    released: int
    added: int  # rows that entered the lake; live values are in log or lake already
    superseded: int  # whose time has another value by now, which stays
    snapshot: int | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def list_values(workspace: Workspace, name: str, released: bool = False) -> list[dict[str, Any]]:
    """The values of a dataset in quarantine, or those that were released, oldest first; live ones are judged first."""
    dataset = catalogue.dataset(workspace.engine, name)
    quarantine_live_values(workspace, dataset)
    return [value_to_dict(one, dataset) for one in quarantine.values(workspace.engine, dataset.id, released)]


def value_to_dict(one: Held, dataset: Dataset) -> dict[str, Any]:
    """One value as a person or a program reads it."""
    moments = {word: getattr(one, word) and format_ds(getattr(one, word), "instant") for word in ("at", "released")}
    facts = {word: value for word, value in asdict(one).items() if word != "series_id"}
    return facts | {"ds": format_ds(one.ds, dataset.kind)} | moments


def release(
    workspace: Workspace, name: str, ids: list[int] | None, series: str | None, rule: str | None
) -> ReleaseResult:
    """Let values go: they enter the lake where it has none, and training from now on."""
    dataset = catalogue.dataset(workspace.engine, name)
    quarantine_live_values(workspace, dataset)
    chosen = [
        one
        for one in quarantine.values(workspace.engine, dataset.id)
        if (ids is None or one.id in ids) and series in (None, one.unique_id) and rule in (None, one.rule)
    ]
    if missing := set(ids or ()) - {one.id for one in chosen}:
        raise InvalidInput(
            f"dataset {name!r} holds no value {min(missing)}; `rollcast quarantine list {name}` has them"
        )
    stored = [one for one in chosen if one.source != LIVE]
    absent = missing_in_lake(workspace, dataset, stored)
    snapshot = workspace.lake.append(dataset.id, absent) if len(absent) else workspace.lake.snapshot(dataset.id)
    if len(absent):
        commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    quarantine.release(workspace.engine, [one.id for one in chosen])
    return ReleaseResult(name, len(chosen), len(absent), len(stored) - len(absent), snapshot)


def missing_in_lake(workspace: Workspace, dataset: Dataset, held: list[Held]) -> pl.DataFrame:
    """Those values whose time has none in the lake, as rows."""
    rows = to_keys(held)
    if rows.is_empty():
        return rows
    ends = rows.select(pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")).row(0)
    valued = newest(workspace.lake.window(dataset.id, ends, None).matching(())).filter(pl.col(VALUE).is_not_null())
    absent = rows.join(valued, on=[SERIES, TIME], how="anti") if len(valued) else rows
    return absent.unique([SERIES, TIME], keep="last", maintain_order=True)


# --- rows -------------------------------------------------------------------------------------------------------------


def apply_rules(
    fresh: pl.DataFrame, stored: pl.DataFrame, chosen: Rules, released: pl.DataFrame, held: pl.DataFrame
) -> pl.DataFrame:
    """Fresh rows with the rule that each breaks; what was released breaks none, what is held goes on being held."""
    judged = quality_rules.judge(quality_rules.laid_over(fresh, stored), chosen).filter(pl.col(FRESH))
    if len(released):
        passes = pl.lit(True).alias("__passes")
        judged = judged.join(released.with_columns(passes), on=KEY, how="left", maintain_order="left")
        judged = judged.with_columns(pl.when(pl.col("__passes").is_null()).then(pl.col(RULE)).alias(RULE))
    if len(held):
        before = held.with_columns(pl.lit("held").alias("__held"))
        judged = judged.join(before, on=KEY, how="left", maintain_order="left")
        judged = judged.with_columns(pl.coalesce(RULE, "__held").alias(RULE))
    return judged


def flag_foreign_units(frame: pl.DataFrame, chosen: Rules) -> pl.DataFrame:
    """A part of a source as it is judged: which rows say that they are in another unit."""
    columns = [pl.col(name) for name in KEY]
    if chosen.unit is not None and UNIT in frame.columns:
        columns.append((pl.col(UNIT).str.strip_chars() != chosen.unit).fill_null(False).alias(FOREIGN))
    return frame.select(columns)


def log_rows(log: observation_log.Log, numbers: dict[str, int]) -> pl.DataFrame:
    """Rows of the log under their series' names."""
    names = pl.DataFrame(
        {"number": list(numbers.values()), SERIES: list(numbers)}, schema={"number": pl.Int64, SERIES: pl.String}
    )
    rows = pl.DataFrame({"number": log.series_id, TIME: log.ds, VALUE: log.y, AVAILABLE_AT: log.available_at})
    return rows.with_columns(pl.col(VALUE).fill_nan(None)).join(names, on="number", how="left", maintain_order="left")


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """One row for each series and time, the one learnt last, sorted."""
    if rows.is_empty():
        return rows
    ordered = rows.sort(SERIES, TIME, AVAILABLE_AT, maintain_order=True)
    return ordered.unique([SERIES, TIME], keep="last", maintain_order=True)


def mask_values(rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """The same rows, without the values that are held; both name their series alike, in any column."""
    if held.is_empty() or rows.is_empty():
        return rows
    flagged = held.with_columns(pl.lit(True).alias("__held"))
    marked = rows.join(flagged, on=held.columns, how="left", maintain_order="left")
    return marked.with_columns(pl.when(pl.col("__held").is_null()).then(pl.col(VALUE)).alias(VALUE)).drop("__held")


def to_breaches(bad: pl.DataFrame) -> list[Breach]:
    """Judged rows as they are put into the table."""
    return [Breach(*row) for row in bad.select(*KEY, RULE).iter_rows()]


def to_keys(held: list[Held]) -> pl.DataFrame:
    """KEY of values of the table."""
    rows = [(one.unique_id, one.ds, one.y) for one in held]
    return pl.DataFrame(rows, schema=no_keys().schema, orient="row").unique(maintain_order=True)


def no_keys() -> pl.DataFrame:
    """KEY of no value."""
    return pl.DataFrame(schema={SERIES: pl.String, TIME: pl.Int64, VALUE: pl.Float64})
