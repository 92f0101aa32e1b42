"""A file of the user that has the name of one of our packages, such as `data.py`, would be imported in its place."""

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("data", "forecasting", "pipelines", "service", "states")
ROOT = Path(__file__).resolve().parent.parent  # the folder of all our packages


def check_shadowed() -> None:
    """Raises ImportError, which names the file, where a package of ours would be imported from elsewhere."""
    for name in PACKAGES:
        place = place_of(name)
        if place is not None and Path(place).resolve() != ROOT / name / "__init__.py":
            raise ImportError(
                f"{place} is imported in place of Rollcast's package {name!r}; rename it and start Python again",
                name=name,
                path=place,
            )


def place_of(name: str) -> str | None:
    """The file that is, or would be, imported under a name; None where there is none."""
    module = sys.modules.get(name)
    if module is not None:
        return getattr(module, "__file__", None)
    found = find_spec(name)
    return found.origin if found is not None and found.has_location else None
