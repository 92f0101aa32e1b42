"""One run of a flow: under a lease, recorded in `runs`, with retries. Prefect only starts it at its time."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from data.errors import Busy
from data.records import runs, schedules
from data.records.runs import Recording
from data.store import leases
from pipelines import run_pages
from pipelines.console import say
from pipelines.flows.retrying import with_retries
from pipelines.workspace import Workspace, open_workspace

Record = dict[str, Any]
LONGEST_TEXT = 300  # characters of a value that is stored with the run
SKIPPED = "skipped"


def run_flow(
    flow: str,
    dataset: str | None,
    work: Callable[[Workspace], Record],
    slot: int | None = None,
    warn: Callable[[str], None] = say,
) -> Record:
    """Run `work` once and return its result, a JSON object; its page is written into the folder of runs.

    slot  when a scheduled run was due, in microseconds since 1970 UTC; None for a run that somebody asked for
    warn  gets a sentence before each retry

    A scheduled run is skipped, and the result says why, when a later run has covered its slot, its schedule was
    removed, or another run of the same flow and dataset is under way.

    Raises:
        Busy: another run is under way, and this one is not a scheduled run.
        Whatever `work` raises; an error that may pass is raised after four tries.
    """
    workspace = with_retries(open_workspace, warn)
    if slot is not None and (reason := reason_to_skip(workspace, flow, dataset, slot)):
        return {SKIPPED: reason}
    name = flow if dataset is None else f"{flow} of {dataset}"
    try:
        lease = leases.held(workspace.engine, name)
        with lease, runs.recorded(workspace.engine, flow, dataset, slot) as run:
            with record_cancellation(run):
                record = with_retries(lambda: work(workspace), warn)
            run.detail |= short_values(record) | run_pages.write_page(
                workspace.settings.runs_path, flow, dataset, run.id, record
            )
    except Busy as busy:
        if slot is None or busy.name != name:
            raise
        return {SKIPPED: str(busy)}
    return record


@contextmanager
def record_cancellation(run: Recording) -> Iterator[None]:
    """Give a cancelled run an error text: the exception with which Prefect ends a flow that takes too long has none."""
    try:
        yield
    except CancelledError:
        run.detail["error"] = "it was cancelled, or took longer than ROLLCAST_FLOW_TIMEOUT_S allows"
        raise


def reason_to_skip(workspace: Workspace, flow: str, dataset: str | None, slot: int) -> str | None:
    """Why a scheduled run has nothing to do, or None. Prefect may start a slot twice, late, or without a schedule."""
    if runs.is_slot_done(workspace.engine, flow, dataset, slot):
        return "a later run has done what was due then"
    planned = schedules.all_schedules(workspace.engine, workspace.settings)
    if (flow, dataset) not in {(schedule.flow, schedule.dataset) for schedule in planned}:
        return "it is not scheduled any more"
    return None


def short_values(record: Record) -> Record:
    """The values of a result that a list of runs shows: no nested ones, and texts cut to LONGEST_TEXT."""
    plain = {key: value for key, value in record.items() if isinstance(value, (str, int, float, bool))}
    return {key: value[:LONGEST_TEXT] if isinstance(value, str) else value for key, value in plain.items()}
