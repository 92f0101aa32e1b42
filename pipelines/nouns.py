"""The commands that begin with a noun: model, series, config, pipelines."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the dataset.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]

model = typer.Typer(name="model", help="Registered model versions: list, show, verify.", no_args_is_help=True)
series = typer.Typer(name="series", help="Series of a dataset: list, show.", no_args_is_help=True)
config = typer.Typer(name="config", help="Settings and where they come from.", no_args_is_help=True)
pipelines = typer.Typer(name="pipelines", help="The same work as Prefect flows.", no_args_is_help=True)


def attach(app: typer.Typer) -> None:
    """Add the noun commands to the program."""
    for noun in (model, series, config, pipelines):
        app.add_typer(noun)


@model.command("list")
def model_list(name: Name, json: Json = False) -> None:
    """Every version of a dataset's model, with what was decided about it."""
    from pipelines import inspection, report
    from pipelines.workspace import open_workspace

    report.versions(inspection.versions(open_workspace(), name), json)


@model.command("show")
def model_show(
    name: Name, version: Annotated[int | None, typer.Option(help="Default: the served one.")] = None, json: Json = False
) -> None:
    """One version: its settings, where it comes from and its scores."""
    from pipelines import inspection, report
    from pipelines.workspace import open_workspace

    report.facts(inspection.model(open_workspace(), name, version), json)


@model.command("verify")
def model_verify(name: Name, json: Json = False) -> None:
    """Check every artifact against its digest, and the chain of promotions; exit 1 on damage."""
    from pipelines import inspection, report
    from pipelines.workspace import open_workspace

    report.facts(inspection.verify(open_workspace(), name), json)


@series.command("list")
def series_list(name: Name, json: Json = False) -> None:
    """Every series of a dataset: rows, missing steps, first and last time."""
    from pipelines import inspection, report
    from pipelines.workspace import open_workspace

    report.series(inspection.series(open_workspace(), name), json)


@series.command("show")
def series_show(
    name: Name,
    unique_id: Annotated[str, typer.Argument(help="Id of the series.", metavar="ID")],
    last: Annotated[int, typer.Option(help="How many of the latest steps.")] = 10,
    json: Json = False,
) -> None:
    """The latest values of one series; what came in live is included."""
    from pipelines import inspection, report
    from pipelines.workspace import open_workspace

    report.facts(inspection.one_series(open_workspace(), name, unique_id, last), json)


@config.command("show")
def config_show(json: Json = False) -> None:
    """Every setting, its value and its source; secrets masked."""
    from pipelines import inspection, report

    report.settings(inspection.settings(), json)


@pipelines.command("run")
def pipelines_run(
    flow: Annotated[str, typer.Argument(help="ingest, train, backtest, promote or batch-forecast.", metavar="FLOW")],
    parameter: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="A parameter, as NAME=VALUE; may be repeated.")
    ] = None,
    json: Json = False,
) -> None:
    """Run one flow here and now, recorded by Prefect; needs no server."""
    from pipelines import flows, report

    report.facts(flows.run(flow, parameter or []), json)
