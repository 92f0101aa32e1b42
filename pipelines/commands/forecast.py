"""`rollcast forecast`: forecast every series, into the lake, a file or the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import Json, Name, warn_old_spelling


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
    if lake:
        from pipelines.forecasts import issue

        issue.check_options(series, level, out)
        with progress(f"forecast {name}") as on_progress:
            issued = issue.issue(open_workspace(), name, horizon, on_progress, restart)
        return terminal.issued(issued, json)
    workspace = open_workspace()
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
