"""Registered models and their status, and the decisions about them."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Engine

from data.grid.stamps import format_moment
from data.store import promotions, registry
from data.store.promotions import Promotion
from service.forecast.query_params import dataset_query, newest_query
from service.http.auth import needs
from service.models.datasets import Served
from service.operations import promotion_lines
from service.routers.dependencies import datasets_of, json_response, json_with_etag, runtime_of
from service.schemas import model_bodies, openapi

router = APIRouter(tags=["models"])


@router.get(
    "/v1/models",
    response_model=model_bodies.Models,
    responses=openapi.problem_responses(404, 422, 503),
    openapi_extra={"parameters": [openapi.DATASET]},
)
@needs("read")
async def list_models(request: Request) -> Response:
    """Every registered version, oldest first, with its status."""
    runtime = runtime_of(request)
    wanted = dataset_query(request.scope["query_string"])
    datasets = datasets_of(request, runtime, wanted)
    return json_response({"models": await run_in_threadpool(_registered_versions, runtime.engine(), datasets)})


@router.get(
    "/v1/promotions",
    response_model=model_bodies.Promotions,
    responses={**openapi.NOT_MODIFIED, **openapi.problem_responses(404, 422, 503)},
    openapi_extra={"parameters": openapi.NEWEST_PAGE},
)
@needs("read")
async def list_promotions(request: Request) -> Response:
    """A page of the decisions about versions, newest first, with their evidence."""
    query, runtime = newest_query(request.scope["query_string"]), runtime_of(request)
    datasets = datasets_of(request, runtime, query.dataset)
    return json_with_etag(request, await run_in_threadpool(promotion_lines.page, runtime.engine(), datasets, query))


def _registered_versions(engine: Engine, datasets: Sequence[Served]) -> list[dict[str, Any]]:
    lines = []
    for served in datasets:
        decisions = promotions.decisions(engine, served.dataset.id)
        for row in registry.models(engine, served.dataset.id):
            line = {"dataset": served.name, "version": row.version, "kind": row.kind, "digest": row.digest}
            status, created = _status(row.version, served, decisions), format_moment(row.created_at)
            lines.append({**line, "status": status, "metrics": row.metrics, "created_at": created})
    return lines


def _status(version: int, served: Served, decisions: Sequence[Promotion]) -> str:
    if served.champion and served.champion.version == version:
        return "champion"
    if served.shadow and served.shadow.version == version:
        return "shadow"
    own = [decision for decision in decisions if decision.version == version]
    if any(decision.serves for decision in own):
        return "previous"
    return "refused" if any(decision.event == "refused" for decision in own) else "candidate"
