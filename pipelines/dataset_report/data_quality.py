"""The report's part on data: the last ingests, what the last source held, gaps, and values in quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.changes import ingested_files, ingests
from data.grid.stamps import format_ds, format_moment
from pipelines.dataset_report.found import DatasetNow
from pipelines.forecasts.pictured import past_values
from pipelines.history.cells import blocks
from pipelines.reports.quarantine_list import summary
from pipelines.reports.report_content import Cell, Table, number

STEPS = 500  # the last ones of each series, in which gaps are looked for
SHOWN = 10  # ingests, series, values
CONSTANT = 24  # equal values in a row that count where there is no season; else as many as a season has
SOURCE_FACTS = {
    "rows": "rows", "rejected": "rejected", "gaps": "missing steps", "longest_gap": "longest gap",
    "nulls": "empty values",
    "duplicates": "repeated steps", "clashes": "of them with another value", "snapped": "off the grid",
    "constant_stretches": "constant stretches", "quarantined": "quarantined",
}  # fmt: skip


@dataclass(frozen=True)
class SeriesGaps:
    """What the last STEPS steps of n series lack, (n,) each; `steps` is how many of them the series has."""

    steps: np.ndarray
    missing: np.ndarray
    longest_gap: np.ndarray
    longest_constant: np.ndarray


def content(found: DatasetNow) -> dict[str, Any]:
    """Everything that the template shows of the data."""
    gaps = read_gaps(found)
    return {
        "ingests": ingest_table(found),
        "source": source_facts(found),
        "gaps": gap_sentence(gaps),
        "worst": worst_table(found, gaps),
        "rules": rule_table(found),
        "held": held_table(found),
        "held_in_all": len(found.held),
    }


def ingest_table(found: DatasetNow) -> Table | None:
    """The last ingests, newest first."""
    rows = [
        [
            Cell(format_moment(record.begun_at)),
            Cell(record.source),
            Cell(number(record.rows)),
            Cell("taken back" if record.undone_at else "done" if record.ended_at else "not finished"),
        ]
        for record in ingests.ingests(found.workspace.engine, found.dataset.id)[:SHOWN]
    ]
    return Table(["begun", "source", "rows added", "state"], rows) if rows else None


def source_facts(found: DatasetNow) -> dict[str, str]:
    """What the last source file held."""
    record = ingested_files.newest_file(found.workspace.engine, found.dataset.id, "")
    if record is None:
        return {}
    named = {SOURCE_FACTS[name]: number(record.report[name]) for name in SOURCE_FACTS if name in record.report}
    return {"last file": record.source, **named}


def read_gaps(found: DatasetNow) -> SeriesGaps:
    """Missing steps and constant stretches of every series, in blocks that bound the memory."""
    steps = np.minimum(found.ends.lengths, STEPS)
    parts = list(_gaps_by_block(found, steps)) or [np.zeros((3, 0), np.int64)]
    return SeriesGaps(steps, *np.concatenate(parts, 1))


def _gaps_by_block(found: DatasetNow, steps: np.ndarray) -> Iterator[np.ndarray]:
    for rows in blocks(np.full(len(steps), STEPS)):
        ends = found.ends.select(rows)
        if not len(ends):
            continue
        values = past_values(found.workspace, found.dataset, ends, ends.last, STEPS)
        own = np.arange(STEPS) >= STEPS - steps[rows, None]  # not before the series began
        gone = np.isnan(values) & own
        same = np.zeros_like(gone)
        same[:, 1:] = values[:, 1:] == values[:, :-1]
        constant = longest_run(same)
        yield np.stack([gone.sum(1), longest_run(gone), np.where(constant > 0, constant + 1, 0)])


def longest_run(marked: np.ndarray) -> np.ndarray:
    """(n,) the length of the longest run of True in each row of (n, T)."""
    counted = np.cumsum(marked, 1)
    before = np.maximum.accumulate(np.where(marked, 0, counted), 1)
    return np.asarray((counted - before).max(1, initial=0))


def gap_sentence(gaps: SeriesGaps) -> str:
    """How much is missing, over all series."""
    steps, missing = int(gaps.steps.sum()), int(gaps.missing.sum())
    if not steps:
        return "No series has a value yet."
    affected = int((gaps.missing > 0).sum())
    share, where = f"{100 * missing / steps:.2g} %" if missing else "None", f"{affected:,} of {len(gaps.steps):,}"
    return f"{share} of the last {STEPS} steps of each series is missing: {missing:,} steps in {where} series."


def worst_table(found: DatasetNow, gaps: SeriesGaps) -> Table | None:
    """The series that lack most, or stand still longest."""
    least = found.dataset.season if found.dataset.season > 1 else CONSTANT
    still = np.where(gaps.longest_constant >= least, gaps.longest_constant, 0)
    order = np.lexsort((-gaps.longest_gap, -(gaps.missing + still)))[:SHOWN]
    rows = [
        [Cell(found.ends.unique_ids[row])]
        + [Cell(number(int(column[row]))) for column in (gaps.steps, gaps.missing, gaps.longest_gap, still)]
        + [Cell(str(last_of(found, row)))]
        for row in order.tolist()
        if gaps.missing[row] + still[row] > 0
    ]
    heads = ["series", "steps", "missing", "longest gap", "equal in a row", "last row"]
    return Table(heads, rows) if rows else None


def last_of(found: DatasetNow, row: int) -> str | int:
    """The time of a series' last row."""
    return format_ds(int(found.dataset.grid.stamps(found.ends.last[row : row + 1])[0]), found.dataset.kind)


def rule_table(found: DatasetNow) -> Table | None:
    """How many values broke each rule."""
    kind = found.dataset.kind
    values = [{"rule": one.rule, "unique_id": one.unique_id, "ds": format_ds(one.ds, kind)} for one in found.held]
    rows = [[Cell(rule), Cell(number(count)), Cell(number(series)), Cell(str(first)), Cell(str(last))]
            for rule, count, series, first, last in summary(values)]  # fmt: skip
    return Table(["rule", "values", "series", "first", "last"], rows) if rows else None


def held_table(found: DatasetNow) -> Table | None:
    """The newest values in quarantine."""
    rows = [
        [Cell(one.unique_id), Cell(str(format_ds(one.ds, found.dataset.kind))), Cell(number(one.y)), Cell(one.rule),
         Cell("HTTP" if one.source == "live" else one.source)]
        for one in reversed(found.held[-SHOWN:])
    ]  # fmt: skip
    return Table(["series", "time", "value", "rule", "from"], rows) if rows else None
