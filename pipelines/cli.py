"""The command line: every command is a few calls into plain functions, and imports what it needs when it runs.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage or input,
3 the gate refused.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import housekeeping, nouns, upkeep

app = typer.Typer(
    name="rollcast",
    help="Forecasts that roll forward with every observation: ingest, train, backtest, promote, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="Name of the dataset.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]


def show_version(wanted: bool) -> None:
    """Print the version and leave."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"rollcast {version('rollcast')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Forecasts that roll forward with every observation."""


@app.command()
def ingest(
    source: Annotated[
        str,
        typer.Argument(
            help="CSV, Parquet or NDJSON (each may end in .gz) as a file, folder or 'pattern*'; s3://bucket/prefix/, "
            "gs:// or az://; an http(s) URL of a file or of JSON pages; or an SQL address with ?query=.",
            metavar="SOURCE",
        ),
    ],
    dataset: Annotated[str, typer.Option(help="Name of the dataset; made when new.")],
    freq: Annotated[
        str | None,
        typer.Option(help="5m, 1h, 1d, 1b, 1mo, 1 for integer steps, or a calendar such as XNYS; else inferred."),
    ] = None,
    tz: Annotated[str | None, typer.Option(help="Zone of stamps that carry none, such as UTC or Europe/Paris.")] = None,
    id_col: Annotated[str | None, typer.Option(help="Column that names the series.")] = None,
    time_col: Annotated[str | None, typer.Option(help="Column of times.")] = None,
    target_col: Annotated[str | None, typer.Option(help="Column to forecast.")] = None,
    date_format: Annotated[str | None, typer.Option(help="How dates are written, such as %d-%m-%y.")] = None,
    series: Annotated[
        str | None, typer.Option(help="Name of the series where the file holds one; else the file's stem.")
    ] = None,
    season: Annotated[int | None, typer.Option(help="Steps in a season, such as 288 for 5-minute data.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps to forecast.")] = None,
    since: Annotated[
        str | None, typer.Option(help="What :watermark or {watermark} is the first time, as the source writes times.")
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(help="Steps before the watermark to read again for late rows; 1 unless said."),
    ] = None,
    json: Json = False,
) -> None:
    """Read what is new in a source into the lake and report on its quality."""
    from data.sources.resolve import SourceOptions
    from pipelines.console import progress
    from pipelines.ingestion import ingest as ingestion
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    options = SourceOptions(
        id_col=id_col, time_col=time_col, target_col=target_col, date_format=date_format, tz=tz, freq=freq,
        series=series, season=season, horizon=horizon, since=since, overlap=overlap,
    )  # fmt: skip
    with progress(f"ingest {dataset}") as moved:
        result = ingestion.ingest(open_workspace(), source, dataset, options, moved)
    terminal.ingested(result, json)


@app.command()
def train(
    name: Name,
    model: Annotated[
        str, typer.Option(help="lstm, gru, rnn, mlp or cnn; a baseline's name registers the baseline.")
    ] = "lstm",
    max_minutes: Annotated[float | None, typer.Option(help="Minutes to train; 6 unless --steps is given.")] = None,
    steps: Annotated[int | None, typer.Option(help="Take exactly this many steps; reproducible bit for bit.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    holdout: Annotated[
        float | None, typer.Option(help="Keep this last share of each series out of training, such as 0.2.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint of an interrupted run.")
    ] = False,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    devices: Annotated[int, typer.Option(help="Processes on this machine, one for each GPU.")] = 1,
    num_nodes: Annotated[
        int, typer.Option(help="Machines; run this on each, with NODE_RANK, MASTER_ADDR and MASTER_PORT set.")
    ] = 1,
    strategy: Annotated[str, typer.Option(help="auto or ddp, which auto takes for several processes.")] = "auto",
    json: Json = False,
) -> None:
    """Train a network on a dataset and register it as a candidate."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.training import train as training
    from pipelines.workspace import open_workspace

    request = training.TrainRequest(
        name, model, max_minutes, steps, seed, holdout, resume, accelerator, devices, num_nodes, strategy
    )
    if training.run_as_helper(request):
        return  # the first process of this training registers and reports
    with progress(f"train {name} {model}") as moved:
        result = training.train(open_workspace(), request, moved)
    terminal.trained(result, json)


@app.command()
def backtest(
    name: Name,
    models: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated from lstm, gru, rnn, mlp, cnn, naive, seasonal_naive, drift, ets and theta; "
            "else all registered and two baselines."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="test: score the source's own test part.")] = None,
    last: Annotated[
        float | None, typer.Option(help="Score rolling origins over this last share of each series.")
    ] = None,
    origins: Annotated[int | None, typer.Option(help="How many rolling origins.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps to score; at most the dataset's horizon.")] = None,
    train_missing: Annotated[
        bool,
        typer.Option(
            "--train-missing", help="Train networks that never were, for this comparison; none is registered."
        ),
    ] = False,
    max_minutes: Annotated[
        float | None, typer.Option(help="Train each missing network this long; 3 unless said.")
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Train each missing network exactly this many steps.")] = None,
    classical_minutes: Annotated[float, typer.Option(help="Time that each of ets and theta may take.")] = 5.0,
    report_file: Annotated[
        Path | None, typer.Option("--report", help="HTML file to draw; else one in runs/reports, none with --json.")
    ] = None,
    json: Json = False,
) -> None:
    """Score models over past origins, rolled by the engine that serves, and draw a report."""
    from pipelines.console import progress, say
    from pipelines.evaluation import backtest as backtesting
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    kinds = tuple(kind.strip() for kind in models.split(",") if kind.strip()) if models is not None else None
    request = backtesting.BacktestRequest(
        name, kinds, split, last, origins, horizon, train_missing, max_minutes, steps, classical_minutes
    )
    drawn = report_file is not None or not json
    if drawn:
        from pipelines.reports import html_report
    if report_file is not None:
        html_report.check_path(report_file)
    workspace = open_workspace()
    with progress(f"backtest {name}") as moved:
        result = backtesting.backtest(workspace, request, moved, say)
    terminal.backtested(result, json)
    if drawn:
        path = report_file or html_report.usual_path(workspace.settings, name)
        say(f"report written to {html_report.write(result, path)}")


