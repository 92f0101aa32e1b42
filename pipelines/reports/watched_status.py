"""Redraws `rollcast status` in a terminal until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from data import clock
from data.errors import StoreUnavailable
from pipelines.console import say
from pipelines.reports import terminal
from pipelines.upkeep.status import Status, status
from pipelines.workspace import Workspace

EVERY_S = 3.0  # from the end of one drawing to the next


def watch(workspace: Workspace, sleep: Callable[[float], None] = time.sleep) -> None:
    """Draw the status again and again; print it once where there is no terminal. Ctrl-C ends it."""
    if not sys.stdout.isatty():
        terminal.status(status(workspace), json=False)
        return
    try:
        while True:
            redraw(workspace)
            sleep(EVERY_S)
    except KeyboardInterrupt:
        return


def redraw(workspace: Workspace) -> None:
    """Clear the screen and draw what is stored now. A store that does not answer is said, and asked again."""
    from rich.console import Console

    found: Status | StoreUnavailable
    try:
        found = status(workspace)
    except StoreUnavailable as error:
        found = error
    Console().clear()
    if isinstance(found, Status):
        terminal.status(found, json=False)
    else:
        say(str(found))
    say(f"{clock.utc():%Y-%m-%d %H:%M:%S} UTC, again every {EVERY_S:g} s; Ctrl-C ends it")
