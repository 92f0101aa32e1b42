"""One run of a flow: alone, recorded, and tried again where that helps. Prefect adds nothing to it but the hour."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from data.errors import Busy
from data.records import runs, schedules
from data.records.runs import Recording
from data.store import leases
from pipelines import run_reports
from pipelines.console import say
from pipelines.flows.retrying import patiently
from pipelines.workspace import Workspace, open_workspace

Record = dict[str, Any]
LONGEST_WORD = 300  # characters of a value that is kept with the run

SKIPPED = "skipped"


def perform(
    flow: str,
    dataset: str | None,
    work: Callable[[Workspace], Record],
    slot: int | None = None,
    tell: Callable[[str], None] = say,
) -> Record:
    """Run `work` once and return what it did, as JSON can hold it; its report lies in the folder of runs.

    A scheduled run (`slot`: the moment it was due, in microseconds since 1970 UTC) is skipped, and says why, when that
    slot is answered already, its schedule is gone, or another run of the same flow and dataset is under way.

    Raises:
        Busy: another run is under way, and this one was asked for by somebody.
        Whatever `work` raises; what may pass was tried four times.
    """
    workspace = patiently(open_workspace, tell)
    if slot is not None and (why := needless(workspace, flow, dataset, slot)):
        return {SKIPPED: why}
    name = flow if dataset is None else f"{flow} of {dataset}"
    try:
        lease = leases.held(workspace.engine, name)
        with lease, runs.recorded(workspace.engine, flow, dataset, slot) as run:
            with explained(run):
                record = patiently(lambda: work(workspace), tell)
            run.detail |= brief(record) | run_reports.keep(workspace.settings.runs_path, flow, dataset, run.id, record)
    except Busy as busy:
        if slot is None or busy.name != name:
            raise
        return {SKIPPED: str(busy)}
    return record


@contextmanager
def explained(run: Recording) -> Iterator[None]:
    """Prefect ends what takes too long with an error that says nothing."""
    try:
        yield
    except CancelledError:
        run.detail["error"] = "it was cancelled, or took longer than ROLLCAST_FLOW_TIMEOUT_S allows"
        raise


def needless(workspace: Workspace, flow: str, dataset: str | None, slot: int) -> str | None:
    """Why a scheduled run has nothing to do, if so. Prefect may offer a slot again, late, or without being asked."""
    if runs.is_slot_done(workspace.engine, flow, dataset, slot):
        return "a later run has done what was due then"
    planned = schedules.all_schedules(workspace.engine, workspace.settings)
    if (flow, dataset) not in {(one.flow, one.dataset) for one in planned}:
        return "it is not scheduled any more"
    return None


def brief(record: Record) -> Record:
    """What is worth a look in a list of runs: single values, none of them long."""
    plain = {key: value for key, value in record.items() if isinstance(value, (str, int, float, bool))}
    return {key: value[:LONGEST_WORD] if isinstance(value, str) else value for key, value in plain.items()}
