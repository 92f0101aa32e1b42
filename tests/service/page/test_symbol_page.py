"""The page of a series of symbols: stacked bars, gates and continuations, in Debian's Chromium."""

import httpx
import pytest

from tests.support.looked_kit import Looked
from tests.support.server_kit import running
from tests.support.service_kit import World
from tests.support.symbol_kit import DISHES, cycling, dinners, symbol_network, symbol_rows

PANEL = dinners("dinner")


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("kitchen", "dinner", vocabulary=DISHES), cycling(PANEL), PANEL)
    return world


@pytest.fixture
def server(world, tmp_path):
    with running(world, tmp_path / "log") as server:
        yield server


@pytest.fixture
def looked(page, server):
    return Looked(page, server.url)


def observe(server, symbols, first=0):
    sent = symbol_rows("dinner", symbols, first)
    answer = httpx.post(f"{server.url}/v1/observations", json=sent, timeout=120)
    assert answer.status_code == 200, answer.text


def test_bars_say_what_was_expected_what_came_and_what_may_come(server, looked):
    observe(server, ["pizza", "sushi", None, "pizza", "waffles", "soup"])
    page = looked.open("#/series/kitchen/dinner", "How it may go on")
    assert "the next symbol is most likely" in page.locator("svg.stacked").get_attribute("aria-label")
    assert page.locator("svg.stacked .ahead").count() == 6  # the horizon
    assert page.locator("svg.stacked rect.missing").count() >= 2  # the day before, and soup, which is quarantined
    assert page.locator("svg.stacked rect.surprise").count() >= 1  # waffles after pizza
    assert page.locator(".legend").first.inner_text().split("\n")[:3] == list(DISHES)
    page.get_by_text("4 symbols scored").wait_for()
    looked.check("symbols")
    observe(server, ["waffles"], first=5)  # a correction arrives by itself
    page.get_by_text("5 symbols scored").or_(page.get_by_text("4 symbols scored")).wait_for()


def test_continuations_are_drawn_when_they_are_asked_for(server, looked):
    observe(server, ["pizza"])
    page = looked.open("#/series/kitchen/dinner", "How it may go on")
    page.get_by_label("of steps").fill("3")
    page.get_by_label("temperature").fill("0.05")
    page.get_by_role("button", name="Draw").click()
    page.get_by_text("sushi · waffles · pizza").first.wait_for()
    assert page.locator("pre.drawn").count() == 3
    looked.check("symbols-continued")
    page.get_by_label("temperature").fill("9")
    page.get_by_role("button", name="Draw").click()
    page.get_by_text("must be a number above 0 and at most 5").wait_for()


def test_the_gates_of_a_network_of_symbols_are_drawn(world, tmp_path, page):
    world.promote(world.ingest("kitchen"), symbol_network(PANEL, vocabulary=DISHES), PANEL)
    with running(world, tmp_path / "log") as server:
        observe(server, ["pizza", "sushi", "waffles"])
        looked = Looked(page, server.url)
        looked.open("#/series/kitchen/dinner?network=1", "Gates over the last")
        page.get_by_text("Forget gate").wait_for()
        page.get_by_text("the symbol waffles").wait_for()
        page.get_by_text("How long the cells remember").wait_for()
        page.get_by_text("another last symbol would").wait_for()
        looked.check("symbols-gates")


def test_a_series_of_symbols_without_a_model_shows_what_came(tmp_path, page):
    world = World.at(tmp_path / "home")
    world.ingest("kitchen", "dinner", vocabulary=DISHES)
    with running(world, tmp_path / "log") as server:
        observe(server, ["pizza", "sushi"])
        looked = Looked(page, server.url)
        looked.open("#/series/kitchen/dinner", "Last symbol")
        page.get_by_text("Vocabulary").wait_for()
        looked.check("symbols-no-model")
