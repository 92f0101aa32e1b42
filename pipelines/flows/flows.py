"""The work as Prefect flows: each is one call of the plain function of the same name.

Parameters are names, numbers and paths, and results are small records: no frame passes through Prefect. A flow may run
twice or be killed half way: the function that it calls writes in transactions. `run_flow` records the run in our table
`runs`, which counts, whatever Prefect says about the run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import artifacts, flow, runtime
from prefect.context import FlowRunContext
from prefect.states import Completed

from data.errors import Busy, Conflict, GateRefused, InvalidInput, LeaseLost
from data.settings import load_settings
from pipelines import run_pages
from pipelines.console import ProgressCallback, finite, progress, say
from pipelines.evaluation import backtest as backtesting
from pipelines.evaluation.symbol_backtest import backtest_either
from pipelines.flows.flow_parameters import OPTIONS, parse_parameters, source_options
from pipelines.flows.run_flow import SKIPPED, run_flow
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
TIMEOUT_S = load_settings().flow_timeout_s  # after which a run is ended and recorded as failed
ARTIFACT_KEYS = {"backtest": "backtest-report", "monitor": "drift-report"}  # names of their pages in Prefect
SCHEDULED = "auto-scheduled"  # Prefect's tag of scheduled runs
PROGRESS_EVERY_S = 10.0  # between two updates of the progress in Prefect
log = logging.getLogger(__name__)


@flow(name="canary", timeout_seconds=TIMEOUT_S)
def canary() -> Record:
    """Do nothing but add a row to `runs`, which shows that schedules run."""
    return run("canary", None, lambda workspace: {})


@flow(name="ingest", timeout_seconds=TIMEOUT_S)
def ingest(source: str, dataset: str, options: dict[str, Any] | None = None) -> Record:
    """Read the new rows of a source into the lake; `options` are those of `rollcast ingest`, such as tz."""
    chosen = source_options(options)
    return run("ingest", dataset, lambda workspace: as_record(ingestion.ingest(workspace, source, dataset, chosen)))


@flow(name="train", timeout_seconds=TIMEOUT_S)
def train(
    dataset: str,
    model: str = "lstm",
    max_minutes: float | None = None,
    steps: int | None = None,
    seed: int = 0,
    holdout: float | None = None,
) -> Record:
    """Train one model on a dataset's history and register it as a candidate."""
    request = training.TrainRequest(dataset, model, max_minutes, steps, seed, holdout)
    with show_progress(f"train {dataset}") as on_progress:
        return run("train", dataset, lambda workspace: as_record(training.train(workspace, request, on_progress)))


@flow(name="backtest", timeout_seconds=TIMEOUT_S)
def backtest(
    dataset: str,
    models: list[str] | None = None,
    split: str | None = None,
    last: float | None = None,
    origins: int | None = None,
    horizon: int | None = None,
) -> Record:
    """Score models over past origins; the page of the run has the comparison."""
    request = backtesting.BacktestRequest(dataset, tuple(models) if models else None, split, last, origins, horizon)
    with show_progress(f"backtest {dataset}") as on_progress:
        return run(
            "backtest", dataset, lambda workspace: as_record(backtest_either(workspace, request, on_progress, say))
        )


@flow(name="promote", timeout_seconds=TIMEOUT_S)
def promote(dataset: str, version: int | None = None) -> Record:
    """Put the newest candidate through the promotion gate and, if it passes, serve it. A refusal is not a failure."""
    with show_progress(f"promote {dataset}") as on_progress:
        return run("promote", dataset, lambda workspace: promote_candidate(workspace, dataset, version, on_progress))


@flow(name="retrain", timeout_seconds=TIMEOUT_S)
def retrain(dataset: str) -> Record:
    """Queue a training, whose version goes through promotion gate and shadow; the flow `jobs` runs it."""
    reason = "asked for by its schedule"
    return run(
        "retrain", dataset, lambda workspace: as_record(retraining.retrain(workspace, dataset, "schedule", reason))
    )


