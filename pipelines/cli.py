"""The command line: puts the commands of `pipelines.commands` together.

A command is a few calls to plain functions and imports what it needs when it runs, so that --help is fast. Results go
to standard output, everything else to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 the
promotion gate refused.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pipelines.commands import (
    backtest,
    backup,
    compact,
    config,
    dataset,
    demo,
    doctor,
    forecast,
    forecasts,
    ingest,
    jobs,
    keys,
    lab,
    model,
    monitor,
    pipelines,
    promote,
    prune,
    quality,
    quarantine,
    report,
    restore,
    retrain,
    rollback,
    rows,
    runs,
    schedule,
    series,
    serve,
    shadow,
    status,
    train,
    tutorial,
)

# In the order of --help, which is the order of a model's life.
COMMANDS = (
    train.train,
    backtest.backtest,
    promote.promote,
    rollback.rollback,
    forecast.forecast,
    forecasts.forecasts,
    serve.serve,
    demo.demo,
    tutorial.tutorial,
    status.status,
    report.report,
    doctor.doctor,
    retrain.retrain,
    shadow.shadow,
    monitor.monitor,
    compact.compact,
    prune.prune,
    backup.backup,
    restore.restore,
)
GROUPS = (
    jobs.jobs,
    model.model,
    dataset.dataset,
    series.series,
    rows.rows,
    keys.keys,
    config.config,
    pipelines.pipelines,
    runs.runs,
    schedule.schedule,
    quality.quality,
    quarantine.quarantine,
    lab.lab,
)


class InOrder(TyperGroup):
    """Typer lists groups after commands; `ingest`, which is both, comes first."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda name: name != "ingest")


app = typer.Typer(
    name="rollcast",
    cls=InOrder,
    help="Forecasts that roll forward with every observation: ingest, train, backtest, promote, serve.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(ingest.commands)
for command in COMMANDS:
    app.command()(command)
for group in GROUPS:
    app.add_typer(group)


def show_version(wanted: bool) -> None:
    """Print the version and exit."""
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


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; an error is one sentence on standard error, never a traceback."""
    from pipelines import cli_errors

    try:
        code = app(args=arguments, prog_name="rollcast", standalone_mode=False)
        if code == cli_errors.INTERRUPTED:  # Typer turns Ctrl-C into this code and prints nothing
            return cli_errors.interrupted()
        return code if isinstance(code, int) else 0
    except BaseException as error:  # Polars reports damage with a class that is not an Exception
        return cli_errors.report(error)


def main() -> None:
    """Entry point of the `rollcast` script."""
    from forecasting.kernel import threads
    from pipelines import child_python

    threads.prepare()
    child_python.use_safe_path()
    sys.exit(run())


if __name__ == "__main__":
    main()
