"""The documentation of the API: one page, drawn from /openapi.json by its script. It loads nothing from other hosts."""

from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Response

from service.http.html_page import html_response

router = APIRouter(include_in_schema=False)

STATIC = Path(__file__).parent.parent / "static"


@router.get("/docs")
async def read_docs() -> Response:
    """The page. The two routes below serve its script and style."""
    return html_response(_file("docs.html"))


@router.get("/docs/docs.js")
async def script() -> Response:
    return Response(_file("docs.js"), media_type="text/javascript")


@router.get("/docs/docs.css")
async def style() -> Response:
    return Response(_file("docs.css"), media_type="text/css")


@lru_cache
def _file(name: str) -> bytes:
    return (STATIC / name).read_bytes()
