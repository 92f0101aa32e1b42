"""The work as Prefect flows: each is one call into the plain function of the same name.

Parameters are names, numbers and paths, results are small records: no frame ever passes through the orchestrator.
A flow may run twice or die half way; what it calls stores everything in transactions of our own, and `perform` records
the run in a table of ours, which is what to believe about it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from prefect import artifacts, flow, runtime
from prefect.context import FlowRunContext
from prefect.states import Completed

from data.errors import Busy, Conflict, GateRefused, InvalidInput, LeaseLost
from data.settings import load_settings
from data.sources.resolve import SourceOptions
from pipelines import run_reports
from pipelines.console import Report, finite, progress, say
from pipelines.evaluation import backtest as backtesting
from pipelines.flows.run_flow import SKIPPED, perform
from pipelines.forecasts import batch_forecast as forecasting
from pipelines.forecasts import issue as issuing
from pipelines.forecasts.batch_forecast import BatchRequest
from pipelines.ingestion import ingest as ingestion
from pipelines.monitoring import monitor as monitoring
from pipelines.promotion import promote as promotion
from pipelines.promotion import retrain as retraining
from pipelines.training import train as training
from pipelines.upkeep import backup as copying
from pipelines.upkeep import compact as compaction
from pipelines.upkeep import prune as pruning
from pipelines.workspace import Workspace

Record = dict[str, Any]
TIMEOUT_S = load_settings().flow_timeout_s  # whatever hangs is ended then, and recorded as failed
REPORTS = {"backtest": "backtest-report", "monitor": "drift-report"}  # what their pages are called in Prefect
SCHEDULED = "auto-scheduled"  # Prefect's tag of runs that nobody asked for
SHOWN_EVERY_S = 10.0  # between two looks at the progress in Prefect
log = logging.getLogger(__name__)


@flow(name="canary", timeout_seconds=TIMEOUT_S)
def canary() -> Record:
    """Do nothing but leave a row in `runs`: the proof that schedules run."""
    return run("canary", None, lambda workspace: {})


@flow(name="ingest", timeout_seconds=TIMEOUT_S)
def ingest(source: str, dataset: str, options: dict[str, Any] | None = None) -> Record:
    """Read what is new in a source into the lake; `options` are the words of `rollcast ingest`, such as tz."""
    chosen = source_options(options)
    return run("ingest", dataset, lambda workspace: plain(ingestion.ingest(workspace, source, dataset, chosen)))


@flow(name="train", timeout_seconds=TIMEOUT_S)
def train(
    dataset: str,
    model: str = "lstm",
    max_minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    holdout: float | None = None,
) -> Record:
    """Fit one model to a dataset's history and register it as a candidate."""
    request = training.TrainRequest(dataset, model, max_minutes, steps, seed, holdout)
    with moving(f"train {dataset}") as moved:
        return run("train", dataset, lambda workspace: plain(training.train(workspace, request, moved)))


@flow(name="backtest", timeout_seconds=TIMEOUT_S)
def backtest(
    dataset: str,
    models: list[str] | None = None,
    split: str | None = None,
    last: float | None = None,
    origins: int | None = None,
    horizon: int | None = None,
) -> Record:
    """Score models over past origins; the report is a page of Markdown."""
    request = backtesting.BacktestRequest(dataset, tuple(models) if models else None, split, last, origins, horizon)
    with moving(f"backtest {dataset}") as moved:
        return run("backtest", dataset, lambda workspace: plain(backtesting.backtest(workspace, request, moved, say)))


@flow(name="promote", timeout_seconds=TIMEOUT_S)
def promote(dataset: str, version: int | None = None) -> Record:
    """Put the newest candidate through the gate and, if it passes, serve it. A refusal is a decision like another."""
    with moving(f"promote {dataset}") as moved:
        return run("promote", dataset, lambda workspace: decide(workspace, dataset, version, moved))


@flow(name="retrain", timeout_seconds=TIMEOUT_S)
def retrain(dataset: str) -> Record:
    """Ask for a training, whose result goes through gate and shadow; the flow `jobs` carries it out."""
    asked = "asked for by its schedule"
    return run("retrain", dataset, lambda workspace: plain(retraining.retrain(workspace, dataset, "schedule", asked)))


