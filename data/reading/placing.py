"""Puts rows onto the steps of a grid, and finds the labels of their series."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from data.grid.grid import Grid, Ints
from data.reading.columns import CODE, STEP
from data.schema import SERIES, TIME


@dataclass(frozen=True)
class PlacedRows:
    """Rows (n,) of whole series on their steps.

    taken   (n,) whether a step takes the row
    off_grid  (n,) whether none does, because its stamp lies between two
    closed  the rows of days and hours without steps; STEP is the one before
    rows    (k,) those that one takes, with STEP, and as TIME the stamp at which the step begins
    stamps  (k,) of these rows, as the source writes them
    moved   (k,) whether a row's stamp is not the one that its series writes for the step
    labels  labels that were found, of series that had none; see `data.grid.labels`
    """

    taken: np.ndarray
    off_grid: np.ndarray
    closed: pl.DataFrame
    rows: pl.DataFrame
    stamps: Ints
    moved: np.ndarray
    labels: dict[str, int]


def place_rows(frame: pl.DataFrame, grid: Grid, known: Mapping[str, int]) -> PlacedRows:
    """Place rows of whole series, with CODE. known: labels of the series that have one."""
    stamps = frame[TIME].to_numpy()
    labels: np.ndarray | int = 0
    found: dict[str, int] = {}
    if grid.labelled and len(frame):
        labels, found = _labels(frame, stamps, grid, known)
    placed = grid.place(stamps, labels)
    rows = frame.with_columns(pl.Series(TIME, grid.stamps(placed.steps)), pl.Series(STEP, placed.steps))
    taken = ~placed.refused
    if taken.all():
        return PlacedRows(taken, ~taken, rows.clear(), rows, stamps, placed.moved, found)
    closed = frame.with_columns(pl.Series(STEP, placed.steps)).filter(placed.closed)
    off_grid = placed.refused & ~placed.closed
    return PlacedRows(taken, off_grid, closed, rows.filter(taken), stamps[taken], placed.moved[taken], found)


def _labels(
    frame: pl.DataFrame, stamps: Ints, grid: Grid, known: Mapping[str, int]
) -> tuple[np.ndarray, dict[str, int]]:
    """(n,) the label of each row's series, and those that were found for series without one."""
    _, first, groups = np.unique(frame[CODE].to_numpy(), return_index=True, return_inverse=True)
    names = frame[SERIES].gather(first).to_list()
    seen = dict(zip(names, grid.find_labels(groups, stamps).tolist(), strict=True))
    own = np.array([known.get(name, label) for name, label in seen.items()], np.int64)
    return own[groups], {name: label for name, label in seen.items() if name not in known}
