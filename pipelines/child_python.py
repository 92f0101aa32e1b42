"""How this program starts Python again: with a safe path, on which the working folder is not.

A file of the user there may have the name of a package, such as `data.py` or `service.py`, and would be imported in
its place.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # the folder of our packages


def python_command(*words: str) -> list[str]:
    """This Python with these arguments; `-m` finds modules that are installed, and ours."""
    return [sys.executable, "-P", *words]


def child_environment() -> dict[str, str]:
    """The environment of a process that imports our packages, and of all that it starts itself."""
    entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if not is_installed(ROOT) and str(ROOT) not in entries:
        entries = [str(ROOT), *entries]
    path = {"PYTHONPATH": os.pathsep.join(entries)} if entries else {}
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, **path, "PYTHONSAFEPATH": "1"}


def is_installed(folder: Path) -> bool:
    """Whether it is a folder in which Python looks anyway, after its own library."""
    known = [*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("purelib")]
    return folder in {Path(entry).resolve() for entry in known}


def use_safe_path() -> None:
    """Let every process that this one starts have a safe path, also where a library starts it."""
    os.environ.update(child_environment())
