"""Retraining: one worker takes the oldest job, trains, and lets the gate or the shadow decide about the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from data.errors import Conflict, GateRefused, UnknownDataset
from data.records import jobs, runs
from data.records.jobs import Cause, Job, State
from data.records.runs import sentence
from data.store import catalogue, leases, promotions
from data.store.catalogue import Dataset
from forecasting.config import NETWORKS
from pipelines.console import Report
from pipelines.models import model_store
from pipelines.promotion.promote import promote
from pipelines.promotion.shadow import shadow, shadow_result
from pipelines.training import train_subprocess
from pipelines.workspace import Workspace

LEASE_S = 60.0  # without a sign of life for so long a worker is dead
DEFAULT_KIND = "lstm"  # trained where a baseline serves, or nothing
BY_WORKER = "retrain"  # cause of a shadow that the worker began, and will decide about

Train = Callable[[Workspace, str, str, float], int]


@dataclass(frozen=True)
class QueuedJob:
    """A job, new or open already."""

    job: int
    dataset: str
    state: State
    words: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class JobOutcome:
    """One thing that the worker did. `job` is None where a shadow's time had come."""

    job: int | None
    dataset: str
    state: State
    words: str
    version: int | None


@dataclass(frozen=True)
class WorkerRun:
    """What the worker did, in order; nothing where nothing was to be done."""

    done: tuple[JobOutcome, ...]

    @property
    def failed(self) -> bool:
        return any(one.state == "failed" for one in self.done)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def retrain(workspace: Workspace, name: str, cause: Cause = "hand", detail: str = "asked for by hand") -> QueuedJob:
    """Queue a training of a dataset. Raises UnknownDataset."""
    dataset = catalogue.dataset(workspace.engine, name)
    answer = jobs.ask(workspace.engine, dataset.id, cause, detail)
    if answer.job is None:
        raise Conflict(answer.words)
    return QueuedJob(answer.job.id, name, answer.job.state, answer.words)


def run_jobs(
    workspace: Workspace, moved: Report, train: Train = train_subprocess.train, lease_s: float = LEASE_S
) -> WorkerRun:
    """Decide about shadows whose time has come, then take the oldest job to its end.

    Raises Busy while another worker is at it.
    """
    with leases.held(workspace.engine, jobs.WORKER, lease_s):
        done = [
            one
            for dataset in catalogue.datasets(workspace.engine)
            if (one := decide_due_shadow(workspace, dataset, moved))
        ]
        job = jobs.take(workspace.engine)
        return WorkerRun((*done, *([run_job(workspace, job, moved, train)] if job else [])))


def run_job(workspace: Workspace, job: Job, moved: Report, train: Train) -> JobOutcome:
    """One job. Whatever goes wrong is written down as its end, and what serves stays."""
    dataset = dataset_by_id(workspace, job.dataset_id)
    version, detail = None, ""
    state: State = "failed"
    try:
        moved(0, 2, f"training {dataset.name}")
        with runs.recorded(workspace.engine, "train", dataset.name) as run:  # whose age of last success is watched
            version = train(
                workspace, dataset.name, kind_to_train(workspace, dataset), workspace.settings.retrain_minutes
            )
            run.detail |= {"job": job.id, "version": version}
        moved(1, 2, "deciding")
        detail, state = decide_new_version(workspace, dataset, version), "succeeded"
    except GateRefused as refusal:
        detail, state = str(refusal), "refused"
    except BaseException as error:  # Polars reports damage with a class that is no Exception
        detail = sentence(error)
        if not isinstance(error, Exception):
            raise
    finally:
        jobs.end(workspace.engine, job.id, state, detail, version)
    return JobOutcome(job.id, dataset.name, state, detail, version)


def dataset_by_id(workspace: Workspace, number: int) -> Dataset:
    """The dataset of a job."""
    for dataset in catalogue.datasets(workspace.engine):
        if dataset.id == number:
            return dataset
    raise UnknownDataset(str(number))


def kind_to_train(workspace: Workspace, dataset: Dataset) -> str:
    """What to train: the kind of network that serves."""
    served = promotions.served(workspace.engine, dataset.id)
    kind = model_store.find(workspace, dataset, served.version).kind if served else DEFAULT_KIND
    return kind if kind in NETWORKS else DEFAULT_KIND


def decide_new_version(workspace: Workspace, dataset: Dataset, version: int) -> str:
    """Put a new version before the gate, or into shadow if that is set; where nothing serves, the best one is to.

    Raises GateRefused.
    """
    served = promotions.served(workspace.engine, dataset.id)
    if served is not None and workspace.settings.retrain_into == "shadow":
        return shadow(workspace, dataset.name, version, BY_WORKER).sentence
    return promote(workspace, dataset.name, version if served else None, no_progress).sentence


def decide_due_shadow(workspace: Workspace, dataset: Dataset, moved: Report) -> JobOutcome | None:
    """Put a challenger of ours before the gate once it has met enough live values; None where none has."""
    challenger = promotions.shadow(workspace.engine, dataset.id)
    if challenger is None or challenger.evidence.get("cause") != BY_WORKER:
        return None
    met = shadow_result(workspace, dataset, challenger.version)
    if met is None or met.targets < workspace.settings.shadow_targets:
        return None
    moved(0, 1, f"deciding about the shadow of {dataset.name}")
    state: State = "succeeded"
    try:
        words = promote(workspace, dataset.name, challenger.version, no_progress).sentence
    except GateRefused as refusal:
        state, words = "refused", str(refusal)
    except Exception as error:  # the jobs of other datasets wait behind it
        state, words = "failed", sentence(error)
    return JobOutcome(None, dataset.name, state, words, challenger.version)


def no_progress(done: float, total: float, words: str) -> None:
    """Progress within a step of ours."""
