"""What the OpenAPI document says about keys: the scope of each operation, and what comes without it."""

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute

from service.auth import leaves, right_of
from service.errors import MEDIA_TYPE

ABOUT = "A key of `rollcast keys create`. A service that listens on loopback alone asks for none unless told to."
REFUSALS = {
    401: "No valid key: missing, unknown, expired and revoked ones get the same answer",
    403: "The key lacks the scope, or does not reach the series",
    429: "Too many requests of this key or this address; Retry-After says when there is room",
}


def describe(document: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document with each operation's scope; a public one says that it has none."""
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": ABOUT}}
    for route in leaves(routes):
        right = right_of(route)
        operations = document["paths"].get(getattr(route, "path_format", None), {})
        for method in getattr(route, "methods", None) or ():
            if (operation := operations.get(method.lower())) is not None:
                operation["security"] = [{"key": [right]}] if right else []
                _add_refusals(operation["responses"], REFUSALS if right else {429: REFUSALS[429]})
    return document


def _add_refusals(responses: dict[str, Any], refusals: dict[int, str]) -> None:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, about in refusals.items():
        responses.setdefault(str(status), {"description": about, "content": content})
