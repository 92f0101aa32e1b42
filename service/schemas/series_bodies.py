"""Bodies about series and their states."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.base.request_limits import MAX_ERRORS
from service.schemas.common_bodies import Ds, Fault, Model, Reliability, StrictBody, UniqueId
from service.schemas.forecast_bodies import Likeliest


class Layer(StrictBody):
    """The recurrent state of one layer. The layers of several networks follow one another."""

    hidden_norm: float
    carry_norm: Annotated[float | None, Field(description="of an LSTM")]
    gates: Annotated[dict[str, float], Field(description="mean opening in the next step: 0 closed, 1 open")]


class Vintage(StrictBody):
    """The forecast that arriving values are scored against at the moment."""

    origin: Ds
    settled: Annotated[int, Field(description="its steps that have passed")]


class State(Reliability):
    """The state of one series."""

    dataset: str
    unique_id: UniqueId
    model: Model
    origin: Ds
    sequence: int
    last: Annotated[float | str | None, Field(description="last value; in a gap the value before it")]
    gap: Annotated[int, Field(description="steps since the last real value")]
    expected: Annotated[float | str | None, Field(description="median of the next step, or its likeliest symbol")]
    vintage: Vintage | None
    widening: Annotated[
        list[float], Field(description="learned factor on the width of the intervals, by horizon bucket")
    ]
    round: Annotated[
        list[float],
        Field(
            description="mean difference between each phase of the cycle and the level at its time, in units of the "
            "series, beginning with the next step; empty for a model without a cycle memory"
        ),
    ]
    layers: list[Layer]
    bytes: Annotated[int, Field(description="memory of this state")]


Gate = Annotated[float | None, Field(description="null where the kind of cell does not have it")]


class GateRange(StrictBody):
    """One gate at each step: over the units of all networks of an ensemble. 0 is closed, 1 open."""

    mean: list[float]
    low: Annotated[list[float], Field(description="a tenth of the units are below it")]
    high: Annotated[list[float], Field(description="a tenth of the units are above it")]


class LayerGates(StrictBody):
    """The gates of one layer."""

    layer: int
    units: int
    gates: Annotated[
        dict[str, GateRange], Field(description="input, forget and output of an LSTM; reset and update of a GRU")
    ]


class LeansOn(StrictBody):
    """How much each past value moves the median forecast."""

    weights: Annotated[
        list[float],
        Field(
            description="by lag, beginning with lag 1: steps from the step that is forecast back to the value; sum 1"
        ),
    ]
    averaged_over: Annotated[int, Field(description="horizon steps whose weights these are the mean of")]


class CellNumbers(StrictBody):
    """One unit of the last layer in the last step: the one whose hidden value moved most."""

    member: Annotated[int, Field(description="which network of the ensemble")]
    unit: int
    input: Gate
    forget: Gate
    output: Gate
    reset: Gate
    update: Gate
    new: Annotated[float | None, Field(description="the candidate, between -1 and 1")]
    carry_before: Annotated[float | None, Field(description="of an LSTM")]
    carry_after: Annotated[float | None, Field(description="forget · carry before + input · new")]
    hidden_before: float
    hidden_after: float


class NetworkInside(StrictBody):
    """What goes on inside the model of one series."""

    dataset: str
    unique_id: UniqueId
    model: Model
    origin: Ds
    sequence: int
    asked: int
    steps: Annotated[int, Field(description="as many of the asked steps as could be folded once more")]
    ds: list[Ds]
    y: Annotated[list[float | str | None], Field(description="null where a step is missing")]
    layers: Annotated[list[LayerGates], Field(description="empty for a model without gates")]
    expected: Annotated[
        list[Likeliest | None] | None,
        Field(description="of symbols: what was expected at each step before it came; null where it is not known"),
    ]
    leans_on: LeansOn | None
    effective_memory: Annotated[
        float | None, Field(description="steps after which an input's push on the forecast has fallen to a third (1/e)")
    ]
    cell: Annotated[CellNumbers | None, Field(description="null for a model without recurrent layers")]
    notes: Annotated[list[str], Field(description="why something is missing")]


class Trouble(StrictBody):
    """What is wrong with a series: its worst class, and within it a size."""

    kind: Annotated[
        Literal["warming", "worse", "miscalibrated", "quarantined", "degraded", "stale", "silent"], Field(alias="class")
    ]
    size: float


class Sparkline(StrictBody):
    """The last values of a series, and median and 80 % interval of its forecast."""

    values: Annotated[list[float], Field(description="a missing one is the value before it")]
    median: list[float]
    lower: list[float]
    upper: list[float]


class SeriesSummary(Reliability):
    """One line of the listing."""

    dataset: str
    unique_id: UniqueId
    origin: Ds | None
    sequence: int
    trouble: Annotated[Trouble | None, Field(description="only with sort=trouble; null: none")] = None
    sparkline: Annotated[Sparkline | None, Field(description="only on request; null without a value")] = None


class Series(SeriesSummary):
    """One series and its state."""

    freq: str
    kind: Literal["instant", "date", "step"]
    season: int
    horizon: int
    target: str
    vocabulary: Annotated[
        list[str] | None, Field(description="every symbol that a value may be; null where values are numbers")
    ]
    model: Model | None


class SeriesPage(StrictBody):
    """One page of series, ordered by id and dataset."""

    series: list[SeriesSummary]
    total: Annotated[int, Field(description="number of series on all pages")]
    counts: Annotated[
        dict[str, int] | None,
        Field(description="only with sort=trouble: series of each class of trouble, whichever classes are asked for"),
    ] = None
    next: Annotated[str | None, Field(description="`cursor` of the next page; null on the last one")]


class WorstSeries(StrictBody):
    """The member of a group with the worst trouble; without trouble any."""

    unique_id: UniqueId | None
    trouble: Trouble | None


class SeriesGroup(StrictBody):
    """Series whose ids begin alike."""

    prefix: Annotated[str, Field(description="of their ids; empty for the series whose ids have no further part")]
    series: Annotated[int, Field(description="their number")]
    counts: Annotated[dict[str, int], Field(description="how many have each class of trouble")]
    worst: WorstSeries


class SeriesGroups(StrictBody):
    """The groups of a dataset, at most 1,000."""

    dataset: str
    prefix: str
    groups: list[SeriesGroup]


class NewSeries(StrictBody):
    """A series to create."""

    unique_id: UniqueId
    dataset: Annotated[
        str | None, Field(description="needed unless the series exists or exactly one dataset creates series")
    ] = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"unique_id": "machine_temperature_2", "dataset": "machine_temperature"}]}
    )


class NewSeriesList(StrictBody):
    """Series to create; a bare list or a single series is accepted too."""

    series: Annotated[list[NewSeries], Field(min_length=1)]


class CreationCounts(StrictBody):
    """The number of series by outcome; they add up to `received`."""

    created: int
    exists: int
    rejected: int


class Created(StrictBody):
    """The outcome of each series. Those that were created are durable."""

    received: int
    counts: CreationCounts
    outcomes: Annotated[
        list[Literal["created", "exists", "rejected"]], Field(description="one for each series, in the order sent")
    ]
    errors: Annotated[list[Fault], Field(description=f"why series were rejected: the first {MAX_ERRORS} of them")]
