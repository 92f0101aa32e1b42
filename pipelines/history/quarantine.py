"""Keeps values that break a dataset's quality rules out of training, whether they come from a source or live.

A source's value is checked before it is stored: its row enters the lake with `y` missing. A live value is checked by
the service when it is stored (`service/models/verdicts.py`): its row of the log carries the verdict. Both are kept in
the table `quarantine` until they are released. A release is a new row: of the log where the dataset is served, so that
states follow it, else of the lake.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from data.changes import releases
from data.errors import InvalidInput
from data.files import file_lock
from data.grid.durations import DAY
from data.grid.stamps import format_ds
from data.lake import commits
from data.lake.current import current_rows
from data.quality import quality_rules
from data.quality.quality_rules import FOREIGN, FRESH, RULE
from data.reading.intake import UNIT
from data.records import dataset_rules, quarantine, watermarks
from data.records.dataset_rules import QualityRules
from data.records.quarantine import LIVE, VOCABULARY, Breach, QuarantinedValue
from data.records.series_limits import reference_steps
from data.schema import AVAILABLE_AT, SERIES, TIME, VALUE
from data.spill import Spill, Where
from data.store import catalogue, observation_log, promotions
from data.store.catalogue import Dataset
from pipelines.history.pages import refresh_pages
from pipelines.history.unjudged import LOG, unjudged_rows
from pipelines.history.unset_clocks import require_force
from pipelines.workspace import Workspace

KEY = [SERIES, TIME, VALUE]
SLACK = 2 * DAY  # microseconds that conforming may move a time from local time to UTC


@dataclass
class QuarantineFilter:
    """Holds back values of one ingest that break a rule, and collects them in `breaches`."""

    rules: QualityRules
    stored: Spill  # rows of the lake around the new ones
    released: pl.DataFrame  # KEY of released values, which pass every rule
    held: pl.DataFrame  # KEY of values in quarantine
    breaches: list[Breach] = field(default_factory=list)
    _known: tuple[Where, pl.DataFrame] | None = None  # of the newest part

    @property
    def counts(self) -> dict[str, int]:
        """Number of values held back, by rule."""
        return dict(sorted(Counter(breach.rule for breach in self.breaches).items()))

    def past(self, where: Where, frame: pl.DataFrame) -> pl.DataFrame:
        """The current stored rows of the series of a part, whose rows are `frame`; values in quarantine are missing."""
        if self._known is None or self._known[0] != where:
            stored = self.stored.matching(where)
            if len(stored):
                stored = stored.join(frame.select(SERIES).unique(), on=SERIES, how="semi", maintain_order="left")
            self._known = where, current_rows(mask_values(stored, self.held))
        return self._known[1]

    def hold_back(self, where: Where, frame: pl.DataFrame) -> pl.DataFrame:
        """The same rows in the same order; a value that breaks a rule is null, and added to `breaches`."""
        known = self.past(where, frame)
        checked = apply_rules(flag_foreign_units(frame, self.rules), known, self.rules, self.released, self.held)
        bad = checked.filter(pl.col(RULE).is_not_null())
        if bad.is_empty():
            return frame
        self.breaches += to_breaches(bad)
        out = frame.join(bad.select(SERIES, TIME, RULE), on=[SERIES, TIME], how="left", maintain_order="left")
        return out.with_columns(pl.when(pl.col(RULE).is_null()).then(pl.col(VALUE)).alias(VALUE)).drop(RULE)


def quarantine_filter(
    workspace: Workspace, known: Dataset | None, rules: QualityRules, ends: tuple[int, int], folder: Path
) -> QuarantineFilter:
    """The filter for one ingest by these rules, whose first and last time are `ends`."""
    if known is None:
        return QuarantineFilter(rules, Spill(None), empty_keys(), empty_keys())
    stored = workspace.lake.window(known.id, reference_span(known, *ends), folder)
    held = quarantine.masked(workspace.engine, known.id)
    return QuarantineFilter(
        rules, stored, to_keys(quarantine.values(workspace.engine, known.id, released=True)), to_keys(held)
    )


def reference_span(dataset: Dataset, first: int, last: int) -> tuple[int, int]:
    """First and last time of the stored rows that are needed to check rows from `first` to `last`.

    Covers the rows before them that rules compare with, and the rows that they may replace.
    """
    slack = SLACK + dataset.grid.rounding if dataset.kind != "step" else 0
    if dataset.grid.sessions:  # they are not of one length
        begin = dataset.grid.steps([first - slack]) - reference_steps(dataset.season)
        return int(dataset.grid.stamps(begin)[0]), last + slack
    start, stop = (int(stamp) for stamp in dataset.grid.stamps([0, reference_steps(dataset.season)]))
    return first - slack - (stop - start), last + slack


def quarantine_live_values(workspace: Workspace, dataset: Dataset) -> int:
    """Check live values that an earlier version logged without a verdict, and quarantine those that break a rule.

    Later values are judged when they are stored. Returns how many values were added to quarantine. Checking the same
    values twice adds nothing.
    """
    after, upto = unjudged_rows(workspace, dataset)
    log = observation_log.log(workspace.engine, dataset.id, upto=upto) if upto > after else None
    if log is None or not len(log) or log.seq[-1] <= after:
        return 0
    numbers = {unique_id: number for number, unique_id in catalogue.series(workspace.engine, dataset.id)}
    rows, new = log_rows(log, numbers), log.seq > after
    fresh, earlier = current_rows(rows.filter(new)), rows.filter(~new)
    span = reference_span(dataset, int(fresh[TIME].min()), int(fresh[TIME].max()))  # type: ignore[arg-type]
    stored = workspace.lake.window(dataset.id, span, None).matching(())
    known = pl.concat([stored, earlier.filter(pl.col(TIME).is_between(*span))], how="diagonal")
    held = to_keys(quarantine.masked(workspace.engine, dataset.id))
    released = to_keys(quarantine.values(workspace.engine, dataset.id, released=True))
    rules = dataset_rules.rules(workspace.engine, dataset.id)
    checked = apply_rules(fresh.select(KEY), current_rows(mask_values(known, held)), rules, released, held)
    found = to_breaches(checked.filter(pl.col(RULE).is_not_null()))
    count = quarantine.put(workspace.engine, dataset.id, found, numbers, LIVE)
    watermarks.set_watermarks(workspace.engine, dataset.id, {LOG: str(upto)})
    return count


# --- listing and releasing --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReleaseResult:
    """What a release did; `to_dict` is the output of --json."""

    dataset: str
    released: int
    added: int  # rows that were added to the live log, or to the lake where the dataset is not served
    superseded: int  # values whose time has another value by now, which stays
    snapshot: int | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def list_values(workspace: Workspace, name: str, released: bool = False) -> list[dict[str, Any]]:
    """The values of a dataset in quarantine, or the released ones, oldest first. Checks new live values before."""
    dataset = catalogue.dataset(workspace.engine, name)
    quarantine_live_values(workspace, dataset)
    labels = catalogue.labels(workspace.engine, dataset)
    return [
        value_to_dict(value, dataset, labels.get(value.series_id, 0))
        for value in quarantine.values(workspace.engine, dataset.id, released)
    ]


def value_to_dict(value: QuarantinedValue, dataset: Dataset, label: int) -> dict[str, Any]:
    """One value with its times as text, for tables and JSON. label: of its series, see `data.grid.labels`."""
    moments = {name: getattr(value, name) and format_ds(getattr(value, name), "instant") for name in ("at", "released")}
    fields = {name: field for name, field in asdict(value).items() if name not in ("series_id", "word")}
    stamp = dataset.grid.label_stamps(dataset.grid.steps([value.ds]), label)
    shown = {"ds": format_ds(int(stamp[0]), dataset.kind), "y": value.word or dataset.shown(value.y)}
    return fields | shown | moments


def release(
    workspace: Workspace, name: str, ids: list[int] | None, series: str | None, rule: str | None, force: bool = False
) -> ReleaseResult:
    """Release values by id, series or rule: states and training read them, unless their time has another value.

    Raises InvalidInput for an id that is not in quarantine, and without `force` for values of a clock that was not set.
    """
    dataset = catalogue.dataset(workspace.engine, name)
    quarantine_live_values(workspace, dataset)
    chosen = [
        value
        for value in quarantine.values(workspace.engine, dataset.id)
        if (ids is None or value.id in ids) and series in (None, value.unique_id) and rule in (None, value.rule)
    ]
    if missing := set(ids or ()) - {value.id for value in chosen}:
        raise InvalidInput(
            f"dataset {name!r} has no value {min(missing)} in quarantine; `rollcast quarantine list {name}` shows them"
        )
    if outside := next((value for value in chosen if value.rule == VOCABULARY), None):
        raise InvalidInput(
            f"value {outside.id} of dataset {name!r} is the symbol {outside.word!r}, which its vocabulary has not, so "
            "that no model knows it; send the right symbol for its time, or ingest the series under another name"
        )
    require_force(workspace, dataset, chosen, force)
    logged, elsewhere = releases.held_in_log(workspace.engine, dataset.id, chosen)
    absent = missing_in_lake(workspace, dataset, elsewhere)
    added = len(logged) + len(absent)
    if promotions.served(workspace.engine, dataset.id) is not None:
        keys = set(absent.rows())
        logged += [value for value in elsewhere if (value.unique_id, value.ds, value.y) in keys]
    elif len(absent):
        workspace.lake.append(dataset.id, absent)
        commits.record(workspace.engine, dataset.id, workspace.lake.path(dataset.id))
    releases.store_released(workspace.engine, dataset.id, chosen, logged)
    with file_lock(workspace.ingest_lock(dataset.id)):
        refresh_pages(workspace, dataset)
    snapshot = workspace.lake.snapshot(dataset.id)
    return ReleaseResult(name, len(chosen), added, len(chosen) - added, snapshot)


def missing_in_lake(workspace: Workspace, dataset: Dataset, held: list[QuarantinedValue]) -> pl.DataFrame:
    """KEY of those values for whose time the lake has no value."""
    rows = to_keys(held)
    if rows.is_empty():
        return rows
    ends = rows.select(pl.col(TIME).min().alias("first"), pl.col(TIME).max().alias("last")).row(0)
    stored = workspace.lake.window(dataset.id, ends, None).matching(())
    valued = current_rows(stored).filter(pl.col(VALUE).is_not_null()) if len(stored) else empty_keys()
    absent = rows.join(valued, on=[SERIES, TIME], how="anti")
    return absent.unique([SERIES, TIME], keep="last", maintain_order=True)


# --- rows -------------------------------------------------------------------------------------------------------------


def apply_rules(
    fresh: pl.DataFrame, stored: pl.DataFrame, rules: QualityRules, released: pl.DataFrame, held: pl.DataFrame
) -> pl.DataFrame:
    """Fresh rows with the rule that each breaks in RULE; null where it breaks none.

    A released value breaks no rule. A value that is in quarantine already stays there, under the rule `held` if it
    breaks no other.
    """
    checked = quality_rules.judge(quality_rules.with_stored(fresh, stored), rules).filter(pl.col(FRESH))
    if len(released):
        passes = pl.lit(True).alias("__passes")
        checked = checked.join(released.with_columns(passes), on=KEY, how="left", maintain_order="left")
        checked = checked.with_columns(pl.when(pl.col("__passes").is_null()).then(pl.col(RULE)).alias(RULE))
    if len(held):
        before = held.with_columns(pl.lit("held").alias("__held"))
        checked = checked.join(before, on=KEY, how="left", maintain_order="left")
        checked = checked.with_columns(pl.coalesce(RULE, "__held").alias(RULE))
    return checked


def flag_foreign_units(frame: pl.DataFrame, rules: QualityRules) -> pl.DataFrame:
    """KEY of a part of a source; FOREIGN is true for rows whose unit differs from the dataset's."""
    columns = [pl.col(name) for name in KEY]
    if rules.unit is not None and UNIT in frame.columns:
        columns.append((pl.col(UNIT).str.strip_chars() != rules.unit).fill_null(False).alias(FOREIGN))
    return frame.select(columns)


