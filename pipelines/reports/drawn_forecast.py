"""Draws a forecast where `rollcast forecast` was asked to: in the terminal, into an SVG file, or both."""

from __future__ import annotations

from pathlib import Path

from pipelines.console import print_json, say
from pipelines.forecasts.batch_forecast import SILENT, WARMING, BatchForecasts
from pipelines.forecasts.pictured import picture_of
from pipelines.reports import svg_plot, terminal_plot
from pipelines.workspace import Workspace


def drawn(workspace: Workspace, result: BatchForecasts, plot: bool, svg: Path | None, json: bool) -> None:
    """Draw the series that was asked for, or the first one, and say which of several it is."""
    picture = picture_of(workspace, result)
    if plot:
        terminal_plot.draw(picture)
    if svg is not None:
        svg_plot.write(picture, svg)
        say(f"picture of {picture.unique_id} written to {svg}")
        if json:
            print_json({"dataset": result.dataset.name, "unique_id": picture.unique_id, "svg": str(svg)})
    if len(result.origins) > 1:
        say(f"the first of {len(result.origins):,} series; --series NAME draws another")
    first = result.frame.head(1)
    if first[WARMING][0]:
        say("too few values for the served model yet: another one answers (warming)")
    if first[SILENT][0]:
        say("no value for longer than the model's window: the forecast starts from the last one (silent)")
