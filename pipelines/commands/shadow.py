"""`rollcast shadow NAME` and `rollcast shadow stop NAME`: run a challenger beside the champion."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json, warn_old_spelling


def shadow(
    first: Annotated[str | None, typer.Argument(help="Stop the challenger instead.", metavar="stop")] = None,
    second: Annotated[str | None, typer.Argument(help="Name of the dataset.", metavar="NAME")] = None,
    version: Annotated[
        int | None, typer.Option(help="Version to run in shadow. Default: the newest candidate.")
    ] = None,
    old_stop: Annotated[bool, typer.Option("--stop", hidden=True)] = False,
    json: Json = False,
) -> None:
    """Run a version in shadow, scored on the same live values as the champion; `shadow stop NAME` ends that.

    A version in shadow answers no request.
    """
    from pipelines.promotion import shadow as shadowing
    from pipelines.reports import terminal
    from pipelines.workspace import open_workspace

    name = dataset_name(first, second)
    if old_stop:
        warn_old_spelling("shadow NAME --stop", "shadow stop NAME")
    workspace = open_workspace()
    stops = old_stop or second is not None
    result = shadowing.stop_shadow(workspace, name) if stops else shadowing.shadow(workspace, name, version)
    terminal.shadowed(result, json)


def dataset_name(first: str | None, second: str | None) -> str:
    """The last word, which may itself be "stop". Raises InvalidInput where there is none, or another word before it."""
    from data.errors import InvalidInput

    if first is None:
        raise InvalidInput("missing argument 'NAME'; see `rollcast shadow --help`")
    if second is not None and first != "stop":
        raise InvalidInput(f"got unexpected extra argument ({second}); see `rollcast shadow --help`")
    return first if second is None else second
