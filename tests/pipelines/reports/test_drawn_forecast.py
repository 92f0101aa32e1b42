"""A forecast in the terminal and as an SVG file."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from data.formats.options import SourceOptions
from pipelines import cli
from pipelines.forecasts.batch_forecast import BatchRequest, forecast
from pipelines.forecasts.pictured import Picture, picture_of
from pipelines.ingestion.ingest import ingest
from pipelines.reports import svg_plot
from pipelines.reports.terminal_plot import ASCII, ROWS, UNICODE, can_print, lines
from pipelines.workspace import Workspace
from tests.support.loop_kit import (
    HORIZON,
    SEASON,
    STEPS,
    no_progress,
    promote_baseline,
    weekly,
    workspace_at,
    write_csv,
)

SVG = "{http://www.w3.org/2000/svg}"


def rising() -> Picture:
    """Ten steps at 0 with one missing, then a median of 10 within 5 to 10."""
    past, median = np.zeros(10), np.full(5, 10.0)
    past[4] = np.nan
    steps = np.arange(15)
    return Picture(
        "<b>a</b>", "naive version 1", "step", "y", steps[:10], past, steps[10:], median, {80: (median / 2, median)}
    )


def texts(picture: Picture, width: int, signs=UNICODE) -> list[str]:
    return ["".join(cell.text for cell in line) for line in lines(picture, width, signs)]


@pytest.fixture
def week(tmp_path) -> Workspace:
    """Two series, "a" and "b", of which the seasonal naive serves."""
    home = tmp_path / "home"
    home.mkdir()
    workspace = workspace_at(home)
    options = SourceOptions(season=SEASON, horizon=HORIZON)
    ingest(workspace, write_csv(tmp_path / "week.csv", range(1, STEPS + 1)), "week", options)
    promote_baseline(workspace, "week", "seasonal_naive")
    return workspace


def test_a_picture_has_the_past_up_to_the_origin_and_the_forecast_after_it(week):
    picture = picture_of(week, forecast(week, BatchRequest("week", levels=(80, 95)), no_progress), "b")
    assert picture.past_ds.tolist() == list(range(STEPS - 23, STEPS + 1))
    assert picture.past == pytest.approx([weekly(step + 1) for step in range(STEPS - 23, STEPS + 1)])
    assert picture.ds.tolist() == list(range(STEPS + 1, STEPS + 1 + HORIZON))
    assert picture.median == pytest.approx(picture.past[-SEASON:], rel=1e-5)  # one season before
    assert list(picture.bands) == [95, 80]
    assert (picture.bands[95][1] >= picture.bands[80][1]).all()


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_past_is_at_the_bottom_left_and_the_median_at_the_top_right(width):
    plot = [line[line.index(UNICODE["axis"] if UNICODE["axis"] in line else UNICODE["tick"]) + 1 :]
            for line in texts(rising(), width)[1 : ROWS + 1]]  # fmt: skip
    now = plot[1].index(UNICODE["now"])
    assert all(len(line) <= width for line in texts(rising(), width)[1:-1])
    assert set(plot[-1][:now]) <= set(" ⣀⢀⡀") and " " in plot[-1][:now].strip()  # the missing value is a gap
    assert plot[-1][-5:].strip() == ""
    assert "⠉" in plot[0][now:] and plot[0][:now].strip() == ""
    assert UNICODE["band"] in plot[ROWS // 4][now:]
    assert not any(UNICODE["band"] in line for line in plot[ROWS // 2 + 1 :])  # below 5


def test_values_and_times_are_on_the_axes():
    shown = texts(rising(), 80)
    ticks = [line.split(UNICODE["tick"])[0].strip() for line in shown if UNICODE["tick"] in line]
    assert ticks == ["10", "5", "0"]
    assert shown[ROWS + 2].split() == ["0", "5", "10"]
    assert shown[-1] == "past before ┊ step 9, median after it, ░ 80 % interval"


def test_a_terminal_without_unicode_gets_plain_characters():
    assert can_print(UNICODE, "utf-8") and not can_print(UNICODE, "latin-1") and can_print(ASCII, "ascii")
    shown = "\n".join(texts(rising(), 60, ASCII))
    assert shown.isascii() and "*" in shown and ":" in shown


def test_an_svg_breaks_the_past_at_a_gap_and_shows_a_name_as_text(tmp_path):
    svg_plot.write(rising(), tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()  # noqa: S314  # our own file
    before, after, median = root.findall(f"{SVG}polyline")
    first, last = before.get("points").split(), after.get("points").split()
    assert (len(first), len(last), len(median.get("points").split())) == (4, 5, 1 + 5)
    bottom, top = float(first[0].split(",")[1]), float(median.get("points").split()[-1].split(",")[1])
    assert svg_plot.TOP < top < bottom < svg_plot.HEIGHT - svg_plot.BOTTOM
    assert len(root.find(f"{SVG}polygon").get("points").split()) == 2 * (1 + 5)
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert "<b>a</b>" in words and {"0", "2", "4", "6", "8", "10"} <= set(words)
    assert "href" not in (tmp_path / "a.svg").read_text()


def test_the_command_draws_the_series_that_is_asked_for(week, tmp_path, capsys):
    assert cli.run(["forecast", "week", "--series", "b", "--plot", "--svg", str(tmp_path / "b.svg")]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("b: y, seasonal_naive version 1\n") and "┊" in printed.out
    assert len(printed.out.splitlines()) == 1 + ROWS + 2 + 1
    assert ">b</text>" in (tmp_path / "b.svg").read_text()
    assert cli.run(["forecast", "week", "--plot"]) == 0
    assert "the first of 2 series" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--plot", "--json"], "--plot draws and --json prints numbers; give one of them"),
        (["--plot", "--lake"], "--plot draws and --lake stores; give one of them"),
        (["--svg", "a.svg", "--out", "a.csv"], "--svg draws and --out stores; give one of them"),
        (["--svg", "a.png"], "a.png does not end in .svg; name the picture so"),
    ],
)
def test_options_that_do_not_go_together_are_refused(week, tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["forecast", "week", *options]) == 2
    assert capsys.readouterr().err == f"rollcast: {words}\n"
    assert not list(Path().glob("a.*"))
