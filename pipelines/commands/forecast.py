"""`rollcast forecast`: forecast every series, into the lake, a file or the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import Json, Name, warn_old_spelling

if TYPE_CHECKING:
    from pipelines.forecasts.batch_forecast import BatchRequest
    from pipelines.workspace import Workspace


def forecast(
    name: Name,
    series: Annotated[str | None, typer.Option(help="Only this series.")] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps ahead; at most what the model was trained for.")] = None,
    level: Annotated[
        list[int] | None, typer.Option(help="Level of an interval in per cent; may be repeated. Default 80.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write a .parquet or .csv file instead.")] = None,
    lake: Annotated[
        bool,
        typer.Option("--lake", help="Write q10 to q90 into a table of the lake; a killed issue is continued."),
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="With --lake: begin a new issue instead of continuing a killed one.")
    ] = False,
    anew: Annotated[bool, typer.Option("--anew", hidden=True)] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Draw one series' past and forecast in the terminal.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Draw one series' past and forecast into an .svg file.")] = None,
    json: Json = False,
) -> None:
    """Forecast every series of a dataset with the served model, from the last stored observation on."""
    from data.errors import InvalidInput
    from data.store import catalogue
    from pipelines.console import progress
    from pipelines.forecasts import batch_forecast
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    if anew:
        warn_old_spelling("forecast --anew", "forecast --restart")
        restart = True
    if restart and not lake:
        raise InvalidInput("--restart works only with --lake; add --lake")
    drawn = check_drawing(plot, svg, lake, out, json)
    workspace = open_workspace()
    if catalogue.dataset(workspace.engine, name).has_symbols:
        check_symbols(level, lake, drawn)
        request = batch_forecast.BatchRequest(name, series, horizon)
        return forecast_symbols(workspace, request, out, json)
    if lake:
        from pipelines.forecasts import issue

        issue.check_options(series, level, out)
        with progress(f"forecast {name}") as on_progress:
            issued = issue.issue(workspace, name, horizon, on_progress, restart)
        return terminal.issued(issued, json)
    request = batch_forecast.BatchRequest(name, series, horizon, tuple(level or (80,)))
    if out is not None:
        batch_forecast.check_suffix(out)
    with progress(f"forecast {name}") as on_progress:
        result = batch_forecast.forecast(workspace, request, on_progress)
    if out is not None:
        batch_forecast.write(result, out)
    if drawn:
        from pipelines.reports import drawn_forecast

        return drawn_forecast.drawn(workspace, result, plot, svg, json)
    return terminal.forecasted(result, out, json)


def check_symbols(level: list[int] | None, lake: bool, drawn: bool) -> None:
    """Raises InvalidInput for options that mean nothing where values are symbols."""
    from data.errors import InvalidInput

    refused = {"--level": level is not None, "--lake": lake, "--plot and --svg": drawn}
    whys = {
        "--level": "a forecast of symbols has a probability for each, and no interval",
        "--lake": "the lake's table of forecasts has quantiles, and symbols have none; give --out FILE",
        "--plot and --svg": "they draw numbers; the page of the service shows the probabilities of symbols",
    }
    for option, given in refused.items():
        if given:
            raise InvalidInput(f"{option} cannot be used: {whys[option]}")


def forecast_symbols(workspace: Workspace, request: BatchRequest, out: Path | None, json: bool) -> None:
    """Forecast a dataset of symbols, into a file or the terminal."""
    from pipelines.console import progress
    from pipelines.forecasts import batch_forecast, symbol_batch
    from pipelines.reports import symbol_terminal

    if out is not None:
        batch_forecast.check_suffix(out)
    with progress(f"forecast {request.dataset}") as on_progress:
        result = symbol_batch.forecast(workspace, request, on_progress)
    if out is not None:
        batch_forecast.write_frame(result.frame, result.dataset, out)
    symbol_terminal.forecasted(result, out, json)


def check_drawing(plot: bool, svg: Path | None, lake: bool, out: Path | None, json: bool) -> bool:
    """Is a picture asked for? Raises InvalidInput beside options that it does not go with."""
    from data.errors import InvalidInput

    if not plot and svg is None:
        return False
    option = "--plot" if plot else "--svg"
    if lake or out is not None:
        raise InvalidInput(f"{option} draws and {'--lake' if lake else '--out'} stores; give one of them")
    if plot and json:
        raise InvalidInput("--plot draws and --json prints numbers; give one of them")
    if svg is not None:
        from pipelines.reports import svg_plot

        svg_plot.check_path(svg)
    return True
