"""Bodies about registered models, the decisions about them, and acts on what serves."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

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


class PromotionLine(StrictBody):
    """One decision about a version."""

    id: int
    dataset: str
    version: int
    event: Literal["promoted", "refused", "rolled_back", "reanchored", "shadowed", "shadow_stopped"]
    decided_at: str
    by: Annotated[
        str | None, Field(description="the key that asked for it over HTTP; `loopback` where none is asked for")
    ]
    sentences: Annotated[list[str], Field(description="the evidence in plain words, the most important first")]
    evidence: Annotated[dict[str, Any], Field(description="what the decision was made from")]


class VerifiedPromotion(PromotionLine):
    """One decision of the promotion log."""

    kind: Annotated[str | None, Field(description="of the model")]
    hash: str
    verified: Annotated[
        bool, Field(description="whether this decision and those of the dataset before it are as they were written")
    ]


class Promotions(StrictBody):
    """One page of decisions, newest first."""

    promotions: list[VerifiedPromotion]
    next: Annotated[int | None, Field(description="`before` of the next page; null on the last one")]


class TakenOver(PromotionLine):
    """A decision that was made at once."""

    serving: Annotated[
        bool, Field(description="whether the version answers by now; else it does within the next seconds")
    ]


class WantedVersion(StrictBody):
    """The version that shall serve."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 2}]})

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
