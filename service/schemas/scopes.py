"""The scope of each operation in the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute

from service.http.auth import leaves, right_of

DESCRIPTION = (
    "A key that `rollcast keys create` made. A service that listens on loopback only needs none, unless it is set to "
    "ask for keys."
)


def add_scopes(document: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document with each operation's scope under `security`, which is empty for public operations."""
    document["components"]["securitySchemes"]["key"]["description"] = DESCRIPTION
    for route in leaves(routes):
        right = right_of(route)
        operations = document["paths"].get(getattr(route, "path_format", None), {})
        for method in getattr(route, "methods", None) or ():
            if (operation := operations.get(method.lower())) is not None:
                operation["security"] = [{"key": [right]}] if right else []
    return document
