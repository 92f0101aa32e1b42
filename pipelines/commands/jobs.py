"""`rollcast jobs`: the queue of trainings, promotions and releases."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json, warn_old_spelling

JobNumber = Annotated[int, typer.Argument(help="Number of the job, from `rollcast jobs list`.", metavar="JOB")]

jobs = typer.Typer(name="jobs", help="Queued trainings and promotions: list, show, cancel, run.", no_args_is_help=True)


@jobs.command("list")
def jobs_list(
    name: Annotated[str | None, typer.Argument(help="Only jobs of this dataset.", metavar="NAME")] = None,
    json: Json = False,
) -> None:
    """List the latest jobs, newest first."""
    from pipelines.reports import terminal
    from pipelines.upkeep import job_listing
    from pipelines.workspace import open_workspace

    rows = job_listing.list_jobs(open_workspace(), name)
    terminal.listing(rows, json, "no job yet; `rollcast retrain NAME` asks for one")


@jobs.command("show")
def jobs_show(job: JobNumber, json: Json = False) -> None:
    """Show one job: why it was queued, and how it ended."""
    from pipelines.reports import terminal
    from pipelines.upkeep import job_listing
    from pipelines.workspace import open_workspace

    terminal.facts(job_listing.show_job(open_workspace(), job), json)


@jobs.command("cancel")
def jobs_cancel(job: JobNumber, json: Json = False) -> None:
    """Remove a job from the queue; a running job cannot be cancelled."""
    from pipelines.reports import terminal
    from pipelines.upkeep import job_listing
    from pipelines.workspace import open_workspace

    terminal.facts(job_listing.cancel_job(open_workspace(), job), json)


@jobs.command("run")
def jobs_run(
    deletions: Annotated[
        bool, typer.Option("--deletions", help="Only delete what is asked to be deleted, also while a training runs.")
    ] = False,
    json: Json = False,
) -> None:
    """Run what is asked to be deleted, then the next job in this process; exit 1 when one failed.

    Exit 0 also when the promotion gate refused the model of the job.
    """
    from pipelines.console import progress
    from pipelines.promotion import retrain as retraining
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    with progress("jobs run") as on_progress:
        workspace = open_workspace()
        run = retraining.run_deletions_alone if deletions else retraining.run_jobs
        result = run(workspace, on_progress)
    terminal.worked(result, json)
    raise typer.Exit(int(result.failed))


@jobs.command("work", hidden=True)
def jobs_work(json: Json = False) -> None:
    """The old spelling of `rollcast jobs run`."""
    warn_old_spelling("jobs work", "jobs run")
    jobs_run(json=json)
