"""Which models are registered, and which of them answer."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from data import models
from data.models import Promotion
from service import openapi, schemas
from service.auth import needs, seen_by
from service.datasets import Served
from service.dependencies import answer, runtime_of
from service.errors import Fault, Problem
from service.queries import dataset_query

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models",
    response_model=schemas.Models,
    responses=openapi.problems(404, 422, 503),
    openapi_extra={"parameters": [openapi.DATASET]},
)
@needs("read")
async def list_models(request: Request) -> Response:
    """Every registered version, oldest first, with what was decided about it."""
    runtime = runtime_of(request)
    wanted = dataset_query(request.scope["query_string"])
    seen = seen_by(request, runtime).datasets.values()
    datasets = [served for served in seen if wanted in (None, served.name)]
    if wanted is not None and not datasets:
        raise Problem(
            404, "unknown_dataset", "There is no such dataset.", [Fault("/query/dataset", "is not a dataset")]
        )
    return answer({"models": await run_in_threadpool(_registered, runtime.engine(), datasets)})


def _registered(engine: Engine, datasets: Sequence[Served]) -> list[dict[str, Any]]:
    lines = []
    for served in datasets:
        decided = models.promotions(engine, served.dataset.id)
        for row in models.models(engine, served.dataset.id):
            line = {"dataset": served.name, "version": row.version, "kind": row.kind, "digest": row.digest}
            created = datetime.fromtimestamp(row.created_at / 1e6, UTC).isoformat(timespec="seconds")
            status = _status(row.version, served, decided)
            lines.append(
                {**line, "status": status, "metrics": row.metrics, "created_at": created.replace("+00:00", "Z")}
            )
    return lines


def _status(version: int, served: Served, decided: Sequence[Promotion]) -> str:
    if served.champion and served.champion.version == version:
        return "champion"
    mine = [promotion.event for promotion in decided if promotion.version == version]
    if not mine:
        return "candidate"
    return "refused" if all(event == "refused" for event in mine) else "previous"
