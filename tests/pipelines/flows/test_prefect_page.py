"""Prefect's page, in a browser and on any port: flows, runs, and what the last backtest found."""

import re
import signal

import pytest

from data.formats.options import SourceOptions
from data.records import schedules
from data.records.schedules import Schedule
from data.records.timetable import by_interval
from data.settings import load_settings
from pipelines.flows import prefect_settings
from pipelines.flows.uvicorn_process import free_port
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace
from tests.support.browser_kit import requests_elsewhere
from tests.support.prefect_kit import serve, succeeded, wait_for


@pytest.mark.prefect
@pytest.mark.timeout(2400)
def test_the_page_shows_flows_runs_and_the_last_backtest_and_asks_nobody_else(page, home, tmp_path):
    workspace = open_workspace()
    lines = [f"a,{step},{step % 5 + step % 3 / 10}" for step in range(1, 90)]
    (tmp_path / "raw.csv").write_text("unique_id,t,y\n" + "\n".join(lines) + "\n")
    ingest(workspace, str(tmp_path / "raw.csv"), "pumps", SourceOptions(season=5, horizon=5))
    asked = {"models": ["naive", "seasonal_naive"], "origins": 3}
    schedules.put(workspace.engine, Schedule("backtest", by_interval("10s"), "pumps", asked))
    port = free_port()
    serving, url = serve(port), f"http://localhost:{port}"  # not the address that is printed, as through a tunnel
    try:
        wait_for(lambda: succeeded("backtest"), 900)
        elsewhere = requests_elsewhere(page, url)
        page.goto(url)
        page.locator("input[type=password]").fill(prefect_settings.auth(load_settings()))
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/dashboard")

        page.goto(f"{url}/flows")
        page.get_by_text("12 Flows").wait_for()
        assert page.get_by_role("link", name="backtest").count() > 0

        page.goto(f"{url}/runs")
        page.get_by_text("Completed").first.wait_for()

        page.goto(f"{url}/artifacts")
        page.get_by_text("Backtest of pumps").first.wait_for()
        page.get_by_text("backtest-report").first.click()
        page.locator("a[href*='/artifacts/artifact/']").first.click()
        page.get_by_role("heading", name="Backtest of pumps").wait_for()
        assert "3 origins, 5 steps ahead." in page.inner_text("body")
        row = page.get_by_role("row", name=re.compile("^seasonal_naive"))
        assert row.inner_text().split()[:2] == ["seasonal_naive", "3"]
        assert elsewhere == []
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(300) == 0
