"""Retraining: one worker takes the next job, trains a model, and puts it before the promotion gate or into shadow.

Promotions and releases that were asked for over HTTP are jobs as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from data.changes.deletions import DeletionRecord
from data.errors import Busy, Conflict, GateRefused, UnknownDataset
from data.records import jobs, runs
from data.records.jobs import Cause, Job, State
from data.records.runs import sentence
from data.store import catalogue, leases, promotions
from data.store.catalogue import Dataset
from forecasting.config import NETWORKS, SHIPPED
from pipelines.console import ProgressCallback, say
from pipelines.deletion.run import run_asked
from pipelines.models import mirrored_aliases, model_store
from pipelines.promotion import asked_jobs
from pipelines.promotion.promote import promote
from pipelines.promotion.shadow import shadow, shadow_result
from pipelines.training import train_subprocess
from pipelines.workspace import Workspace

LEASE_S = 60.0  # a worker that did not renew its lease for so long is dead
DEFAULT_KIND = "lstm"  # trained where a baseline or no version serves
BY_WORKER = "retrain"  # cause of a shadow that the worker started and decides about

Train = Callable[[Workspace, str, str, float], int]


@dataclass(frozen=True)
class QueuedJob:
    """A queued job: a new one, or one that was open already. `words` says which."""

    job: int
    dataset: str
    state: State
    words: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class JobOutcome:
    """One job that the worker ran, or one shadow that it decided about; then `job` is None."""

    job: int | None
    dataset: str
    state: State
    words: str
    version: int | None


@dataclass(frozen=True)
class WorkerRun:
    """What the worker did, in order; `to_dict` is the output of --json."""

    done: tuple[JobOutcome, ...]

    @property
    def failed(self) -> bool:
        """Whether any of it failed."""
        return any(outcome.state == "failed" for outcome in self.done)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def retrain(workspace: Workspace, name: str, cause: Cause = "hand", detail: str = "asked for by hand") -> QueuedJob:
    """Queue a training of a dataset. Raises UnknownDataset, or Conflict where the queue refuses it."""
    dataset = catalogue.dataset(workspace.engine, name)
    answer = jobs.ask(workspace.engine, dataset.id, cause, detail)
    if answer.job is None:
        raise Conflict(answer.message)
    return QueuedJob(answer.job.id, name, answer.job.state, answer.message)


def run_jobs(
    workspace: Workspace, progress: ProgressCallback, train: Train = train_subprocess.train, lease_s: float = LEASE_S
) -> WorkerRun:
    """Run the deletions that were asked for, decide about every challenger that has forecast enough live values, then
    run the next job. MLflow's aliases follow what was decided over HTTP meanwhile.

    Raises Busy while another worker runs.
    """
    with leases.held(workspace.engine, jobs.WORKER, lease_s):
        removed = run_deletions(workspace)
        for name in mirrored_aliases.follow_all(workspace):
            say(f"MLflow's aliases of {name} follow the promotion log again")
        done = [
            outcome
            for dataset in catalogue.datasets(workspace.engine)
            if (outcome := decide_due_shadow(workspace, dataset, progress))
        ]
        job = jobs.take(workspace.engine)
        return WorkerRun((*removed, *done, *([run_job(workspace, job, progress, train)] if job else [])))


def run_deletions_alone(workspace: Workspace, progress: ProgressCallback) -> WorkerRun:
    """Run the deletions that were asked for, and nothing else: a worker may run beside it."""
    progress(0, 1, "deleting")
    return WorkerRun(tuple(run_deletions(workspace)))


def run_deletions(workspace: Workspace) -> list[JobOutcome]:
    """Run the deletions that were asked for. While the lake's upkeep or a backup runs they wait for the next time."""
    try:
        return [deletion_outcome(workspace, found) for found in run_asked(workspace)]
    except Busy as busy:
        say(f"deletions wait: {busy}")
        return []