@flow(name="batch-forecast", timeout_seconds=TIMEOUT_S)
def batch_forecast(dataset: str, out: str | None = None, horizon: int | None = None, level: int = 80) -> Record:
    """Write forecasts of every series into the lake, or into a .parquet or .csv file."""
    with show_progress(f"forecast {dataset}") as on_progress:
        if out is None:
            return run(
                "batch-forecast",
                dataset,
                lambda workspace: as_record(issuing.issue(workspace, dataset, horizon, on_progress)),
            )
        forecasting.check_suffix(Path(out))
        request = forecasting.BatchRequest(dataset, None, horizon, (level,))
        return run(
            "batch-forecast", dataset, lambda workspace: forecast_to_file(workspace, request, Path(out), on_progress)
        )


@flow(name="jobs", timeout_seconds=TIMEOUT_S)
def jobs() -> Record:
    """Run the queued trainings, and decide about challengers that were scored on enough values."""
    with show_progress("jobs") as on_progress:
        return run("jobs", None, lambda workspace: as_record(retraining.run_jobs(workspace, on_progress)))


@flow(name="monitor", timeout_seconds=TIMEOUT_S)
def monitor() -> Record:
    """Check every dataset with a champion for drift, missed intervals and stuck sensors; queue trainings that help."""
    return run("monitor", None, lambda workspace: as_records("datasets", monitoring.monitor_all(workspace)))


@flow(name="compact", timeout_seconds=TIMEOUT_S)
def compact() -> Record:
    """Move the old rows of the live log into the lake, then merge the lake's small files."""
    with show_progress("compact") as on_progress:
        return run(
            "compact",
            None,
            lambda workspace: as_records("done", compaction.compact(workspace, None, False, on_progress)),
        )


@flow(name="backup", timeout_seconds=TIMEOUT_S)
def backup() -> Record:
    """Copy the live store and the lake into the configured folder, and delete the oldest copies."""
    keep = load_settings().backup_keep
    with show_progress("backup") as on_progress:
        return run(
            "backup", None, lambda workspace: as_record(copying.backup(workspace, None, keep, False, on_progress))
        )


@flow(name="prune", timeout_seconds=TIMEOUT_S)
def prune() -> Record:
    """Delete what is no longer needed."""
    with show_progress("prune") as on_progress:
        return run("prune", None, lambda workspace: as_records("done", pruning.prune(workspace, False, on_progress)))


HOUSEKEEPING_FLOWS = (canary, jobs, monitor, compact, backup, prune)
FLOWS = {
    entry.name: entry for entry in (ingest, train, backtest, promote, retrain, batch_forecast, *HOUSEKEEPING_FLOWS)
}


def promote_candidate(workspace: Workspace, dataset: str, version: int | None, on_progress: ProgressCallback) -> Record:
    """The decision of the promotion gate, or the reason why there is nothing to decide."""
    try:
        return {"promoted": True, **as_record(promotion.promote(workspace, dataset, version, on_progress))}
    except GateRefused as refusal:
        evidence = finite(refusal.evidence)
        return {"dataset": dataset, "promoted": False, "refused": True, "reason": str(refusal), "evidence": evidence}
    except (Busy, LeaseLost):
        raise
    except Conflict as error:
        if version is not None:
            raise
        return {"dataset": dataset, "promoted": False, "reason": str(error)}


def forecast_to_file(workspace: Workspace, request: BatchRequest, out: Path, on_progress: ProgressCallback) -> Record:
    """Write forecasts into a file; returns its name and number of rows."""
    result = forecasting.forecast(workspace, request, on_progress)
    forecasting.write(result, out)
    return {"dataset": request.dataset, "out": str(out), "rows": result.frame.height}


def as_records(key: str, results: Sequence[Any]) -> Record:
    """Several results as one JSON object, under one key."""
    return {key: [as_record(result) for result in results]}


def as_record(result: Any) -> Record:
    """A result as a JSON object."""
    record: Record = finite(result.to_dict())
    return record


# --- what Prefect shows -----------------------------------------------------------------------------------------------


def run(name: str, dataset: str | None, work: Callable[[Workspace], Record]) -> Any:
    """One recorded run, whose page is shown in Prefect; a skipped run ends there in the state Skipped."""
    record = run_flow(name, dataset, work, scheduled_slot())
    if SKIPPED in record:
        return Completed(name="Skipped", message=record[SKIPPED], data=record)
    show_in_prefect(name, record)
    return record