@flow(name="batch-forecast", timeout_seconds=TIMEOUT_S)
def batch_forecast(dataset: str, out: str | None = None, horizon: int | None = None, level: int = 80) -> Record:
    """Issue forecasts of every series into the lake, or write them into a .parquet or .csv file."""
    with moving(f"forecast {dataset}") as moved:
        if out is None:
            return run(
                "batch-forecast", dataset, lambda workspace: plain(issuing.issue(workspace, dataset, horizon, moved))
            )
        forecasting.check_suffix(Path(out))
        request = forecasting.BatchRequest(dataset, None, horizon, (level,))
        return run("batch-forecast", dataset, lambda workspace: to_file(workspace, request, Path(out), moved))


@flow(name="jobs", timeout_seconds=TIMEOUT_S)
def jobs() -> Record:
    """Carry out the trainings that were asked for, and decide about challengers whose time has come."""
    with moving("jobs") as moved:
        return run("jobs", None, lambda workspace: plain(retraining.run_jobs(workspace, moved)))


@flow(name="monitor", timeout_seconds=TIMEOUT_S)
def monitor() -> Record:
    """Look at every served dataset for drift, missed intervals and stuck sensors; ask for trainings that would help."""
    return run("monitor", None, lambda workspace: listed("datasets", monitoring.every(workspace)))


@flow(name="compact", timeout_seconds=TIMEOUT_S)
def compact() -> Record:
    """Move the live log's old rows into the lake, and make few files there of many."""
    with moving("compact") as moved:
        return run("compact", None, lambda workspace: listed("done", compaction.compact(workspace, None, False, moved)))


@flow(name="backup", timeout_seconds=TIMEOUT_S)
def backup() -> Record:
    """Copy the live store and the lake into the configured folder, and let the oldest copies go."""
    keep = load_settings().backup_keep
    with moving("backup") as moved:
        return run("backup", None, lambda workspace: plain(copying.backup(workspace, None, keep, False, moved)))


@flow(name="prune", timeout_seconds=TIMEOUT_S)
def prune() -> Record:
    """Delete what nothing needs any more."""
    with moving("prune") as moved:
        return run("prune", None, lambda workspace: listed("done", pruning.prune(workspace, False, moved)))


HOUSE = (canary, jobs, monitor, compact, backup, prune)
FLOWS = {entry.name: entry for entry in (ingest, train, backtest, promote, retrain, batch_forecast, *HOUSE)}


def decide(workspace: Workspace, dataset: str, version: int | None, moved: Report) -> Record:
    """The gate's decision, or that there is nothing to decide."""
    try:
        return {"promoted": True, **plain(promotion.promote(workspace, dataset, version, moved))}
    except GateRefused as refusal:
        evidence = finite(refusal.evidence)
        return {"dataset": dataset, "promoted": False, "refused": True, "reason": str(refusal), "evidence": evidence}
    except (Busy, LeaseLost):
        raise
    except Conflict as nothing:
        if version is not None:
            raise
        return {"dataset": dataset, "promoted": False, "reason": str(nothing)}


def to_file(workspace: Workspace, request: BatchRequest, out: Path, moved: Report) -> Record:
    """Forecasts as a file."""
    result = forecasting.forecast(workspace, request, moved)
    forecasting.write(result, out)
    return {"dataset": request.dataset, "out": str(out), "rows": result.frame.height}


def source_options(given: Record | None) -> SourceOptions:
    """What is said about a source. Raises InvalidInput for a word that `rollcast ingest` does not have."""
    known = [field.name for field in fields(SourceOptions)]
    for word in given or {}:
        if word not in known:
            raise InvalidInput(f"options has no {word!r}; it takes {', '.join(known)}")
    return SourceOptions(**(given or {}))


def listed(word: str, results: Sequence[Any]) -> Record:
    """Several results under one word."""
    return {word: [plain(one) for one in results]}


