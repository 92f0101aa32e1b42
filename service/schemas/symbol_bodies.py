"""Bodies about series of symbols: forecasts as probabilities, and continuations."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.base.request_limits import MAX_PRIME_BYTES, MAX_SAMPLES, MAX_STEPS, MAX_TEMPERATURE
from service.schemas.common_bodies import Ds, Model, Reliability, StrictBody, UniqueId


class Probability(StrictBody):
    """How likely a symbol is."""

    symbol: str
    p: float


class Likeliest(StrictBody):
    """The likeliest symbols."""

    probabilities: Annotated[list[Probability], Field(description="of the likeliest symbols, the likeliest first")]
    rest: Annotated[float, Field(description="of all other symbols together")]


class SymbolStep(Likeliest):
    """What one step may bring."""

    ds: Ds


class SymbolForecast(Reliability):
    """Probabilities of the symbols after the last stored observation."""

    dataset: str
    unique_id: UniqueId
    model: Model
    answered_by: Annotated[
        str, Field(description="champion, previous (the version before it), or the name of the baseline that answered")
    ]
    origin: Ds
    sequence: Annotated[int, Field(description="position of the log that this series' state knows")]
    freq: str
    kind: Literal["symbols"]
    horizon: int
    steps: list[SymbolStep]
    paths: Annotated[
        int,
        Field(
            description="roll-outs that the steps after the first are the mean of, fewer where horizon and model are "
            "large; 0: the one step is exact"
        ),
    ]


class ContinuationRequest(StrictBody):
    """How many continuations, of how many symbols, and how they are drawn."""

    samples: Annotated[int, Field(ge=1, le=MAX_SAMPLES)] = 1
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS, description="symbols of each")] = 100
    temperature: Annotated[
        float,
        Field(gt=0, le=MAX_TEMPERATURE, description="1: as likely as printed; less makes likely symbols likelier"),
    ] = 1.0
    seed: Annotated[
        int | None,
        Field(ge=0, le=2**63 - 1, description="equal seeds draw alike; the same until the series has another row"),
    ] = None
    prime: Annotated[
        str | list[str],
        Field(description=f"symbols that are read first, of a text as text; at most {MAX_PRIME_BYTES:,} bytes"),
    ] = ""

    model_config = ConfigDict(json_schema_extra={"examples": [{"samples": 2, "steps": 20, "temperature": 0.8}]})


class Continuations(StrictBody):
    """Whole continuations of a series, drawn from a copy of its state."""

    dataset: str
    unique_id: UniqueId
    model: Model
    origin: Ds
    sequence: int
    temperature: float
    seed: Annotated[int, Field(description="the one that was given, or that of this model, series and sequence")]
    continuations: list[list[str]]
    text: Annotated[list[str] | None, Field(description="the same as texts, where the series is one")] = None
