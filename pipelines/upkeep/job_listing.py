"""Training jobs as they are listed: with names of datasets, and times as text."""

from __future__ import annotations

from typing import Any

from data.grid.stamps import format_moment
from data.records import jobs
from data.records.jobs import Job
from data.store import catalogue
from pipelines.workspace import Workspace

TIMES = ("asked_at", "started_at", "ended_at")


def list_jobs(workspace: Workspace, name: str | None = None) -> list[dict[str, Any]]:
    """The latest jobs, newest first; only of dataset `name` where given. Raises UnknownDataset."""
    dataset_id = catalogue.dataset(workspace.engine, name).id if name is not None else None
    names = dataset_names(workspace)
    return [record(job, names) for job in jobs.jobs(workspace.engine, dataset_id)]


def show_job(workspace: Workspace, number: int) -> dict[str, Any]:
    """One job. Raises NotFound."""
    return record(jobs.job(workspace.engine, number), dataset_names(workspace))


def cancel_job(workspace: Workspace, number: int) -> dict[str, Any]:
    """Remove a job from the queue and return it. Raises NotFound, or Conflict where it runs or has ended."""
    return record(jobs.cancel(workspace.engine, number), dataset_names(workspace))


def dataset_names(workspace: Workspace) -> dict[int, str]:
    """Names of datasets by their ids."""
    return {dataset.id: dataset.name for dataset in catalogue.datasets(workspace.engine)}


def record(job: Job, names: dict[int, str]) -> dict[str, Any]:
    """A job with the name of its dataset, and times as text."""
    values = job._asdict()
    number, dataset = values.pop("id"), names[values.pop("dataset_id")]
    times = {name: format_moment(values[name]) if values[name] else None for name in TIMES}
    return {"job": number, "dataset": dataset, **values, **times}
