"""`rollcast keys`: API keys."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json

KeyId = Annotated[
    str, typer.Argument(help="The eight characters that name the key, from `rollcast keys list`.", metavar="ID")
]

keys = typer.Typer(name="keys", help="API keys: create, list, revoke, rotate.", no_args_is_help=True)


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Option(help="Who or what will use the key.")],
    scope: Annotated[
        list[str], typer.Option(help="read, observe, forecast, or admin for all of them; may be repeated.")
    ],
    series: Annotated[
        list[str] | None,
        typer.Option(help="DATASET/ID, in which * stands for any characters; may be repeated. Default */*."),
    ] = None,
    days: Annotated[float | None, typer.Option(help="Days until the key expires. Default: never.")] = None,
    json: Json = False,
) -> None:
    """Create a key and print it. It is shown only this once: the store keeps only its digest."""
    from pipelines.reports import terminal
    from pipelines.upkeep import api_keys

    terminal.key(api_keys.create(name, scope, series or ["*/*"], days), json)


@keys.command("list")
def keys_list(json: Json = False) -> None:
    """List every key without its secret: scopes, series, expiry and last use."""
    from pipelines.reports import terminal
    from pipelines.upkeep import api_keys

    terminal.listing(api_keys.list_keys(), json, "no key yet; `rollcast keys create` makes one")


@keys.command("revoke")
def keys_revoke(key_id: KeyId, json: Json = False) -> None:
    """Revoke a key for good; a running service refuses it within about a second."""
    from pipelines.reports import terminal
    from pipelines.upkeep import api_keys

    terminal.facts(api_keys.revoke(key_id), json)


@keys.command("rotate")
def keys_rotate(
    key_id: KeyId,
    overlap_hours: Annotated[float, typer.Option(help="Hours for which the old key remains valid.")] = 24.0,
    json: Json = False,
) -> None:
    """Create a successor of a key, with the same scopes and lifetime; the old key expires after the overlap."""
    from pipelines.reports import terminal
    from pipelines.upkeep import api_keys

    terminal.key(api_keys.rotate(key_id, overlap_hours), json)
