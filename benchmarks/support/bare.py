"""The routes that the service's hot routes are compared with: some do nothing but HTTP, some only parse.

The forecast route returns the bytes of a real answer. There are three observe routes, which store nothing: one decodes
the body's JSON; in `typed` FastAPI checks each row by a strict model; `parsing` is the service's own, which stops after
its rows are checked.
"""

import os
from pathlib import Path
from typing import Annotated

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Strict

from service.app import create_app
from service.base.outcomes import Outcome
from service.observe.arrivals import ReceivedRows
from service.observe.idempotency import KeyedRequest
from service.observe.receipts import Receipt
from service.schemas.common_bodies import UniqueId

ANSWERS = Path(os.environ["ROLLCAST_BARE"])
FORECAST, OBSERVED = (ANSWERS / "forecast").read_bytes(), (ANSWERS / "observed").read_bytes()

app, typed = FastAPI(), FastAPI()


@app.get("/health/ready")
@typed.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.get("/v1/series/{unique_id:path}/forecast")
async def forecast() -> Response:
    return Response(FORECAST, media_type="application/json")


@app.post("/v1/observations")
async def observe(request: Request) -> Response:
    orjson.loads(await request.body())
    return Response(OBSERVED, media_type="application/json")


class Row(BaseModel):
    """The service's rules for a row, as a FastAPI model."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    unique_id: UniqueId
    ds: Annotated[AwareDatetime, Strict(False)]  # JSON has it as text
    y: float | None
    dataset: str | None = None


@typed.post("/v1/observations")
async def observe_typed(_: list[Row]) -> Response:
    return Response(OBSERVED, media_type="application/json")


def parsing() -> FastAPI:
    """The service, without storing rows."""
    service = create_app()

    async def nowhere(received: ReceivedRows, _: KeyedRequest | None = None) -> Receipt:
        return Receipt([Outcome.APPLIED] * received.rows, [], 0, 0)

    service.state.runtime.observe = nowhere
    return service