def plain(result: Any) -> Record:
    """A result as JSON can hold it."""
    record: Record = finite(result.to_dict())
    return record


# --- what Prefect sees ------------------------------------------------------------------------------------------------


def run(name: str, dataset: str | None, work: Callable[[Workspace], Record]) -> Any:
    """One run, with its page shown in Prefect; a slot that asks for nothing ends as Skipped."""
    record = perform(name, dataset, work, slot())
    if SKIPPED in record:
        return Completed(name="Skipped", message=record[SKIPPED], data=record)
    show(name, record)
    return record


def slot() -> int | None:
    """When this run was due, in microseconds since 1970 UTC; None where somebody asked for it."""
    if SCHEDULED not in (runtime.flow_run.tags or []):
        return None
    return int(runtime.flow_run.scheduled_start_time.timestamp() * 1e6)


def show(name: str, record: Record) -> None:
    """The result's page among Prefect's artifacts; the gate's decision as a table."""
    if name == "promote":
        told = record.get("sentence") or record["reason"]
        tried(
            artifacts.create_table_artifact, table=run_reports.contenders(record), key="gate-decision", description=told
        )
    elif page := run_reports.page_of(name, record):
        tried(artifacts.create_markdown_artifact, markdown=page, key=REPORTS[name])


@contextmanager
def moving(label: str) -> Iterator[Report]:
    """The bar on a terminal and, when it takes long, every few seconds the same in Prefect."""
    bar: Any = None
    shown = time.monotonic()
    with progress(label) as moved:

        def both(done: float, total: float, words: str) -> None:
            nonlocal bar, shown
            moved(done, total, words)
            if not total or time.monotonic() - shown < SHOWN_EVERY_S:
                return
            share, shown = min(100.0, 100.0 * done / total), time.monotonic()
            if bar is None:
                bar = tried(artifacts.create_progress_artifact, progress=share, description=label)
            else:
                tried(artifacts.update_progress_artifact, bar, progress=share)

        yield both


def tried(tell: Callable[..., Any], *values: Any, **words: Any) -> Any:
    """Tell Prefect, if a run of its own is under way; it may be down or wrong, which is no reason to stop the work."""
    if FlowRunContext.get() is None:
        return None
    try:
        return tell(*values, **words)
    except Exception as error:
        log.warning("Prefect was not told: %s", error)
        return None


# --- from the command line --------------------------------------------------------------------------------------------


def run_here(name: str, parameters: list[str]) -> Record:
    """Run a flow in this process, its parameters written NAME=VALUE. Raises InvalidInput for what does not fit."""
    checked = check(name, dict(pair(text) for text in parameters))
    flow: Any = FLOWS[name]
    record: Record = flow(**checked)
    return record


def described() -> list[Record]:
    """Every flow, what it takes and what it does."""
    return [{"flow": name, "parameters": signature(name), "what": entry.description} for name, entry in FLOWS.items()]


def check(name: str, given: Record) -> Record:
    """Parameters as the flow takes them. Raises InvalidInput, which names those that it has."""
    if name not in FLOWS:
        raise InvalidInput(f"there is no flow {name!r}; choose one of {', '.join(FLOWS)}")
    source_options(given.get("options"))
    try:
        checked: Record = FLOWS[name].validate_parameters(given)
    except Exception as error:  # Prefect has several classes for it
        words = ", ".join(f"{key}={value}" for key, value in given.items()) or "no parameters"
        raise InvalidInput(f"flow {name} cannot run with {words}; it takes {signature(name)}") from error
    if name == "train":
        training.check_request(training.TrainRequest(**checked))
    if (out := checked.get("out")) is not None:
        forecasting.check_suffix(Path(out))
    return checked


def signature(name: str) -> str:
    """A flow's parameters, those that need no value in brackets."""
    schema = FLOWS[name].parameters
    needed = set(schema.required or ())
    return ", ".join(key if key in needed else f"[{key}]" for key in schema.properties) or "no parameters"


def pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE, the value as JSON where it is."""
    import json

    name, found, value = text.partition("=")
    if not found:
        raise InvalidInput(f"--param {text!r} has no =; write NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
