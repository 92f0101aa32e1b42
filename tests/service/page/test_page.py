"""The page at `/`, each page and each situation once, in Debian's Chromium."""

import json
import re

import httpx
import pytest

from data.store import keys, promotions
from forecasting.universal.shipped import shipped_bundle
from service.http import uplot
from service.routers import page as page_router
from tests.support.looked_kit import Looked
from tests.support.server_kit import running
from tests.support.service_kit import HORIZON, SEASON, World, baseline, network, panel_of, rows, until

IDS = ("plant/one/a", "plant/one/b")
PANEL = panel_of(*IDS)


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


@pytest.fixture
def served(world):
    """Two series under a network, a baseline that served before."""
    dataset = world.ingest("sensors", *IDS)
    world.promote(dataset, baseline(PANEL), PANEL)
    world.promote(dataset, network(PANEL), PANEL)
    return world


@pytest.fixture
def server(world, tmp_path):
    with running(world, tmp_path / "log") as server:
        yield server


@pytest.fixture
def looked(page, server):
    return Looked(page, server.url)


def observe(server, sent):
    answer = httpx.post(f"{server.url}/v1/observations", json=sent, timeout=120)
    assert answer.status_code == 200, answer.text


def test_without_a_dataset_it_says_what_to_do(looked):
    page = looked.open("", "Nothing is stored here yet.")
    assert "rollcast ingest FILE" in page.inner_text("main")
    looked.check("nothing")
    for address, words in (("#/models", "There is no dataset yet."), ("#/pipelines", "Nothing is scheduled.")):
        looked.open(address, words)
        looked.check(f"nothing-{address[2:]}")


def test_without_a_model_it_says_so(world, looked):
    world.ingest("sensors", *IDS)
    looked.open("", "no model serves sensors")
    looked.check("no-model")
    looked.open("#/models", "No model serves.")
    looked.open(f"#/series/sensors/{IDS[0].replace('/', '%2F')}", IDS[0])
    looked.check("no-model-series")


def test_the_shipped_model_says_what_it_is(world, looked):
    world.promote(world.ingest("sensors", *IDS), shipped_bundle("5m", HORIZON, SEASON), PANEL, event="shipped")
    page = looked.open("#/models", "It ships with Rollcast: nothing was trained on this dataset.")
    assert "version 1 ships with Rollcast and serves since the first ingest" in page.inner_text("main")
    looked.check("shipped")
    looked.open(f"#/series/sensors/{IDS[0].replace('/', '%2F')}", IDS[0])
    looked.check("shipped-series")


def test_the_verdict_counts_and_filters(served, server, looked):
    observe(server, [*rows(IDS[0], [1.0] * 3), *rows(IDS[1], [1.0], first=200)])
    page = looked.open("", "1 of 2 series needs attention")
    looked.check("overview")
    page.get_by_role("link", name="1 silent").click()
    page.get_by_text("1 of 1 series shown.").wait_for()
    assert page.url.endswith("trouble=silent")
    page.get_by_role("button", name="Show all").click()
    page.get_by_text("2 of 2 series shown.").wait_for()


def test_a_value_that_arrives_is_drawn_with_its_forecast(served, server, looked):
    observe(server, rows(IDS[0], [float(value) for value in range(30)]))
    page = looked.open(f"#/series/sensors/{IDS[0].replace('/', '%2F')}", "Newest value")
    observe(server, rows(IDS[0], [77.25], first=30))
    forecast = httpx.get(f"{server.url}/v1/series/{IDS[0]}/forecast?quantiles=0.5", timeout=120).json()
    page.get_by_text("77.25").first.wait_for()
    page.get_by_text("The numbers behind this chart").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    lines = download.value.path().read_text().splitlines()
    drawn = [float(line.split(",")[2]) for line in lines[-len(forecast["ds"]) :]]
    assert drawn == pytest.approx(forecast["quantiles"]["0.5"], rel=1e-9)
    looked.check("series")


def test_a_threshold_stands_in_the_address_and_gives_chances(served, server, looked):
    observe(server, rows(IDS[0], [float(value % 12) for value in range(30)]))
    page = looked.open(f"#/series/sensors/{IDS[0].replace('/', '%2F')}?threshold=5", "Chance to be above 5")
    page.get_by_label("Threshold").fill("6")
    page.get_by_label("Threshold").press("Enter")
    page.get_by_text("Chance to be above 6").wait_for()
    assert page.url.endswith("threshold=6")
    looked.check("threshold")


