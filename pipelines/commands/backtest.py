"""`rollcast backtest`: score models over past origins."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data.errors import InvalidInput
from pipelines.commands.options import Json, Name

if TYPE_CHECKING:
    from pipelines.evaluation.backtest import BacktestRequest
    from pipelines.workspace import Workspace


def backtest(
    name: Name,
    models: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: lstm, gru, rnn, mlp, cnn, naive, seasonal_naive, drift, ets, theta; "
            "seasonal_naive(168) repeats the last 168 steps. Default: all registered networks, naive, and "
            "seasonal_naive at the season and at a longer cycle if there is one."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="test: score the source's own test part.")] = None,
    last: Annotated[
        float | None, typer.Option(help="Score rolling origins over this last share of each series.")
    ] = None,
    origins: Annotated[int | None, typer.Option(help="Number of rolling origins.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps to score; at most the dataset's horizon.")] = None,
    train_missing: Annotated[
        bool,
        typer.Option(
            "--train-missing", help="Train networks that have no version, for this comparison; none is registered."
        ),
    ] = False,
    max_minutes: Annotated[
        float | None, typer.Option(help="Minutes to train each missing network. Default 6, without --steps.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Train each missing network for exactly this many training steps.")
    ] = None,
    classical_minutes: Annotated[float, typer.Option(help="Minutes that each of ets and theta may take.")] = 5.0,
    report_file: Annotated[
        Path | None,
        typer.Option(
            "--report", help="HTML file of the report. Default: a file in runs/reports, and none with --json."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Score models over past origins, with the code that serves them, and write an HTML report."""
    from pipelines.console import progress, say
    from pipelines.evaluation import backtest as backtesting
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    kinds = tuple(kind.strip() for kind in models.split(",") if kind.strip()) if models is not None else None
    request = backtesting.BacktestRequest(
        name, kinds, split, last, origins, horizon, train_missing, max_minutes, steps, classical_minutes
    )
    workspace = open_workspace()
    if backtesting.has_symbols(workspace, name):
        symbols(workspace, request, report_file, json)
        return
    with_report = report_file is not None or not json
    if with_report:
        from pipelines.reports import html_report
    if report_file is not None:
        html_report.check_path(report_file)
    with progress(f"backtest {name}") as on_progress:
        result = backtesting.backtest(workspace, request, on_progress, say)
    terminal.backtested(result, json)
    if with_report:
        path = report_file or html_report.usual_path(workspace.settings, name)
        say(f"report written to {html_report.write(result, path)}")


def symbols(workspace: Workspace, request: BacktestRequest, report_file: Path | None, json: bool) -> None:
    """Score models of symbols, and print the scores."""
    from pipelines.console import progress, say
    from pipelines.evaluation.symbol_backtest import backtest_symbols
    from pipelines.reports import symbol_terminal

    if report_file is not None:
        raise InvalidInput("a backtest of symbols has no HTML report; leave --report away, --json has every figure")
    with progress(f"backtest {request.dataset}") as on_progress:
        result = backtest_symbols(workspace, request, on_progress, say)
    symbol_terminal.backtested(result, json)
