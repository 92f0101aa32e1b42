"""What every test may ask for."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.postgres_kit import Postgres, empty_database, running

# Examples share a small machine with other tests: judge what they find, not how long they took.
settings.register_profile("rollcast", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rollcast")

ROOT = Path(__file__).resolve().parent.parent

# `make test` runs as many tests at a time as it is given cores. With a thread of torch for each core as well, in this
# process and in those that it starts, threads wait for one another, and a training takes five times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Nothing serves a dataset before a promotion: tests of training, of the gate and of states begin with none. Tests of
# the shipped model let it serve.
os.environ["ROLLCAST_SHIPPED_MODEL"] = "false"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A home of each test's own, not yet made; no mirror, no telemetry, and no settings from around us."""
    for name in [name for name in os.environ if name.startswith("ROLLCAST_") and name != "ROLLCAST_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ROLLCAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROLLCAST_MLFLOW", "false")
    monkeypatch.setenv("ROLLCAST_SHIPPED_MODEL", "false")
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def short_collections() -> Iterator[None]:
    """For modules that train: garbage collection passes over what exists already. A training starts it for each of its
    networks, and going through all that pytest has imported takes longer than the training."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request, tmp_path) -> str:
    """URL of an empty live store, once for each database there is."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'live.db'}"


@pytest.fixture
def store(store_url):
    """An open live store, once for each database there is."""
    from data.store.database import open_store

    engine = open_store(store_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of a server that speaks S3's protocol."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def second_model(monkeypatch) -> None:
    """Lets artifacts of the tests' own kind of model be served; see `tests/support/running_mean.py`."""
    from tests.support.running_mean import register

    register(monkeypatch)


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


@pytest.fixture
def page(program):
    """An empty page of Debian's Chromium, as Playwright's `Page`."""
    from tests.support.browser_kit import opened_page

    with opened_page(program("chromium", package="chromium")) as page:
        yield page


@pytest.fixture(scope="session")
def postgres_program(program) -> Callable[[], Postgres]:
    """Makes servers; each is thrown away by whoever made it."""
    initdb, server = program("initdb", package="postgresql"), program("postgres", package="postgresql")
    return lambda: Postgres(initdb, server)


@pytest.fixture(scope="session")
def postgres(postgres_program) -> Iterator[int]:
    """Port of a PostgreSQL server that all tests share."""
    with running(postgres_program()) as server:
        yield server.port


@pytest.fixture
def postgres_url(postgres) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    with empty_database(postgres) as url:
        yield url


@pytest.fixture
def another_postgres_url(postgres) -> Iterator[str]:
    """URL of a second one."""
    with empty_database(postgres) as url:
        yield url
