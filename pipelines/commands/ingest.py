"""`rollcast ingest`: read a source into the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands import default_command
from pipelines.commands.options import DryRun, Json, Name

UNDO = "Also: `rollcast ingest list NAME` shows what was ingested, `rollcast ingest undo NAME` takes it back."
commands = default_command.group(
    "ingest", "Read the new rows of a source into the lake; list ingests, or take one back."
)


@commands.command(default_command.DEFAULT, hidden=True, epilog=UNDO)
def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="CSV, Parquet, NDJSON, line protocol or Prometheus' JSON (each may end in .gz) as a file, folder or "
            "'pattern*'; s3://bucket/prefix/, gs:// or az://; an http(s) URL of a file or of JSON pages; "
            "or an SQL address with ?query=.",
            metavar="SOURCE",
        ),
    ],
    dataset: Annotated[str, typer.Option(help="Name of the dataset; created if new.")],
    freq: Annotated[
        str | None,
        typer.Option(
            help="5m, 1h, 1d, 1b, 1mo, 1 for integer steps, a calendar (XNYS) or its bars (XNYS:5m). Default: inferred."
        ),
    ] = None,
    tz: Annotated[
        str | None, typer.Option(help="Time zone of times without one, and of days, such as UTC or Europe/Paris.")
    ] = None,
    id_col: Annotated[
        str | None, typer.Option(help="Column that names the series; several with commas: store,item.")
    ] = None,
    time_col: Annotated[
        str | None, typer.Option(help="Column of times; date and time in two columns: Date,Time.")
    ] = None,
    target_col: Annotated[str | None, typer.Option(help="Column to forecast.")] = None,
    rename: Annotated[
        str | None,
        typer.Option("--as", help="The dataset's name of the target, where this source names it otherwise."),
    ] = None,
    date_format: Annotated[
        str | None,
        typer.Option(
            help="Format of dates, such as %d/%m/%Y; s, ms, us or ns for numbers since 1970; excel for days of a "
            "spreadsheet. Default: found."
        ),
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="Name of the series in a file that holds only one. Default: the file's stem.")
    ] = None,
    season: Annotated[int | None, typer.Option(help="Steps in a season, such as 288 for 5-minute data.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps to forecast.")] = None,
    snap: Annotated[
        str | None,
        typer.Option(help="Which step a time between two belongs to: nearest (default), floor, or no: refuse it."),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(help="Which of several values of one step counts: last, first, mean, sum, max, min or count."),
    ] = None,
    every: Annotated[
        str | None, typer.Option(help="Aggregate to this coarser frequency, such as 1h, by the rule of --keep.")
    ] = None,
    skip_lines: Annotated[str | None, typer.Option(help="Lines of the file to leave out, such as 2-3.")] = None,
    separator: Annotated[str | None, typer.Option(help="Separator of columns. Default: found.")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal sign, , or . Default: found.")] = None,
    na: Annotated[
        list[str] | None, typer.Option(help="A word for a missing value, beside the usual ones; may be repeated.")
    ] = None,
    wide: Annotated[
        str | None,
        typer.Option(help="Columns that are series of their own, such as s1,s2; '*' for all but the time."),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="What the values are: numeric (default) or symbols, such as states or words.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Read a text as symbols, by character or word; with --kind symbols.")
    ] = None,
    low: Annotated[float | None, typer.Option("--min", help="Smallest value that is not quarantined.")] = None,
    high: Annotated[float | None, typer.Option("--max", help="Largest value that is not quarantined.")] = None,
    max_jump: Annotated[
        float | None, typer.Option(help="Largest distance from the values before that is not quarantined.")
    ] = None,
    max_stale: Annotated[
        int | None, typer.Option(help="Equal values in a row, beyond which further ones are quarantined.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(help="First value of :watermark or {watermark}, written as the source writes times."),
    ] = None,
    overlap: Annotated[
        int | None, typer.Option(help="Steps before the watermark to read again for late rows. Default 1.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing; report what would be stored.")] = False,
    json: Json = False,
) -> None:
    """Read the new rows of a source into the lake and print a summary of their quality."""
    from data.formats.options import SourceOptions
    from pipelines.console import progress
    from pipelines.ingestion import ingest as ingestion
    from pipelines.reports.ingest_report import ingested
    from pipelines.workspace import open_workspace

    options = SourceOptions(
        id_col=id_col, time_col=time_col, target_col=target_col, date_format=date_format, tz=tz, freq=freq,
        series=series, season=season, horizon=horizon, since=since, overlap=overlap, rename=rename, snap=snap,
        keep=keep, every=every, skip_lines=skip_lines, separator=separator, decimal=decimal, na=tuple(na or ()),
        wide=wide, kind=kind, by=by, low=low, high=high, max_jump=max_jump, max_stale=max_stale,
    )  # fmt: skip
    with progress(f"ingest {dataset}") as on_progress:
        result = ingestion.ingest(open_workspace(), source, dataset, options, on_progress, dry_run)
    ingested(result, json)


@commands.command("list")
def ingest_list(name: Name, json: Json = False) -> None:
    """List the ingests of a dataset, newest first: number, source, rows, and whether it was taken back."""
    from pipelines.deletion import undo
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.listing(undo.list_ingests(open_workspace(), name), json, f"no ingest of {name} is recorded")


@commands.command("undo")
def ingest_undo(
    name: Name,
    number: Annotated[
        int | None, typer.Option(help="Number of the ingest, from `rollcast ingest list`. Default: the last one.")
    ] = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take an ingest back: its rows are as if never seen, and its file may be ingested again."""
    from pipelines.deletion import undo
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.deleted(undo.undo(open_workspace(), name, number, dry_run), json)
