"""Releases values of a clock that was not set only where someone has seen where they would go."""

from __future__ import annotations

from data.errors import InvalidInput, counted
from data.grid.durations import DAY, HOUR, YEAR
from data.grid.stamps import format_ds
from data.quality.conform import refuse_gap
from data.records.quarantine import CLOCK, QuarantinedValue
from data.store.catalogue import Dataset
from pipelines.history.ends import Ends, read_ends
from pipelines.workspace import Workspace


def require_force(workspace: Workspace, dataset: Dataset, chosen: list[QuarantinedValue], force: bool) -> None:
    """Raises InvalidInput, which says where the first value of an unset clock would go, unless `force` was given.

    Also with `force` a value is refused that is so far from its series that the steps between would fill the memory.
    """
    unset = [value for value in chosen if value.rule == CLOCK]
    if not unset:
        return
    ends = read_ends(workspace, dataset)
    for value in unset:
        _, apart = _place(dataset, ends, value)
        refuse_gap(apart - 1, dataset.grid, f"value {value.id} of {dataset.name!r}", "ds")
    if not force:
        others = f", and so would {counted(len(unset) - 1, 'other', 'others')} like it" if len(unset) > 1 else ""
        raise InvalidInput(
            f"value {unset[0].id} of {dataset.name!r} was stamped by a clock that was not set: it would go to "
            f"{_words(dataset, ends, unset[0])}{others}; give --force to store it there"
        )


def _words(dataset: Dataset, ends: Ends, value: QuarantinedValue) -> str:
    """The step of a value, and how far that is from its series."""
    ds, (side, apart) = format_ds(value.ds, dataset.kind), _place(dataset, ends, value)
    if not side:
        return f"{ds}" if apart else f"{ds}, between other rows of series {value.unique_id!r}"
    return f"{ds}, {counted(apart, 'step')}{_time(dataset, apart)} {side} of series {value.unique_id!r}"


def _place(dataset: Dataset, ends: Ends, value: QuarantinedValue) -> tuple[str, int]:
    """Which side of its series a value lies on, and the steps between; no side where it lies within."""
    if value.series_id not in ends.series:
        return "", 1
    row = int(ends.series.searchsorted(value.series_id))
    step = int(dataset.grid.steps([value.ds])[0])
    after, before = step - int(ends.last[row]), int(ends.first[row]) - step
    if after > 0:
        return "after the end", after
    return ("before the start", before) if before > 0 else ("", 0)


def _time(dataset: Dataset, steps: int) -> str:
    """How long so many steps are; nothing for integer steps."""
    if dataset.kind == "step":
        return ""
    first, last = (int(stamp) for stamp in dataset.grid.stamps([0, steps]))
    for name, unit in (("years", YEAR), ("days", DAY), ("hours", HOUR)):
        if last - first >= 2 * unit:
            return f" ({(last - first) / unit:.1f} {name})"
    return ""
