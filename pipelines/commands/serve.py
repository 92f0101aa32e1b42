"""`rollcast serve`: start the HTTP service."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. Default: ROLLCAST_HOST, else 127.0.0.1.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. Default: ROLLCAST_PORT, else 8000.")] = None,
) -> None:
    """Take observations and answer with forecasts over HTTP, until stopped."""
    from pipelines.flows import uvicorn_process

    uvicorn_process.serve(host, port)
