"""`rollcast demo`: the whole loop on two bundled datasets."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import Json


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop at the end instead of serving on.")] = False,
    json: Json = False,
) -> None:
    """Run the whole loop on two bundled datasets: ingest, train, backtest, promote, serve, observe."""
    from pipelines.demo import demo as demonstration

    demonstration.demo(once, json)
