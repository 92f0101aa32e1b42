"""Bodies about runs, jobs, schedules, quarantine and drift."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from service.base.request_limits import MAX_SERIES
from service.schemas.common_bodies import Ds, StrictBody, UniqueId

Next = Annotated[int | None, Field(description="`before` of the next page; null on the last one")]


class RunLine(StrictBody):
    """One run of a flow."""

    id: int
    flow: str
    dataset: Annotated[str | None, Field(description="null for a flow for all datasets")]
    scheduled_for: Annotated[str | None, Field(description="null where a person started it")]
    started_at: str
    ended_at: str | None
    seconds: Annotated[float, Field(description="until its end, or its last heartbeat")]
    outcome: Annotated[
        Literal["running", "succeeded", "failed", "lapsed"],
        Field(description="lapsed: it ended without a word, because it was killed or its machine went down"),
    ]
    recovered: Annotated[
        bool, Field(description="whether it failed or lapsed, and a later run of the flow and dataset succeeded")
    ]
    detail: Annotated[dict[str, Any], Field(description="a small result; `error` where it failed")]


class Runs(StrictBody):
    """One page of runs, newest first."""

    runs: list[RunLine]
    next: Next


class JobLine(StrictBody):
    """One job that a process of the pipelines runs: `rollcast jobs run`, or the flow `jobs`."""

    id: int
    dataset: str
    kind: Literal["train", "promote", "release"]
    cause: Literal["hand", "schedule", "drift", "coverage", "volume"]
    state: Literal["queued", "running", "succeeded", "failed", "refused", "cancelled"]
    detail: Annotated[str, Field(description="why it was queued, then how it ended")]
    version: Annotated[int | None, Field(description="the version that it registered, or is to promote")]
    attempts: int
    by: Annotated[str | None, Field(description="the key that asked for it over HTTP")]
    asked_at: str
    started_at: str | None
    ended_at: str | None


class Jobs(StrictBody):
    """One page of jobs, newest first."""

    jobs: list[JobLine]
    next: Next


class ScheduleLine(StrictBody):
    """One flow that runs on schedule."""

    flow: str
    dataset: Annotated[str | None, Field(description="null for a flow for all datasets, which the settings schedule")]
    timetable: str
    next_at: Annotated[str | None, Field(description="when it is due; null where no worker has noted it yet")]
    overdue: bool
    overdue_since: str | None
    last_success: str | None
    last_run: RunLine | None


class Worker(StrictBody):
    """The process that starts flows: `rollcast pipelines serve`."""

    seen_at: Annotated[str | None, Field(description="when it last noted what is due; null where none ever ran")]
    alive: Annotated[bool, Field(description="whether that was within three minutes; without it nothing is started")]


class Schedules(StrictBody):
    schedules: list[ScheduleLine]
    worker: Worker


class QuarantineLine(StrictBody):
    """One value that broke a quality rule."""

    id: int
    dataset: str
    unique_id: UniqueId
    ds: Ds
    y: float | str | None
    rule: str
    live: Annotated[bool, Field(description="whether it came over HTTP; else from a file or another source")]
    at: Annotated[str, Field(description="when it was quarantined")]
    released_at: str | None


class QuarantinePage(StrictBody):
    """One page of values, newest first."""

    values: list[QuarantineLine]
    next: Next


class WantedRelease(StrictBody):
    """Values of a dataset that shall count."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"dataset": "machine_temperature", "ids": [12]}]})

    dataset: str
    ids: Annotated[
        list[Annotated[int, Field(ge=1, le=2**53)]],
        Field(min_length=1, max_length=MAX_SERIES, description="numbers of GET /v1/quarantine"),
    ]


class Released(StrictBody):
    """Values that were released."""

    dataset: str
    released: int
    superseded: Annotated[int, Field(description="of these: those whose time has another value by now, which stays")]


class DriftLine(StrictBody):
    """What the monitor last found with one detector about one feature."""

    dataset: str
    detector: str
    feature: str
    statistic: Annotated[float | None, Field(description="null where there were too few values")]
    threshold: Annotated[float | None, Field(description="beyond which the detector fires")]
    fired: bool
    detail: str
    at: str


class DriftLines(StrictBody):
    drift: list[DriftLine]
