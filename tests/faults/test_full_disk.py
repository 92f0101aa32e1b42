"""Faults 9 and 10, on a small disk that is really full: no acknowledged row is lost, and writing goes on with space."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import polars as pl
import pytest

from data.errors import Unavailable
from data.lake.table import Lake
from tests.support.kill_kit import free_port, start
from tests.support.service_kit import World, network, panel_of, rows, until

PANEL = panel_of("a", "b")
pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A disk of 8 MB; only root can mount it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Another file takes all the space that is left."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    yield
    ballast.unlink()


def test_fault_09_on_a_full_disk_no_row_is_acknowledged_that_is_not_stored(disk):
    world = World.at(disk)
    dataset = world.ingest("sensors", "a", "b")
    world.promote(dataset, network(PANEL), PANEL)
    port = free_port()
    process = start(world, port)
    acknowledged = 0
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:

            def send() -> httpx.Response:
                nonlocal acknowledged
                answer = client.post("/v1/observations", json=rows("a", [float(acknowledged)], first=acknowledged))
                acknowledged += answer.status_code == 200
                return answer

            for _ in range(5):
                assert send().status_code == 200
            with full(disk):
                answers = [send() for _ in range(200)]
                assert answers[-1].status_code == 503 and "Retry-After" in answers[-1].headers
                assert {answer.status_code for answer in answers} <= {200, 503}  # the first may still have fitted
                assert client.get("/v1/series/a/forecast").status_code == 200
                assert client.get("/health/live").status_code == 200
            until(lambda: send().status_code == 200)
            until(lambda: client.get("/health/ready").status_code == 200)
            before = acknowledged
            assert send().json()["outcomes"] == ["applied"] and acknowledged == before + 1
    finally:
        process.terminate()
        assert process.wait(timeout=750) in (0, -signal.SIGTERM)
    assert [step for step, _ in world.logged(dataset, "a")] == list(range(acknowledged))


def test_fault_10_on_a_full_disk_the_lake_refuses_rows_and_keeps_those_it_has(disk):
    lake = Lake(disk / "lake")

    def frame(first: int, count: int) -> pl.DataFrame:
        steps = range(first, first + count)
        noise = [((step * 2654435761) % 2**32) / 7 for step in steps]  # so that it does not compress
        return pl.DataFrame({"unique_id": ["a"] * count, "ds": steps, "y": noise, "available_at": [0] * count})

    lake.append(1, frame(0, 1000))
    with full(disk), pytest.raises(Unavailable):
        lake.append(1, frame(1000, 100_000))
    assert lake.read(1).height == 1000
    lake.append(1, frame(1000, 5))
    assert lake.read(1).height == 1005
