"""`rollcast config`: settings."""

from __future__ import annotations

import typer

from pipelines.commands.options import Json

config = typer.Typer(name="config", help="Settings and where they come from: show.", no_args_is_help=True)


@config.command("show")
def config_show(json: Json = False) -> None:
    """Show every setting, its value and its source; secrets are masked."""
    from pipelines import settings_listing
    from pipelines.reports import terminal

    terminal.settings(settings_listing.list_settings(), json)