def log_rows(log: observation_log.Log, numbers: dict[str, int]) -> pl.DataFrame:
    """Rows of the log with the names of their series; `numbers` maps name -> integer id."""
    names = pl.DataFrame(
        {"number": list(numbers.values()), SERIES: list(numbers)}, schema={"number": pl.Int64, SERIES: pl.String}
    )
    rows = pl.DataFrame({"number": log.series_id, TIME: log.ds, VALUE: log.y, AVAILABLE_AT: log.available_at})
    return rows.with_columns(pl.col(VALUE).fill_nan(None)).join(names, on="number", how="left", maintain_order="left")


def mask_values(rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """The same rows, with null for each value that `held` contains. Its columns are series, time and value."""
    if held.is_empty() or rows.is_empty():
        return rows
    flagged = held.with_columns(pl.lit(True).alias("__held"))
    marked = rows.join(flagged, on=held.columns, how="left", maintain_order="left")
    return marked.with_columns(pl.when(pl.col("__held").is_null()).then(pl.col(VALUE)).alias(VALUE)).drop("__held")


def to_breaches(bad: pl.DataFrame) -> list[Breach]:
    """Checked rows as entries of the table `quarantine`."""
    return [Breach(*row) for row in bad.select(*KEY, RULE).iter_rows()]


def to_keys(held: list[QuarantinedValue]) -> pl.DataFrame:
    """KEY of values of the table `quarantine`, each once."""
    rows = [(value.unique_id, value.ds, value.y) for value in held]
    return pl.DataFrame(rows, schema=empty_keys().schema, orient="row").unique(maintain_order=True)


def empty_keys() -> pl.DataFrame:
    """An empty frame with the columns KEY."""
    return pl.DataFrame(schema={SERIES: pl.String, TIME: pl.Int64, VALUE: pl.Float64})
