"""Rollcast in Python: `from rollcast import Forecaster`. See `docs/python.md`.

This package only names what others define. A name is loaded when it is first asked for, so that importing is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rollcast._shadowed import check_shadowed

if TYPE_CHECKING:
    from pipelines.library import lab
    from pipelines.library.forecaster import Forecaster
    from pipelines.library.forecaster_error import ForecasterError

__all__ = ["Forecaster", "ForecasterError", "lab"]

check_shadowed()


def __getattr__(name: str) -> Any:
    """Load a name on first use. Raises ImportError where a library that it needs is not installed."""
    if name not in __all__:
        raise AttributeError(f"module 'rollcast' has no attribute {name!r}")
    try:
        if name == "lab":
            return import_module("pipelines.library.lab")
        from pipelines.library import forecaster
    except ModuleNotFoundError as error:
        raise ImportError(
            f"rollcast.{name} needs {error.name}, which is not installed; "
            "`pip install -c constraints.txt '.[train,pipelines]'` adds it"
        ) from error
    return getattr(forecaster, name)


def __dir__() -> list[str]:
    return __all__
