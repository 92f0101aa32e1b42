"""The promoted model of one dataset, with the state of every series under it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from data.grid.grid import Grid
from data.grid.stamps import format_all
from data.store.anchors import Anchor
from data.store.promotions import Promotion
from forecasting.config import DIRECT_STEPS, ModelConfig
from forecasting.rolling.online_scores import Totals
from states.checkpoints import Checkpoints
from states.contexts import Contexts
from states.model import RollingModel
from states.out_of_order import BEGINNING
from states.states import States


def _stamps_of(grid: Grid) -> Callable[[int, int, int], Sequence[str] | Sequence[int]]:
    """`Champion.stamps`. It does not hold the champion: one that is replaced frees its memory at once, see
    `gc_tuning.freeze`."""

    def write(origin: int, horizon: int, label: int) -> Sequence[str] | Sequence[int]:
        return format_all(grid.label_stamps(origin + 1 + np.arange(horizon), label), grid.kind)

    remembered = lru_cache(maxsize=256)(write)

    def stamps(origin: int, horizon: int, label: int) -> Sequence[str] | Sequence[int]:
        return (remembered if horizon <= DIRECT_STEPS else write)(origin, horizon, label)

    return stamps


@dataclass
class Champion:
    """Everything that one forecast is answered from; replaced as a whole when another version is promoted.

    `seq` is the position of the log up to which every state is the fold of it; only the writer moves it.
    """

    dataset_id: int
    grid: Grid
    promotion_id: int  # what its scores belong to
    anchor_id: int  # what its contexts, snapshots and ETags belong to; states compare within one anchor only
    version: int
    digest: str
    roller: RollingModel
    contexts: Contexts
    contexts_id: int  # which stored contexts these are; anchors may share them
    anchor_seq: int  # position of the log that the contexts already hold
    states: States
    seq: int
    checkpoints: Checkpoints
    decided_at: int  # microseconds since 1970 UTC: when it was promoted
    upto: int | None = None  # rows of the log after this one do not count; None: all count
    day_ago: Totals | None = None  # the scores of a day ago; None where the promotion is younger
    pending: set[int] = field(default_factory=set)  # series to be folded again in the background, stale until then
    replaces_damaged: bool = False  # it answers because the version promoted after it cannot be served
    stamps: Callable[[int, int, int], Sequence[str] | Sequence[int]] = field(init=False)

    def __post_init__(self) -> None:
        """`stamps(origin, horizon, label)` are the steps after an origin as a series with this label writes them; many
        series share origin and label."""
        self.stamps = _stamps_of(self.grid)

    def follow_calendar(self, grid: Grid) -> bool:
        """Number steps by the grid that the dataset has now, which differs after the newest step with a row.

        Returns False, and changes nothing, where a state has read a row by its number in the old grid that has another
        one now: its states have to be built again.
        """
        if grid == self.grid:
            return True
        origins = np.unique(self.states.origins(self.states.series))
        origins = origins[origins > BEGINNING]
        if not np.array_equal(grid.stamps(origins), self.grid.stamps(origins)):
            return False
        self.grid, self.stamps = grid, _stamps_of(grid)
        return True

    def continues_as(self, promotion: Promotion, anchor: Anchor) -> None:
        """The same states serve by another decision, whose anchor shares their contexts; their scores begin at zero.

        Used by the thread that rolls it, while it does not serve.
        """
        self.promotion_id, self.anchor_id, self.decided_at = promotion.id, anchor.anchor_id, promotion.decided_at
        self.checkpoints = self.checkpoints.of_anchor(anchor.anchor_id)
        self.states.begin_scores()
        self.states.forget_vintages()
        self.day_ago = None

    @property
    def config(self) -> ModelConfig:
        return self.roller.config

    @property
    def model(self) -> dict[str, Any]:
        """How an answer names the model."""
        return {"kind": self.config.kind, "version": self.version, "digest": self.digest}
