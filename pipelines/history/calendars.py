"""Keeps the calendars of exchanges going: what was announced since goes after the newest step with a row."""

from __future__ import annotations

from dataclasses import replace

from data.errors import InvalidInput
from data.grid.renewal import sessions_of
from data.grid.sessions import Sessions
from data.records import series_ends
from data.store import catalogue
from data.store.catalogue import Dataset
from pipelines.console import say
from pipelines.history.ends import refresh_ends
from pipelines.workspace import Workspace


def renew_calendar(workspace: Workspace, dataset: Dataset, dry_run: bool = False) -> Dataset:
    """The dataset with the sessions that its exchange has announced by now; any other dataset as it is.

    Nothing is stored in a dry run. Numbers of steps with rows stay, and so does the whole calendar where the library is
    missing or knows no later session.
    """
    if dataset.grid.sessions is None:
        return dataset
    refresh_ends(workspace, dataset)
    lake = series_ends.ends(workspace.engine, dataset.id).last
    newest = int(lake.max()) if len(lake) else None
    try:
        announced = _announced(dataset, newest)
    except InvalidInput as error:
        say(f"the calendar of {dataset.name!r} goes on as it was: {error}")
        return dataset
    if dry_run:
        return replace(dataset, grid=dataset.grid.continued(newest, announced))
    return replace(dataset, grid=catalogue.replace_calendar(workspace.engine, dataset.id, announced, newest))


def _announced(dataset: Dataset, newest: int | None) -> Sessions:
    """The sessions from that of the newest row on. Raises InvalidInput where the library does not know them."""
    grid = dataset.grid
    if grid.sessions is None or (found := sessions_of(grid.freq, _first_day(dataset, newest))) is None:
        raise InvalidInput(f"{grid.freq} has no calendar")
    return found


def _first_day(dataset: Dataset, newest: int | None) -> int:
    days = dataset.grid.sessions.days if dataset.grid.sessions else (0,)
    return days[0] if newest is None else max(days[0], dataset.grid.session_day(newest))
