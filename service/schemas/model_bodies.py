"""Bodies about registered models."""

from typing import Any, Literal

from service.schemas.common_bodies import StrictBody


class RegisteredModel(StrictBody):
    """One version of a dataset's model."""

    dataset: str
    version: int
    kind: str
    digest: str
    status: Literal["champion", "previous", "shadow", "candidate", "refused"]
    metrics: dict[str, Any]
    created_at: str


class Models(StrictBody):
    models: list[RegisteredModel]
