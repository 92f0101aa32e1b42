"""`rollcast report`: one dataset on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import Json, Name


def report(
    name: Name,
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    json: Json = False,
) -> None:
    """Write a page about a dataset: data quality, last backtest, calibration, series in trouble, model card."""
    from pipelines.console import print_json, say
    from pipelines.dataset_report import page
    from pipelines.reports import html_report
    from pipelines.workspace import open_workspace

    html_report.check_path(out)
    page.write(open_workspace(), name, out)
    if json:
        return print_json({"dataset": name, "out": str(out)})
    return say(f"report of {name} written to {out}")
