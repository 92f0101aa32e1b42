"""What every test may ask for."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Examples share a small machine with other tests: judge what they find, not how long they took.
settings.register_profile("rollcast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rollcast")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def program() -> Callable[..., Path]:
    """`program("initdb", package="postgresql")`: where it is installed. Without it a test skips; in CI it fails."""

    def find(name: str, *, package: str) -> Path:
        homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
        found = shutil.which(name) or next((home / name for home in homes if (home / name).exists()), None)
        if found:
            return Path(found)
        reason = f"{name} is not installed: install the Debian package {package}"
        if os.environ.get("CI"):
            pytest.fail(f"{reason} (.ci/run does)")
        pytest.skip(reason)

    return find
