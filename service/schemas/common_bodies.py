"""Parts that several bodies share, and the body of every error.

All bodies on the wire are in this folder, one file for each noun. They describe the answers in the OpenAPI document,
and tests hold the answers to them. The hot routes read and write plain values without these models.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from data.schema import LONGEST_UNIQUE_ID
from service.base.request_limits import MAX_ERRORS

Ds = Annotated[
    str | int,
    Field(
        description="RFC 3339 with offset below a day, a date from a day up, an integer for integer time; other usual "
        "forms of text are read too"
    ),
]
UniqueId = Annotated[str, Field(min_length=1, max_length=LONGEST_UNIQUE_ID)]


class StrictBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Model(StrictBody):
    """The model that answered."""

    kind: str
    version: int
    digest: str


class Reliability(StrictBody):
    """How reliable an answer is."""

    status: Annotated[
        Literal["ok", "warming", "degraded", "empty", "no_model"],
        Field(
            description="warming: too few values for the network; degraded: not the champion's own forecast from a "
            "current state. The answer then comes from an older state, the version before, or the model's fallback, "
            "seasonal naive or naive"
        ),
    ]
    flags: Annotated[
        list[
            Literal[
                "warming", "previous", "fallback", "stale", "silent", "reanchored", "imputed", "quarantined", "shifted"
            ]
        ],
        Field(
            description="silent: no value for longer than the model's window, counted to the newest step of the "
            "dataset; the forecast starts from the last one. quarantined: the last value broke a quality rule, and the "
            "state has it as missing. shifted: values that broke a rule were let in because they agree with each "
            "other, and the limits follow them"
        ),
    ]
    observed: Annotated[
        int, Field(description="values that the state has read since it last started, those of its context included")
    ] = 0
    imputed: Annotated[int, Field(description="missing steps since the promotion")] = 0
    reanchored: Annotated[
        int,
        Field(description="restarts after a silence longer than the window, or at a shift"),
    ] = 0


class Fault(StrictBody):
    pointer: Annotated[
        str,
        Field(
            description="JSON pointer into the body; /line/1/… into NDJSON, /query/…, /path/… and /header/… outside it"
        ),
    ]
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details, of at most 4 kB. They never repeat what was sent."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: Annotated[list[Fault], Field(description=f"the first {MAX_ERRORS} faults of the request")] = []
    candidates: list[str] = []
