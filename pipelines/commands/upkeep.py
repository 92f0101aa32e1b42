"""The commands that keep models young: retrain, jobs, shadow, monitor."""

from __future__ import annotations

from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="Name of the dataset.", metavar="NAME")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON value.")]
Number = Annotated[int, typer.Argument(help="The job's number, as `rollcast jobs list` shows.", metavar="JOB")]

jobs = typer.Typer(name="jobs", help="Retrainings: list, show, cancel, work.", no_args_is_help=True)


def attach(app: typer.Typer) -> None:
    """Add them to the program."""
    app.command()(retrain)
    app.command()(shadow)
    app.command()(monitor)
    app.add_typer(jobs)


def retrain(name: Name, json: Json = False) -> None:
    """Ask for a new training: a job, which `rollcast jobs work` or the schedule carries out."""
    from pipelines.promotion import retrain as retraining
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    terminal.facts(retraining.retrain(open_workspace(), name).to_dict(), json)


def shadow(
    name: Name,
    version: Annotated[int | None, typer.Option(help="Default: the newest one that nothing was decided about.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Let the challenger go.")] = False,
    json: Json = False,
) -> None:
    """Let a version roll beside the served one, scored on the same live values and answering nobody."""
    from pipelines.promotion import shadow as shadowing
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    workspace = open_workspace()
    result = shadowing.stop_shadow(workspace, name) if stop else shadowing.shadow(workspace, name, version)
    terminal.shadowed(result, json)


def monitor(
    name: Annotated[
        str | None, typer.Argument(help="Only this dataset; else all that are served.", metavar="NAME")
    ] = None,
    json: Json = False,
) -> None:
    """Look for drift, missed intervals and stuck sensors; ask for a training where one would help."""
    from pipelines.monitoring import monitor as watching
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    workspace = open_workspace()
    terminal.monitored([watching.monitor(workspace, name)] if name is not None else watching.every(workspace), json)


@jobs.command("list")
def jobs_list(
    name: Annotated[str | None, typer.Argument(help="Only of this dataset.", metavar="NAME")] = None,
    json: Json = False,
) -> None:
    """The latest jobs, newest first."""
    from pipelines.reports import terminal
    from pipelines.upkeep import job_listing
    from pipelines.workspace import open_workspace

    terminal.listing(
        job_listing.listed(open_workspace(), name), json, "no job yet; `rollcast retrain NAME` asks for one"
    )


@jobs.command("show")
def jobs_show(job: Number, json: Json = False) -> None:
    """One job: why it was asked for, or how it ended."""
    from pipelines.reports import terminal
    from pipelines.upkeep import job_listing
    from pipelines.workspace import open_workspace

    terminal.facts(job_listing.shown(open_workspace(), job), json)


@jobs.command("cancel")
def jobs_cancel(job: Number, json: Json = False) -> None:
    """Take a job out of the queue; one that runs cannot be."""
    from pipelines.reports import terminal
    from pipelines.upkeep import job_listing
    from pipelines.workspace import open_workspace

    terminal.facts(job_listing.cancelled(open_workspace(), job), json)


@jobs.command("work")
def jobs_work(json: Json = False) -> None:
    """Carry out the oldest job here and now; exit 1 when it failed, 0 also when the gate refused what it made."""
    from pipelines.console import progress
    from pipelines.promotion import retrain as retraining
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    with progress("work") as moved:
        result = retraining.run_jobs(open_workspace(), moved)
    terminal.worked(result, json)
    raise typer.Exit(int(result.failed))
