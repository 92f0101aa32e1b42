"""Fault 48: a browser shows a series whose name is a script as text, on every page that shows names."""

import math
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from data.formats.options import SourceOptions
from data.settings import load_settings
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.ingestion.ingest import ingest
from pipelines.reports import html_report
from pipelines.workspace import open_workspace
from tests.support.server_kit import running
from tests.support.service_kit import World, baseline, panel_of

MARK = "document.documentElement.dataset.ran=1"
NAME = f"</script></pre></title><script>{MARK}</script><img src=x onerror={MARK}><svg onload={MARK}>"
RAN, SHOWN = 'data-ran="1"', "&lt;script&gt;document.documentElement"  # in the document after its scripts ran


@pytest.fixture
def browse(page) -> Callable[[str], str]:
    """The document that a browser makes of a page, after its scripts have run."""

    def browse(url: str) -> str:
        page.goto(url)
        page.wait_for_load_state("networkidle")  # only after the document: of a file it comes before the end
        return page.content()

    return browse


def test_fault_48_the_browser_runs_such_a_name_where_it_is_markup(browse, tmp_path):
    (tmp_path / "careless.html").write_text(f"<!doctype html><p>{NAME}")
    assert RAN in browse(f"file://{tmp_path / 'careless.html'}")


def test_fault_48_the_service_shows_a_name_as_text_and_runs_none(browse, tmp_path):
    world, panel = World.at(tmp_path / "home"), panel_of(NAME)
    world.promote(world.ingest("sensors", NAME), baseline(panel), panel)
    with running(world, tmp_path / "log") as server:
        listed = browse(f"{server.url}/v1/series")
        assert SHOWN in listed and RAN not in listed
        manual = browse(f"{server.url}/docs?search={quote(NAME)}")
        assert "/v1/observations" in manual and RAN not in manual  # the page's own script ran
        assert RAN not in browse(f"{server.url}/v1/series/{quote(NAME, safe='')}")


def test_fault_48_a_report_shows_a_name_as_text_and_runs_none(browse, tmp_path):
    workspace = open_workspace(load_settings(home=tmp_path / "home", database_url=f"sqlite:///{tmp_path / 'live.db'}"))
    lines = [f'"{NAME}",{step},{10 + math.sin(step):.3f}' for step in range(60)]
    (tmp_path / "week.csv").write_text("unique_id,t,y\n" + "\n".join(lines) + "\n")
    ingest(workspace, str(tmp_path / "week.csv"), "week", SourceOptions(season=7, horizon=7))
    asked = BacktestRequest("week", ("naive", "seasonal_naive"), origins=3)
    made: Path = html_report.write(backtest(workspace, asked, lambda *_: None, print), tmp_path / "report.html")
    shown = browse(f"file://{made}")
    assert SHOWN in shown and RAN not in shown
