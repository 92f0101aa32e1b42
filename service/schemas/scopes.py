"""The scope of each operation, as the OpenAPI document says it."""

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute

from service.http.auth import leaves, right_of

DESCRIPTION = "A key of `rollcast keys create`. A service that listens on loopback alone asks for none unless told to."


def add_scopes(document: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document with each operation's scope under `security`; a public one says that it needs none."""
    document["components"]["securitySchemes"]["key"]["description"] = DESCRIPTION
    for route in leaves(routes):
        right = right_of(route)
        operations = document["paths"].get(getattr(route, "path_format", None), {})
        for method in getattr(route, "methods", None) or ():
            if (operation := operations.get(method.lower())) is not None:
                operation["security"] = [{"key": [right]}] if right else []
    return document
