"""The process that starts flows when they are due: Prefect's runners, with the schedules of our own table.

`rollcast pipelines serve` runs it as `python -m pipelines.flows.prefect_runner`, with Prefect's address in the
environment. It has one runner for each kind of flow, so that waiting ingests or trainings do not delay the canary.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import DeploymentScheduleUpdate, DeploymentUpdate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.runner import Runner
from prefect.types.entrypoint import EntrypointType

from data.errors import Unavailable
from data.records import schedules
from data.records.runs import sentence
from data.records.schedules import HOUSEKEEPING, Schedule
from data.records.timetable import Timetable
from pipelines.console import say
from pipelines.flows.flows import FLOWS, SCHEDULED
from pipelines.monitoring import overdue
from pipelines.workspace import open_workspace

CHECK_EVERY_S = 5.0  # between two reads of the table of schedules
HEAVY_FLOWS = ("train", "backtest", "jobs")  # flows that use every core for minutes
CONCURRENT_RUNS = {
    "canary": 1,
    "house-keeping": 2,
    "light": 4,
    "heavy": 1,
}  # of each kind; others wait
GRACE_S = 2.0  # between SIGTERM and SIGKILL
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FlowRunner(Runner):
    """Prefect's runner, but SIGTERM ends it and its flows within GRACE_S.

    Prefect's own handler waits for flows, which in turn wait for a server that may have ended. Flows may be killed:
    they write in transactions, and the next run does what is left.
    """

    def handle_sigterm(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)  # this process leads its group: see `ChildProcess`
        time.sleep(GRACE_S)
        os.killpg(0, signal.SIGKILL)


async def serve() -> None:
    """Start flows when they are due, until SIGTERM."""
    runners = {
        kind: FlowRunner(name=kind, pause_on_shutdown=False, limit=limit) for kind, limit in CONCURRENT_RUNS.items()
    }
    ids = {name: await deploy(runners[kind_of(name)], name) for name in FLOWS}
    async with asyncio.TaskGroup() as group:
        group.create_task(follow_schedules(ids))
        for runner in runners.values():
            group.create_task(runner.start())


def kind_of(name: str) -> str:
    """The runner of a flow, a key of CONCURRENT_RUNS."""
    if name == "canary":
        return "canary"
    return "heavy" if name in HEAVY_FLOWS else "house-keeping" if name in HOUSEKEEPING else "light"


async def follow_schedules_elsewhere() -> None:
    """Send the schedules to the server at PREFECT_API_URL. `prefect deploy` made the flows known to it, and its own
    workers run them.

    Raises Unavailable when it does not answer or lacks the flows.
    """
    try:
        async with get_client() as client:
            found = {name: await client.read_deployment_by_name(f"{name}/{name}") for name in FLOWS}
        await follow_schedules({name: deployment.id for name, deployment in found.items()})
    except ObjectNotFound as error:
        raise Unavailable(
            "Prefect does not know our flows; run `prefect deploy --all` with prefect.yaml first"
        ) from error
    except (HTTPError, PrefectException) as error:
        raise Unavailable(f"the schedules cannot be sent to Prefect ({sentence(error)}); check that it runs") from error


async def deploy(runner: Runner, name: str) -> UUID:
    """Make a flow known to Prefect; `runner` starts its runs.

    Prefect's concurrency limits are not used: a killed run keeps its place in one for minutes. Our leases lapse sooner.
    """
    entry = FLOWS[name]
    kind = "house-keeping" if name in HOUSEKEEPING else "dataset"
    return await runner.aadd_flow(
        entry, name=name, description=entry.description, tags=[kind], entrypoint_type=EntrypointType.MODULE_PATH
    )


async def follow_schedules(ids: Mapping[str, UUID]) -> None:
    """Send the schedules to Prefect whenever they change, and start each missed run once. Does not return."""
    workspace = open_workspace()
    sent: dict[str, list[Schedule]] = {}
    started: set[tuple[str, int]] = set()
    while True:
        try:
            wanted = schedules.all_schedules(workspace.engine, workspace.settings)
            missed = overdue.missed_slots(workspace)
            overdue.note_next_runs(workspace)
        except Unavailable as error:
            say(f"schedules cannot be read: {error}")
        else:
            for name in ids:
                own = [schedule for schedule in wanted if schedule.flow == name]
                if sent.get(name) != own:
                    await replace_schedules(ids[name], own)
                    sent[name] = own
            for schedule, slot in missed:
                if schedule.flow in ids and (schedule.name, slot) not in started:
                    await start_missed_run(ids[schedule.flow], schedule, slot)
                    started.add((schedule.name, slot))
        await asyncio.sleep(CHECK_EVERY_S)


async def replace_schedules(deployment: UUID, wanted: Sequence[Schedule]) -> None:
    """Replace a deployment's schedules. An empty list is sent too: Prefect's own `serve` would keep the old ones."""
    rows = [
        DeploymentScheduleUpdate(
            schedule=as_prefect(schedule.timetable), active=True, slug=schedule.name, parameters=parameters(schedule)
        )
        for schedule in wanted
    ]
    async with get_client() as client:
        await client.update_deployment(deployment, deployment=DeploymentUpdate(schedules=rows))


async def start_missed_run(deployment: UUID, schedule: Schedule, slot: int) -> None:
    """Start a run for a missed slot: its own run was killed, failed after its retries, or never began.

    The idempotency key makes a second call for the slot start nothing.
    """
    say(f"{schedule.name} is overdue; starting it once more")
    async with get_client() as client:
        await client.create_flow_run_from_deployment(
            deployment, parameters=parameters(schedule), tags=[SCHEDULED], idempotency_key=f"{schedule.name} {slot}"
        )


def parameters(schedule: Schedule) -> dict[str, Any]:
    """The arguments that the flow is called with."""
    return {**schedule.parameters, **({"dataset": schedule.dataset} if schedule.dataset else {})}


def as_prefect(timetable: Timetable) -> CronSchedule | IntervalSchedule:
    """The same times as a schedule of Prefect. Intervals count from 1970, so that a restart does not move them."""
    if timetable.every_s is not None:
        return IntervalSchedule(interval=timedelta(seconds=timetable.every_s), anchor_date=EPOCH, timezone="UTC")
    return CronSchedule(cron=timetable.cron, timezone=timetable.zone)


if __name__ == "__main__":
    asyncio.run(serve())
