"""The retraining jobs, as a person reads them."""

from __future__ import annotations

from typing import Any

from data.grid.grid import format_moment
from data.records import jobs
from data.records.jobs import Job
from data.store import catalogue
from pipelines.workspace import Workspace

TIMES = ("asked_at", "started_at", "ended_at")


def list_jobs(workspace: Workspace, name: str | None = None) -> list[dict[str, Any]]:
    """The latest jobs, newest first; of one dataset where named. Raises UnknownDataset."""
    only = catalogue.dataset(workspace.engine, name).id if name is not None else None
    names = dataset_names(workspace)
    return [record(job, names) for job in jobs.jobs(workspace.engine, only)]


def show_job(workspace: Workspace, number: int) -> dict[str, Any]:
    """One job. Raises NotFound."""
    return record(jobs.job(workspace.engine, number), dataset_names(workspace))


def cancel_job(workspace: Workspace, number: int) -> dict[str, Any]:
    """A job that is out of the queue now. Raises NotFound, Conflict."""
    return record(jobs.cancel(workspace.engine, number), dataset_names(workspace))


def dataset_names(workspace: Workspace) -> dict[int, str]:
    """Names by number."""
    return {dataset.id: dataset.name for dataset in catalogue.datasets(workspace.engine)}


def record(job: Job, names: dict[int, str]) -> dict[str, Any]:
    """A job with the dataset's name and moments as text."""
    values = job._asdict()
    number, dataset = values.pop("id"), names[values.pop("dataset_id")]
    times = {name: format_moment(values[name]) if values[name] else None for name in TIMES}
    return {"job": number, "dataset": dataset, **values, **times}
