"""Every page at every width and in both themes, and a hundred thousand series: in `make test-all`."""

import httpx
import numpy as np
import pytest

from data.records import drift, jobs, quarantine, runs, schedules
from data.records.drift import Drift
from data.records.quarantine import Breach
from data.records.schedules import Schedule
from data.records.timetable import by_interval
from data.store import catalogue, promotions
from forecasting.panel import Panel
from tests.support.looked_kit import Looked
from tests.support.server_kit import running
from tests.support.service_kit import FIVE, START, World, baseline, network, panel_of, rows

pytestmark = pytest.mark.slow

IDS = tuple(f"plant/line{number % 3}/sensor-{number:02d}" for number in range(15))
PAGES = {
    "overview": ("", "series shown"),
    "series": (f"#/series/sensors/{IDS[0].replace('/', '%2F')}?threshold=9", "How good the forecasts were"),
    "network": (f"#/series/sensors/{IDS[0].replace('/', '%2F')}?network=1", "What the forecast leans on"),
    "models": ("#/models", "Decisions, newest first"),
    "pipelines": ("#/pipelines", "The latest runs"),
}
COMPARED = {
    "candidate": 3,
    "origins": 36,
    "reasons": ["its error is +4.0% against lstm (champion); -1.0% or lower is required"],
    "contenders": [
        {"model": "gru", "role": None, "version": 3, "coverage_80": 0.79},
        {"model": "naive", "role": None, "version": None, "gain": 0.125, "p_value": 0.004},
        {"model": "lstm", "role": "champion", "version": 2, "gain": -0.04, "p_value": 0.9},
    ],
    "cost": {"bytes": 450_000, "ms": 0.13},
}


def worked(world, dataset):
    """What pipelines leave behind: a refused version, runs, a schedule, a job, a value in quarantine and drift."""
    version = world.register(dataset, baseline(panel_of(*IDS), "naive"))
    promotions.decide(world.engine, dataset.id, version, "refused", COMPARED)
    for flow, name in (("ingest", "sensors"), ("train", "sensors"), ("monitor", None), ("batch-forecast", "sensors")):
        with runs.recorded(world.engine, flow, name) as run:
            run.detail |= {"rows": 1440, "version": 2}
    with pytest.raises(OSError), runs.recorded(world.engine, "backup"):  # noqa: PT011
        raise OSError("the folder /var/backups/rollcast-of-the-plant is not there; make it, or set another one")
    schedules.put(world.engine, Schedule("ingest", by_interval("15m"), "sensors"))
    jobs.ask(world.engine, dataset.id, "drift", "ks of level: 0.75 is above 0.1 in two windows that follow one another")
    numbers = {name: world.number(dataset, name) for name in IDS}
    quarantine.put(world.engine, dataset.id, [Breach(IDS[0], START, 240.0, "spike")], numbers, "sensors.csv")
    drift.put(world.engine, dataset.id, [Drift(dataset.id, "ks", "level", 0.75, 0.1, True, "levels are far apart")])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Fifteen series of one plant, one of which fell silent."""
    folder = tmp_path_factory.mktemp("plant")
    world, panel = World.at(folder), panel_of(*IDS)
    dataset = world.ingest("sensors", *IDS)
    world.promote(dataset, baseline(panel), panel)
    world.promote(dataset, network(panel), panel)
    worked(world, dataset)
    with running(world, folder / "log") as server:
        for step in range(120):
            sent = [
                row for name in IDS[: 14 if step > 40 else 15] for row in rows(name, [9 + np.sin(step)], first=step)
            ]
            assert httpx.post(f"{server.url}/v1/observations", json=sent, timeout=120).status_code == 200
        yield server


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_readable_at_each_width_in_each_theme(server, page, name, width, theme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)
    looked = Looked(page, server.url)
    looked.open(*PAGES[name])
    looked.check(f"{name}-{width}-{theme}")


def test_a_hundred_thousand_series_are_ranked_searched_and_grouped(tmp_path, page):
    world, count = World.at(tmp_path), 100_000
    ids = [f"plant/line{number % 40}/sensor-{number:06d}" for number in range(count)]
    dataset = world.ingest("sensors")
    catalogue.ensure_series(world.engine, dataset.id, ids)
    values = [np.array([1.0, 2, 3] * 12)] * count
    panel = Panel.of(values, ids, np.full(count, START // FIVE - 36))
    world.promote(dataset, baseline(panel, "naive"), panel)
    with running(world, tmp_path / "log") as server:
        looked = Looked(page, server.url)
        looked.open("", "100,000 series")
        looked.check("many")
        page.get_by_label("Search series").fill("sensor-099999")
        page.get_by_text("1 of 1 series shown.").wait_for()
