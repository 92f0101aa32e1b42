"""Prints what an ingest stored, and the quality of its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.errors import counted, quoted
from pipelines.console import print_json, print_table, say
from pipelines.reports.terminal import facts

if TYPE_CHECKING:
    from pipelines.ingestion.ingest_result import Ingested


def ingested(result: Ingested, json: bool) -> None:
    """Print what an ingest stored, and the quality of the source."""
    if json:
        print_json(result.to_dict())
        return
    tables = ("reasons", "worst_series")
    figures = {name: value for name, value in result.report.items() if name not in tables}
    facts(figures, False, f"{result.dataset}: {result.source}")
    rejections(result.report.get("reasons") or {})  # reports of before have none
    worst_series(result.report.get("worst_series") or [])
    if result.repeated:
        say(f"this source was ingested before: nothing was added to {result.dataset}")
    elif result.dry_run:
        say(f"a dry run: nothing was stored; {counted(result.added, 'row')} would be added to {result.dataset}")
    else:
        say(f"{counted(result.added, 'row')} added to {result.dataset}, snapshot {result.snapshot}")
    lost_rows(result)
    new_series(result)
    if result.quarantined:
        broken = ", ".join(f"{rule} {count}" for rule, count in result.quarantined.items())
        shown = (
            "they would be held back" if result.dry_run else f"`rollcast quarantine list {result.dataset}` shows them"
        )
        say(f"values in quarantine: {broken}; {shown}")
    if result.logged:
        say(f"states {'would take' if result.dry_run else 'take'} in {result.logged:,} of these rows")


def rejections(reasons: Mapping[str, dict[str, Any]]) -> None:
    """Print why rows were rejected, with the first row of each reason."""
    if reasons:
        rows = [[reason, *(found[name] for name in ("rows", "valued")), *found["first"].values()]
                for reason, found in reasons.items()]  # fmt: skip
        print_table(["rejected for", "rows", "with a value", "first in", "row", "series"], rows, "rejected rows")


def worst_series(series: Sequence[dict[str, Any]]) -> None:
    """Print the series with most gaps, constant stretches and clashes."""
    if series:
        print_table(list(series[0]), [list(one.values()) for one in series], "series with most gaps or odd values")


def lost_rows(result: Ingested) -> None:
    """Say which rows were not stored as they are, and why."""
    report, first = result.report, result.report.get("first_clash")
    if first and not report.get("keep"):
        (one, other), clashes = first["values"], counted(report["clashes"], "row")
        say(
            f"{clashes} with another value than a later row of the same step, such as {shown(one)} and "
            f"{shown(other)} of {first['series']!r} at {first['ds']}: the last counts, unless --keep says otherwise"
        )
    if report.get("held_back"):
        say(f"{counted(report['held_back'], 'row')} of the last step held back until a later row completes it")
    if result.waiting:
        names = ", ".join(result.waiting[:3]) + (" …" if len(result.waiting) > 3 else "")
        say(f"the last rows of {names} are still held back; ingest it again, and they are stored")


def shown(value: float | str) -> str:
    """A number or a symbol in a sentence."""
    return quoted(value) if isinstance(value, str) else f"{value:g}"


def new_series(result: Ingested) -> None:
    """Say which series a source without a column of ids brought: a file's name may have made one by mistake."""
    if result.new_series and not result.report.get("id_column"):
        names = ", ".join(result.new_series[:3]) + (" …" if len(result.new_series) > 3 else "")
        undo = "" if result.dry_run else f"take this back with `rollcast ingest undo {result.dataset}`, and "
        say(
            f"new in {result.dataset}, and named by its file or --series: {names}; if the rows belong to a series that "
            f"the dataset has, {undo}name that one with --series"
        )
