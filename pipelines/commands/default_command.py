"""A word of the command line that does something by itself and has further words: `ingest FILE` and `ingest undo`."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

DEFAULT = "source"  # the name of the command that runs without being named


class DefaultCommand(TyperGroup):
    """A group whose command `DEFAULT` gets every argument unless the first names another one.

    A file that is called like a command is written with its folder, as in ./undo.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else [DEFAULT, *args])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The default command is not named in its usage."""
        name, command, rest = super().resolve_command(ctx, args)
        return ("" if name == DEFAULT else name), command, rest


def group(name: str, words: str) -> typer.Typer:
    """A group with a default command, which is to be added under the name `DEFAULT`."""
    return typer.Typer(name=name, cls=DefaultCommand, help=words)