def scheduled_slot() -> int | None:
    """When this run was due, in microseconds since 1970 UTC; None where it is not a scheduled run."""
    if SCHEDULED not in (runtime.flow_run.tags or []):
        return None
    return int(runtime.flow_run.scheduled_start_time.timestamp() * 1e6)


def show_in_prefect(name: str, record: Record) -> None:
    """Put the page of the run among Prefect's artifacts; a decision of the promotion gate as a table."""
    if name == "promote":
        sentence = record.get("sentence") or record["reason"]
        call_prefect(
            artifacts.create_table_artifact,
            table=run_pages.contenders(record),
            key="gate-decision",
            description=sentence,
        )
    elif page := run_pages.page_of(name, record):
        title = page.partition("\n")[0].lstrip("# ")
        call_prefect(artifacts.create_markdown_artifact, markdown=page, key=ARTIFACT_KEYS[name], description=title)


@contextmanager
def show_progress(label: str) -> Iterator[ProgressCallback]:
    """A progress bar on the terminal, and every PROGRESS_EVERY_S the same progress in Prefect."""
    artifact: Any = None
    shown = time.monotonic()
    with progress(label) as on_progress:

        def report_both(done: float, total: float, words: str) -> None:
            nonlocal artifact, shown
            on_progress(done, total, words)
            if not total or time.monotonic() - shown < PROGRESS_EVERY_S:
                return
            share, shown = min(100.0, 100.0 * done / total), time.monotonic()
            if artifact is None:
                artifact = call_prefect(artifacts.create_progress_artifact, progress=share, description=label)
            else:
                call_prefect(artifacts.update_progress_artifact, artifact, progress=share)

        yield report_both


def call_prefect(function: Callable[..., Any], *values: Any, **options: Any) -> Any:
    """Call Prefect if this runs inside a flow; None otherwise, or if it fails. Prefect may be down without harm."""
    if FlowRunContext.get() is None:
        return None
    try:
        return function(*values, **options)
    except Exception as error:
        log.warning("Prefect could not be called: %s", error)
        return None


# --- from the command line --------------------------------------------------------------------------------------------


def run_here(name: str, parameters: list[str]) -> Record:
    """Run a flow in this process with parameters written NAME=VALUE. Raises InvalidInput where they do not fit."""
    checked = check_parameters(name, parse_parameters(name, parameters))
    flow: Any = FLOWS[name]
    record: Record = flow(**checked)
    return record


def describe_flows() -> list[Record]:
    """Every flow with its parameters and what it does."""
    return [{"flow": name, "parameters": signature(name), "what": entry.description} for name, entry in FLOWS.items()]


def check_parameters(name: str, given: Record) -> Record:
    """Parameters converted to the types of the flow. Raises InvalidInput, which names the flow's parameters."""
    if name not in FLOWS:
        raise InvalidInput(f"there is no flow {name!r}; choose one of {', '.join(FLOWS)}")
    source_options(given.get("options"))
    try:
        checked: Record = FLOWS[name].validate_parameters(given)
    except Exception as error:  # Prefect raises several classes
        raise InvalidInput(f"flow {name} {_misfit(name, given)}; it takes {signature(name)}") from error
    if name == "train":
        training.check_request(training.TrainRequest(**checked))
    if (out := checked.get("out")) is not None:
        forecasting.check_suffix(Path(out))
    return checked


def _misfit(name: str, given: Record) -> str:
    """What is wrong with parameters that a flow refuses: words it does not know, words it lacks, or values."""
    schema = FLOWS[name].parameters
    if unknown := [f"{key}={value}" for key, value in given.items() if key not in schema.properties]:
        return f"has no parameter for {', '.join(unknown)}"
    if missing := [key for key in schema.required or () if key not in given]:
        return f"needs {' and '.join(missing)}"
    return f"cannot run with {', '.join(f'{key}={value}' for key, value in given.items())}"


def signature(name: str) -> str:
    """A flow's parameters, the optional ones in brackets; those of `ingest` with the options of its source."""
    schema = FLOWS[name].parameters
    needed, words = set(schema.required or ()), list(schema.properties)
    if name == "ingest":
        words = [*(word for word in words if word != "options"), *OPTIONS]
    return ", ".join(word if word in needed else f"[{word}]" for word in words) or "no parameters"
