"""Bodies about the service itself."""

from typing import Annotated, Literal

from pydantic import Field

from service.schemas.common_bodies import Model, StrictBody


class DatasetHealth(StrictBody):
    """One dataset and the model that answers for it."""

    dataset: str
    series: int
    model: Model | None
    shadow: Annotated[Model | None, Field(description="the challenger, which answers no request")] = None
    stale: Annotated[int, Field(description="series whose state could not follow the log")]
    problem: str | None


class Health(StrictBody):
    """Whether requests are answered."""

    status: Literal["live", "ready", "not_ready"]
    detail: str | None = None
    datasets: list[DatasetHealth] = Field(default=[])


class Version(StrictBody):
    """The version of the service, and its models by dataset."""

    name: str
    version: str
    python: str
    models: dict[str, Model]