def test_the_inside_of_the_network_opens_with_gates_lean_memory_and_a_cell(served, server, looked):
    observe(server, rows(IDS[0], [float(value % 12) for value in range(30)]))
    name = IDS[0].replace("/", "%2F")
    page = looked.open(f"#/series/sensors/{name}", "Newest value")
    page.get_by_text("Inside the network").click()
    page.get_by_text("Gates over the last 46 steps").wait_for()  # 16 of the context, and the 30 values
    assert page.url.endswith("network=1")
    inside = httpx.get(f"{server.url}/v1/series/{IDS[0]}/network", timeout=120).json()
    forget = f"{100 * inside['layers'][0]['gates']['forget']['mean'][-1]:.0f} %"
    assert page.get_by_label(f"forget gate: {forget} open in the last step").locator("canvas").count() == 1
    assert f"{inside['cell']['carry_after']:.3f}".replace("-", "\u2212") in page.locator("svg.cell").text_content()
    page.get_by_role("button", name="Layer 2").click()
    page.get_by_label("forget gate").first.wait_for()
    looked.check("network")
    looked.open(f"#/series/sensors/{name}?network=1", "What the forecast leans on")
    page.get_by_text("Inside the network").click()
    page.wait_for_function("!location.hash.includes('network')")


def test_a_rollback_by_clicking_asks_for_the_name(served, server, looked):
    page = looked.open("#/models", "Roll back")
    page.get_by_role("button", name="Roll back").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("button", name="Roll back").is_disabled()
    dialog.get_by_label("Name of the dataset").fill("sensors")
    dialog.get_by_role("button", name="Roll back").click()
    until(lambda: promotions.decisions(served.engine, 1)[-1].event == "rolled_back")
    page.get_by_text("serves again after a rollback").wait_for()
    looked.check("models")


def test_the_keyboard_alone_leads_from_the_overview_to_a_series(served, server, looked):
    observe(server, rows(IDS[0], [1.0]))
    page = looked.open("", "series shown")
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.textContent")
        if focused == IDS[0]:
            break
    assert focused == IDS[0]
    page.keyboard.press("Enter")
    page.get_by_text("Newest value").first.wait_for()


def test_a_service_with_keys_asks_for_one_and_never_puts_it_into_an_address(served, tmp_path, page):
    key = keys.create(served.engine, "ops", ["read"]).text
    with running(served, tmp_path / "log", auth="on") as server:
        looked = Looked(page, server.url)
        looked.open("", "This service asks for a key")
        looked.check("key")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Open").click()
        page.get_by_text("series shown").first.wait_for()
        assert key not in page.url


def test_uplot_is_the_file_that_was_tested_and_is_not_in_the_repository():
    assert uplot.read(uplot.SCRIPT).startswith(b"/*! https://github.com/leeoniya/uPlot (v1.6.31) */")
    uplot.read(uplot.STYLE)
    assert not list(page_router.FOLDER.glob("*plot*"))


def test_our_own_files_are_small_and_name_no_other_host():
    files = [path for path in page_router.FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 150_000
    for path in files:
        named = re.findall(r"https?://[^\s\"'`]+", path.read_text())
        assert all(address.startswith("http://www.w3.org/") for address in named), (path.name, named)


def test_the_page_says_nothing_that_is_stored(served, tmp_path):
    with running(served, tmp_path / "log", auth="on") as server:
        for name in ("", *(f"ops/{name}" for name in sorted(page_router.names()))):
            answer = httpx.get(f"{server.url}/{name}", timeout=120)
            assert answer.status_code == 200
            assert "sensors" not in answer.text
            again = httpx.get(
                f"{server.url}/{name}", headers={"If-None-Match": answer.headers.get("etag", "")}, timeout=120
            )
            assert again.status_code == (304 if name else 200)
        assert httpx.get(f"{server.url}/ops/none.js", timeout=120).status_code == 404
        assert json.loads(httpx.get(f"{server.url}/v1/datasets", timeout=120).text)["code"] == "unauthorized"
