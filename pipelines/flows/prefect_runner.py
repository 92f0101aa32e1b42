"""The process that starts flows when they are due: Prefect's runners, told by our table of schedules.

`rollcast pipelines serve` runs it as `python -m pipelines.flows.prefect_runner`, with Prefect's address in the
environment.
There is one for each kind of flow, so that no queue of ingests or trainings keeps the canary from flying.
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

LOOK_EVERY_S = 5.0  # between looks for changed schedules
HEAVY = ("train", "backtest", "jobs")  # flows that take every core there is, for minutes
AT_ONCE = {"canary": 1, "house-keeping": 2, "light": 4, "heavy": 1}  # runs of each kind; what is due beyond waits
FAREWELL_S = 2.0  # for flows that are told to end
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Starter(Runner):
    """Prefect's runner, which ends when it is told to.

    Its own answer to SIGTERM waits for flows that in turn wait for a server that may be gone. Flows bear to be killed:
    what they store is stored in transactions, and the next run does what is left.
    """

    def handle_sigterm(self, *_: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)  # this process leads a group of its own: see `supervising`
        time.sleep(FAREWELL_S)
        os.killpg(0, signal.SIGKILL)


async def serve() -> None:
    """Start what is due until told to end."""
    runners = {kind: Starter(name=kind, pause_on_shutdown=False, limit=limit) for kind, limit in AT_ONCE.items()}
    ids = {name: await deploy(runners[kind_of(name)], name) for name in FLOWS}
    async with asyncio.TaskGroup() as group:
        group.create_task(follow(ids))
        for runner in runners.values():
            group.create_task(runner.start())


def kind_of(name: str) -> str:
    """Which runner starts a flow: one of those in AT_ONCE."""
    if name == "canary":
        return "canary"
    return "heavy" if name in HEAVY else "house-keeping" if name in HOUSEKEEPING else "light"


async def tell_elsewhere() -> None:
    """Tell the server at PREFECT_API_URL, to which `prefect deploy` gave the flows; workers of its own run them.

    Raises Unavailable when it cannot be told.
    """
    try:
        async with get_client() as client:
            found = {name: await client.read_deployment_by_name(f"{name}/{name}") for name in FLOWS}
        await follow({name: deployment.id for name, deployment in found.items()})
    except ObjectNotFound as error:
        raise Unavailable("Prefect lacks flows of ours; run `prefect deploy --all` with prefect.yaml first") from error
    except (HTTPError, PrefectException) as error:
        raise Unavailable(
            f"Prefect cannot be told of the schedules ({sentence(error)}); see whether it runs"
        ) from error


async def deploy(runner: Runner, name: str) -> UUID:
    """Make a flow known to Prefect; `runner` starts its runs.

    No concurrency limit of Prefect's: a run that is killed keeps its place there for minutes. Our leases lapse sooner.
    """
    entry = FLOWS[name]
    kind = "house-keeping" if name in HOUSEKEEPING else "dataset"
    return await runner.aadd_flow(
        entry, name=name, description=entry.description, tags=[kind], entrypoint_type=EntrypointType.MODULE_PATH
    )


async def follow(ids: Mapping[str, UUID]) -> None:
    """Tell Prefect of the schedules, again whenever they changed, and of what it should have run and did not."""
    workspace = open_workspace()
    told: dict[str, list[Schedule]] = {}
    asked: set[tuple[str, int]] = set()
    while True:
        try:
            wanted = schedules.all_schedules(workspace.engine, workspace.settings)
            missed = overdue.missed(workspace)
        except Unavailable as error:
            say(f"schedules cannot be read: {error}")
        else:
            for name in ids:
                own = [one for one in wanted if one.flow == name]
                if told.get(name) != own:
                    await tell(ids[name], own)
                    told[name] = own
            for schedule, slot in missed:
                if schedule.flow in ids and (schedule.name, slot) not in asked:
                    await ask(ids[schedule.flow], schedule, slot)
                    asked.add((schedule.name, slot))
        await asyncio.sleep(LOOK_EVERY_S)


async def tell(deployment: UUID, wanted: Sequence[Schedule]) -> None:
    """Replace a deployment's schedules. (An empty list is given too: Prefect's own `serve` would keep the old ones.)"""
    rows = [
        DeploymentScheduleUpdate(
            schedule=as_prefect(one.timetable), active=True, slug=one.name, parameters=parameters(one)
        )
        for one in wanted
    ]
    async with get_client() as client:
        await client.update_deployment(deployment, deployment=DeploymentUpdate(schedules=rows))


async def ask(deployment: UUID, schedule: Schedule, slot: int) -> None:
    """Have a slot run that was missed, once: its run was killed, failed for good, or never began."""
    say(f"{schedule.name} is overdue; asking for it once more")
    async with get_client() as client:
        await client.create_flow_run_from_deployment(
            deployment, parameters=parameters(schedule), tags=[SCHEDULED], idempotency_key=f"{schedule.name} {slot}"
        )


def parameters(schedule: Schedule) -> dict[str, Any]:
    """What the flow is called with."""
    return {**schedule.parameters, **({"dataset": schedule.dataset} if schedule.dataset else {})}


def as_prefect(timetable: Timetable) -> CronSchedule | IntervalSchedule:
    """The same slots in Prefect's words; intervals are anchored, so that a restart does not move them."""
    if timetable.every_s is not None:
        return IntervalSchedule(interval=timedelta(seconds=timetable.every_s), anchor_date=EPOCH, timezone="UTC")
    return CronSchedule(cron=timetable.cron, timezone=timetable.zone)


if __name__ == "__main__":
    asyncio.run(serve())
