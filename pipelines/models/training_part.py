"""Which part of a history a model was fitted to; recorded, so that it is never scored on that part."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data.errors import InvalidInput
from forecasting.panel import Panel
from pipelines.history.history import History


@dataclass(frozen=True)
class TrainingPart:
    """The part of a history that a model was fitted to.

    part    "split" (train and val of the source's own split), or the share of each series from its start
    start   grid step of the earliest value at that time; rows added before it later would move every share
    """

    part: str | float
    start: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def choose_training_part(history: History, holdout: float | None) -> tuple[Panel, TrainingPart]:
    """The part of a history that training may read, and its description.

    Raises InvalidInput for a holdout outside 0 to 0.9, for a holdout of a source with its own split, and for a split
    without a row marked train or val.
    """
    start = history.start
    if holdout is not None and not 0 < holdout <= 0.9:
        raise InvalidInput(f"--holdout is {holdout}; give the share to keep out of training, up to 0.9")
    if history.splits is not None:
        if holdout is not None:
            raise InvalidInput("the source has a split column, which says what is held out; leave --holdout away")
        if not history.fitted_lengths.any():
            raise InvalidInput("no row is marked train or val in the column named split, so there is nothing to learn")
        return history.panel.head(history.fitted_lengths), TrainingPart("split", start)
    if holdout is None:
        return history.panel, TrainingPart(1.0, start)
    kept = history.panel.lengths if history.ends_early else lengths_before(history.panel.lengths, holdout)
    return history.panel.head(kept), TrainingPart(round(1 - holdout, 6), start)


def lengths_before(lengths: np.ndarray, last: float) -> np.ndarray:
    """(n,) number of steps of each series before its last share; `last` is between 0 and 1."""
    return np.floor(lengths * (1 - last) + 1e-9).astype(np.int64)


def saw_nothing_after(manifest: dict[str, Any], history: History, part: str | float) -> bool:
    """Whether the model of this manifest was fitted to no value after `part` of this history.

    A series grows at its end only, so the share that a model was fitted to shrinks with time.
    """
    known = manifest.get("known")
    if not isinstance(known, dict) or known.get("start") != history.start:
        return False
    if "split" in (part, known["part"]):
        return bool(known["part"] == part)
    return float(known["part"]) <= float(part) + 1e-9
