"""Jobs that were asked for over HTTP because the service cannot do them: they read the history, or the promotion gate
decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.errors import Conflict
from data.records.jobs import Job
from data.store import promotions
from data.store.catalogue import Dataset
from pipelines.history import quarantine
from pipelines.models import model_store
from pipelines.promotion.promote import promote, serve
from pipelines.workspace import Workspace


def run(workspace: Workspace, dataset: Dataset, job: Job) -> str:
    """Promote the version or release the values of a job; returns what was done.

    Raises GateRefused, Conflict where another version serves than the one that was seen, and as `quarantine.release`
    does.
    """
    if job.kind == "release":
        result = quarantine.release(workspace, dataset.name, list(job.asked["ids"]), None, None)
        return f"{result.released} values were released, {result.added} of them count now"
    assert job.version is not None  # noqa: S101
    return promote_version(workspace, dataset, job.version, job.asked)


def promote_version(workspace: Workspace, dataset: Dataset, version: int, asked: Mapping[str, Any]) -> str:
    """Serve a version that passed the promotion gate earlier; let the gate decide about any other."""
    decisions = promotions.decisions(workspace.engine, dataset.id)
    serving = [row for row in decisions if row.serves]
    if (serving[-1].id if serving else 0) != asked["seen"]:
        raise Conflict(f"another version of {dataset.name!r} serves than when version {version} was asked for")
    if not any(row.version == version for row in serving):
        return promote(workspace, dataset.name, version, _no_progress, asked["by"]).sentence
    bundle = model_store.load(workspace, dataset, version)
    evidence = {"by": asked["by"], "from": serving[-1].version, "to": version}
    return serve(workspace, dataset, version, bundle, asked["event"], evidence).sentence


def _no_progress(done: float, total: float, words: str) -> None:
    """Ignores progress."""
