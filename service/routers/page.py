"""The page at `/`: static files of our own and uPlot. They are public and tell nothing that is stored."""

from functools import cache
from hashlib import blake2b
from pathlib import Path

from fastapi import APIRouter, Request, Response

from service.http import uplot
from service.http.errors import ProblemError
from service.http.html_page import html_response

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent.parent / "static" / "ops"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
UPLOT = {"uplot.js": uplot.SCRIPT, "uplot.css": uplot.STYLE}


@router.get("/")
async def read_page() -> Response:
    """The page. It is empty until its script has asked the routes under `/v1`."""
    return html_response((FOLDER / "index.html").read_bytes())


@router.get("/ops/{name}")
async def read_file(request: Request) -> Response:
    """A file of the page."""
    name = request.path_params["name"]
    if name not in names():
        raise ProblemError(404, "not_found", "The page has no such file.")
    content = _content(name)
    tag = f'"{blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=TYPES[Path(name).suffix], headers=headers)


@cache
def names() -> frozenset[str]:
    """The files of the page."""
    return frozenset((*UPLOT, *(path.name for path in FOLDER.iterdir() if path.suffix in TYPES)))


def _content(name: str) -> bytes:
    return uplot.read(UPLOT[name]) if name in UPLOT else (FOLDER / name).read_bytes()