@app.command()
def promote(
    name: Name,
    version: Annotated[int | None, typer.Option(help="Only this version: exit 3 when the gate refuses it.")] = None,
    json: Json = False,
) -> None:
    """Let the gate decide which version serves; without --version the best of candidate and baselines."""
    from data.errors import GateRefused
    from pipelines.console import progress
    from pipelines.promotion import promote as promotion
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    try:
        with progress(f"promote {name}") as moved:
            result = promotion.promote(open_workspace(), name, version, moved)
    except GateRefused as refusal:
        terminal.refused(refusal, json)
        raise
    terminal.promoted(result, json)


@app.command()
def rollback(name: Name, json: Json = False) -> None:
    """Serve the version that served before."""
    from pipelines.promotion import promote as promotion
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.promoted(promotion.rollback(open_workspace(), name), json)


@app.command()
def forecast(
    name: Name,
    series: Annotated[str | None, typer.Option(help="Only this series.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps ahead; at most what the model was trained for.")] = None,
    level: Annotated[list[int] | None, typer.Option(help="Interval in per cent; may be repeated. Default 80.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write a .parquet or .csv file instead.")] = None,
    lake: Annotated[
        bool, typer.Option("--lake", help="Issue q10 to q90 into a Delta table; an issue that was killed goes on.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", help="With --lake: begin again, whatever was killed.")] = False,
    json: Json = False,
) -> None:
    """Forecast every series of a dataset with the served model, up to the last stored observation."""
    from data.errors import InvalidInput
    from pipelines.console import progress
    from pipelines.forecasts import batch_forecast
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    if anew and not lake:
        raise InvalidInput("--anew is about the lake; add --lake")
    if lake:
        from pipelines.forecasts import issue

        issue.check_options(series, level, out)
        with progress(f"forecast {name}") as moved:
            issued = issue.issue(open_workspace(), name, horizon, moved, anew)
        return terminal.issued(issued, json)
    request = batch_forecast.BatchRequest(name, series, horizon, tuple(level or (80,)))
    if out is not None:
        batch_forecast.check_suffix(out)
    with progress(f"forecast {name}") as moved:
        result = batch_forecast.forecast(open_workspace(), request, moved)
    if out is not None:
        batch_forecast.write(result, out)
    return terminal.forecasted(result, out, json)


@app.command()
def forecasts(
    name: Name,
    series: Annotated[str | None, typer.Option(help="The newest issue's forecast of this series.")] = None,
    json: Json = False,
) -> None:
    """What `rollcast forecast --lake` issued: every issue, newest first, or one series' newest forecast."""
    from pipelines.forecasts import issued_rows
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    if series is None:
        return terminal.issues(issued_rows.issues(open_workspace(), name), json)
    return terminal.series(issued_rows.of_series(open_workspace(), name, series), json)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 unless configured.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8000 unless configured.")] = None,
) -> None:
    """Answer observations and forecasts over HTTP."""
    from pipelines.flows import uvicorn_process

    uvicorn_process.serve(host, port)


@app.command()
def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Stop when everything was shown, instead of serving on.")
    ] = False,
    json: Json = False,
) -> None:
    """The whole loop on two bundled datasets: ingest, train, backtest, promote, serve, observe."""
    from pipelines.demo import demo as demonstration

    demonstration.demo(once, json)


@app.command()
def status(json: Json = False) -> None:
    """What this home holds: datasets, champions and their age."""
    from pipelines.reports import terminal
    from pipelines.upkeep import status as overview
    from pipelines.workspace import open_workspace

    terminal.status(overview.status(open_workspace()), json)


@app.command()
def doctor(
    scrub: Annotated[
        bool, typer.Option("--scrub", help="Read every stored byte that has a checksum, too; takes a while.")
    ] = False,
    json: Json = False,
) -> None:
    """Check versions, stores, the lake, the promotion log and every artifact; exit 1 when something is wrong."""
    from pipelines.console import progress
    from pipelines.reports import terminal
    from pipelines.upkeep import doctor as clinic

    with progress("doctor") as moved:
        checks = clinic.examine(scrub, moved)
    terminal.doctor(checks, json)
    raise typer.Exit(clinic.exit_code(checks))


upkeep.attach(app)  # in the order of a model's life, which is the order of `rollcast --help`
housekeeping.attach(app)
nouns.attach(app)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; an error is one sentence on standard error, never a traceback."""
    from pipelines import cli_errors

    try:
        code = app(args=arguments, prog_name="rollcast", standalone_mode=False)
        if code == cli_errors.INTERRUPTED:  # typer turns Ctrl-C into this code without a word
            return cli_errors.interrupted()
        return code if isinstance(code, int) else 0
    except BaseException as error:  # polars reports damage with a class that is no Exception
        return cli_errors.report(error)


def main() -> None:
    """Entry point of the `rollcast` script."""
    from forecasting.kernel import threads

    threads.prepare()
    sys.exit(run())


if __name__ == "__main__":
    main()
