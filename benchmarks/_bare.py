"""What the service's hot routes are measured against: FastAPI routes that do nothing but their HTTP.

The forecast route gives back the bytes of a real answer; the observe route parses its body and does the same.
"""

import os
from pathlib import Path

import orjson
from fastapi import FastAPI, Request, Response

ANSWERS = Path(os.environ["ROLLCAST_BARE"])
FORECAST, OBSERVED = (ANSWERS / "forecast").read_bytes(), (ANSWERS / "observed").read_bytes()

app = FastAPI()


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.get("/v1/series/{unique_id:path}/forecast")
async def forecast() -> Response:
    return Response(FORECAST, media_type="application/json")


@app.post("/v1/observations")
async def observe(request: Request) -> Response:
    orjson.loads(await request.body())
    return Response(OBSERVED, media_type="application/json")