def deletion_outcome(workspace: Workspace, deletion: DeletionRecord) -> JobOutcome:
    """A deletion as an outcome of the worker."""
    dataset = catalogue.dataset_of(workspace.engine, deletion.dataset_id)
    name = deletion.detail.get("name") or (dataset.name if dataset else "?")
    state: State = "succeeded" if deletion.state == "done" else "failed"
    words = deletion.detail.get("error") or f"deletion {deletion.id} ({deletion.kind}) is done"
    return JobOutcome(None, name, state, words, None)


def run_job(workspace: Workspace, job: Job, progress: ProgressCallback, train: Train) -> JobOutcome:
    """Train, then decide about the new version; or do what was asked for over HTTP. Any error is recorded as the job's
    end, and what serves stays."""
    dataset = dataset_by_id(workspace, job.dataset_id)
    version, detail = job.version, ""
    state: State = "failed"
    try:
        if job.kind != "train":
            detail, state = asked_jobs.run(workspace, dataset, job), "succeeded"
            return JobOutcome(job.id, dataset.name, state, detail, version)
        progress(0, 2, f"training {dataset.name}")
        with runs.recorded(workspace.engine, "train", dataset.name) as run:  # the monitor reads its last success
            version = train(
                workspace, dataset.name, kind_to_train(workspace, dataset), workspace.settings.retrain_minutes
            )
            run.detail |= {"job": job.id, "version": version}
        progress(1, 2, "deciding")
        detail, state = decide_new_version(workspace, dataset, version), "succeeded"
    except GateRefused as refusal:
        detail, state = str(refusal), "refused"
    except BaseException as error:  # the panic of Polars on a damaged file is no Exception
        detail = sentence(error)
        if not isinstance(error, Exception):
            raise
    finally:
        jobs.end(workspace.engine, job.id, state, detail, version)
    return JobOutcome(job.id, dataset.name, state, detail, version)


def dataset_by_id(workspace: Workspace, number: int) -> Dataset:
    """The dataset with this id. Raises UnknownDataset."""
    for dataset in catalogue.datasets(workspace.engine):
        if dataset.id == number:
            return dataset
    raise UnknownDataset(str(number))


def kind_to_train(workspace: Workspace, dataset: Dataset) -> str:
    """The kind of the served network, or of the tuned model; DEFAULT_KIND where a baseline, the shipped model or no
    version serves."""
    served = promotions.served(workspace.engine, dataset.id)
    if served is None:
        return DEFAULT_KIND
    row = model_store.find(workspace, dataset, served.version)
    tuned = row.kind in SHIPPED and model_store.is_tuned(row)
    return row.kind if row.kind in NETWORKS or tuned else DEFAULT_KIND


def decide_new_version(workspace: Workspace, dataset: Dataset, version: int) -> str:
    """Put a new version before the promotion gate, or into shadow where the setting says so; returns what was done.

    Where no version serves, the best of the new version and the baselines is promoted. Raises GateRefused.
    """
    served = promotions.served(workspace.engine, dataset.id)
    if served is not None and workspace.settings.retrain_into == "shadow":
        return shadow(workspace, dataset.name, version, BY_WORKER).sentence
    return promote(workspace, dataset.name, version if served else None, no_progress).sentence


def decide_due_shadow(workspace: Workspace, dataset: Dataset, progress: ProgressCallback) -> JobOutcome | None:
    """Put a challenger that the worker started before the promotion gate once it has forecast enough live values.

    None where there is no such challenger yet.
    """
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if challenger is None or challenger.evidence.get("cause") != BY_WORKER:
        return None
    result = shadow_result(workspace, dataset, challenger.version)
    if result is None or result.targets < workspace.settings.shadow_targets:
        return None
    progress(0, 1, f"deciding about the shadow of {dataset.name}")
    state: State = "succeeded"
    try:
        words = promote(workspace, dataset.name, challenger.version, no_progress).sentence
    except GateRefused as refusal:
        state, words = "refused", str(refusal)
    except Exception as error:  # must not stop the jobs of other datasets
        state, words = "failed", sentence(error)
    return JobOutcome(None, dataset.name, state, words, challenger.version)


def no_progress(done: float, total: float, words: str) -> None:
    """Ignores progress."""
