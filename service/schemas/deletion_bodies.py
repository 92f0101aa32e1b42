"""Bodies about deletions."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common_bodies import Ds, StrictBody, UniqueId

Kind = Annotated[
    Literal["rows", "series", "dataset", "ingest"],
    Field(description="what is deleted; an `ingest` is taken back by `rollcast ingest undo`"),
]


class Deleted(StrictBody):
    """What a deletion deletes. Deleted rows are absent, as if they had never come; they are not missing values."""

    dataset: Annotated[str, Field(description="its name, or the one that it had")]
    kind: Kind
    series: Annotated[list[UniqueId] | None, Field(description="of these; null for all series of the dataset")]
    first: Annotated[
        Ds | None, Field(description="of rows: the first step, by its first day where it has several; null for no end")
    ]
    last: Annotated[Ds | None, Field(description="of rows: the last step, which is deleted too; null for no end")]


class Deletion(Deleted):
    """One deletion. A pipeline process runs it; the service follows about a second after `applied`."""

    id: int
    ingest: Annotated[int | None, Field(description="the number of the ingest that is taken back")]
    state: Annotated[
        Literal["asked", "running", "done", "failed"],
        Field(description="asked: no process has begun it; `rollcast jobs run` and the flow `maintenance` do"),
    ]
    applied: Annotated[bool, Field(description="whether the live store is without it")]
    asked_at: str
    started_at: str | None
    ended_at: str | None
    deleted: Annotated[dict[str, int], Field(description="how much was deleted, of what; empty until it is counted")]
    stays: Annotated[
        list[str], Field(description="what stays in places that a deletion does not reach; once it is done")
    ]
    error: Annotated[str | None, Field(description="why it failed")]


class Deletions(StrictBody):
    """One page of deletions, oldest first."""

    deletions: list[Deletion]
    next: Annotated[int | None, Field(description="`after` of the next page; null on the last one")]


class Found(StrictBody):
    """What the live store has of it."""

    series: int
    log_rows: Annotated[int, Field(description="rows of the live log")]


class DryRun(Deleted):
    """What a deletion would delete. Nothing is asked for."""

    found: Found
    note: str
