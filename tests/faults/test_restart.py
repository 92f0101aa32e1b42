"""Fault 19: PostgreSQL is stopped and started again while clients observe; the service keeps running."""

import signal
import threading
import time
from collections import Counter

import httpx
import numpy as np
import pytest

from forecasting.rolling.roller import Roller
from tests.support.kill_kit import free_port, start
from tests.support.postgres_kit import running, statement
from tests.support.service_kit import World, network, panel_of, rows, until

IDS = ("a", "b", "c")
PANEL = panel_of(*IDS)
MODEL = network(PANEL)


class Feeder(threading.Thread):
    """A client that sends each value again until the answer says that it is stored."""

    def __init__(self, url: str, unique_id: str) -> None:
        super().__init__(daemon=True)
        self.url, self.unique_id, self.stored, self.statuses = url, unique_id, 0, Counter[int]()
        self.stopping = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=30) as client:
            while not self.stopping.is_set():
                body = rows(self.unique_id, [float(self.stored % 7)], first=self.stored)
                status = client.post("/v1/observations", json=body).status_code
                self.statuses[status] += 1
                self.stored += status == 200
                time.sleep(0.0 if status == 200 else 0.02)


@pytest.mark.slow
def test_fault_19_a_restart_of_postgres_under_load_is_503_for_a_while_and_nothing_is_lost(tmp_path, postgres_program):
    with running(postgres_program()) as server:
        statement(server.port, "CREATE DATABASE live")
        world = World.at(tmp_path, f"postgresql+psycopg://rollcast@127.0.0.1:{server.port}/live")
        dataset = world.ingest("sensors", *IDS)
        world.promote(dataset, MODEL, PANEL)
        port = free_port()
        process = start(world, port)
        try:
            url = f"http://127.0.0.1:{port}"
            feeders = [Feeder(url, unique_id) for unique_id in IDS]
            for feeder in feeders:
                feeder.start()
            for _ in range(3):
                reached = [feeder.stored for feeder in feeders]
                until(lambda reached=reached: all(f.stored > n + 5 for f, n in zip(feeders, reached, strict=True)))
                server.stop(signal.SIGQUIT)
                assert httpx.get(f"{url}/v1/series/a/forecast").status_code == 200  # forecasts need no store
                time.sleep(0.3)
                server.start()
            reached = [feeder.stored for feeder in feeders]
            until(lambda: all(f.stored > n + 5 for f, n in zip(feeders, reached, strict=True)))  # without help
            until(lambda: httpx.get(f"{url}/health/ready").status_code == 200)
            for feeder in feeders:
                feeder.stopping.set()
                feeder.join(300)
                assert not feeder.is_alive() and feeder.statuses.keys() == {200, 503}
                answer = httpx.get(f"{url}/v1/series/{feeder.unique_id}/forecast").json()
                known = world.logged(dataset, feeder.unique_id)
                assert known == [(step, float(step % 7)) for step in range(feeder.stored)]  # each once
                state = world.folded(dataset, MODEL, PANEL, feeder.unique_id)
                expected = Roller(MODEL).forecast(state, np.array([0]))[0][:, MODEL.config.median]
                np.testing.assert_allclose(answer["quantiles"]["0.5"], expected, rtol=1e-5)
        finally:
            process.terminate()
            assert process.wait(timeout=750) in (0, -signal.SIGTERM)
