"""`rollcast report`: one page about a dataset that asks nothing of any host."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from data.formats.options import SourceOptions
from pipelines import cli
from pipelines.dataset_report import data_quality, model_card, series
from pipelines.dataset_report import page as report_page
from pipelines.dataset_report.found import find
from pipelines.deletion import delete_dataset
from pipelines.evaluation import stored_backtest
from pipelines.evaluation.backtest import BacktestRequest, backtest
from pipelines.ingestion.ingest import ingest
from pipelines.models import model_store
from pipelines.workspace import Workspace
from tests.support.browser_kit import requests_elsewhere
from tests.support.loop_kit import (
    HORIZON,
    SEASON,
    STEPS,
    no_progress,
    promote_baseline,
    register_network,
    weekly,
    workspace_at,
    write_csv,
)
from tests.support.service_kit import until

NAME = "</script><script>document.documentElement.dataset.ran=1</script>"


@pytest.fixture
def week(tmp_path) -> Workspace:
    """Two series, "a" and "b", of which the seasonal naive serves."""
    (tmp_path / "home").mkdir()
    workspace = workspace_at(tmp_path / "home")
    options = SourceOptions(season=SEASON, horizon=HORIZON)
    ingest(workspace, write_csv(tmp_path / "week.csv", range(1, STEPS + 1)), "week", options)
    return workspace


def more(workspace: Workspace, path: Path, **values: list[float | None]) -> None:
    """Ingest further values of series from step STEPS + 1 on; None leaves a step out."""
    lines = [f"{name},{STEPS + 1 + i},{y}" for name, own in values.items() for i, y in enumerate(own) if y is not None]
    path.write_text("\n".join(["unique_id,t,y", *lines]) + "\n")
    ingest(workspace, str(path), "week", SourceOptions())


def shown(workspace: Workspace) -> str:
    """The words of the page, without scripts, styles and tags."""
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", " ", report_page.page(find(workspace, "week")), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace("\u202f", "")


def texts(table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_without_a_model_or_a_backtest_the_page_says_what_to_do(week):
    words = shown(week)
    assert "No model serves week; last ingest" in words
    assert "rollcast train week" in words and "None was kept. This makes one: rollcast backtest week" in words
    assert "No value is in quarantine." in words


def test_gaps_and_constant_stretches_are_counted_over_the_last_steps(week, tmp_path):
    more(week, tmp_path / "more.csv", a=[1.0, None, None, 2.0, None, 3.0], b=[5.0] * 9)
    found = find(week, "week")
    quality = data_quality.content(found)
    assert quality["gaps"] == "1 % of the last 500 steps of each series is missing: 3 steps in 1 of 2 series."
    assert texts(quality["worst"]) == [
        ["b", "149", "0", "0", "9", "149"],
        ["a", "146", "3", "2", "0", "146"],
    ]
    assert [[Path(row[1]).name, *row[2:]] for row in texts(quality["ingests"])] == [
        ["more.csv", "12", "done"],
        ["week.csv", "280", "done"],
    ]


def test_the_longest_run_of_each_row():
    marked = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1]], bool)
    assert data_quality.longest_run(marked).tolist() == [3, 0, 1, 6]


def test_the_last_backtest_is_kept_and_shown_until_the_dataset_is_deleted(week):
    for origins in (2, 3):
        backtest(
            week, BacktestRequest("week", ("naive", "seasonal_naive"), origins=origins), no_progress, lambda _: None
        )
    kept = find(week, "week").backtest
    assert kept["origins"] == 3 and len(kept["by_step"]["naive"]) == HORIZON
    assert kept["by_step"]["naive"][0]["horizon_step"] == 1
    words = shown(week)
    assert f"rollcast backtest week --models naive,seasonal_naive --last 0.2 --origins 3 --horizon {HORIZON}" in words
    path = stored_backtest.path_of(week.settings, "week")
    path.write_text(path.read_text()[:-9])
    assert find(week, "week").backtest is None
    delete_dataset.remove_folders(week, 1, "week")
    assert not path.exists()


def test_series_are_ranked_by_trouble_and_by_skill(week, tmp_path):
    promote_baseline(week, "week", "seasonal_naive")
    steps = range(STEPS + 1, STEPS + 71)
    regular = [weekly(step) for step in steps]
    restless = [weekly(step) + 40 * math.sin(step * step) for step in steps]  # far outside of what was seen
    more(week, tmp_path / "more.csv", a=restless, b=regular)
    content = series.content(find(week, "week"))
    assert content["judged"] == 2
    assert content["counts"] == {"miscalibrated": 1}
    (first,) = content["trouble"].rows
    assert first[0].text == "a" and first[2].text.startswith("miscalibrated: coverage ")
    assert first[1].picture.startswith("<svg ")
    worst, best = content["worst"].rows, content["best"].rows
    assert (len(worst), len(best)) == (1, 1) and float(worst[0][3].text) <= float(best[0][3].text)
    words = shown(week)
    assert "1 of 2 series needs attention: 1 miscalibrated" in words
    assert "140 values since the promotion" in words


def test_the_model_card_has_the_weights_by_gate(week):
    version = register_network(week, "week", worsens=False)
    from pipelines.promotion.promote import promote

    promote(week, "week", version, no_progress)
    found = find(week, "week")
    bundle = model_store.load(week, found.dataset, version)
    card = model_card.content(found)
    width = bundle.config.hidden_size
    inputs = bundle.weights["cells.weight_ih_l0"]
    rows = texts(card["gates"])
    assert [row[0] for row in rows[:4]] == [f"layer 1, {gate}" for gate in ("input", "forget", "new", "output")]
    forget = np.abs(inputs[..., width : 2 * width, :]).mean()
    assert rows[1][2] == f"{forget:.4f}"
    count = width * (inputs.shape[-1] + width + 2) * bundle.config.members
    assert rows[1][1].replace("\u202f", "") == str(count)
    assert card["facts"]["digest"] == bundle.digest
    assert card["facts"]["effective memory"].endswith(" steps")
    assert any(f"1 to {HORIZON} steps ahead" in limit for limit in card["limits"])
    assert "origins" not in card["validation"].heads


def test_the_page_asks_no_host_and_runs_no_name(week, tmp_path, page):
    (tmp_path / "odd.csv").write_text(
        "unique_id,t,y\n" + "".join(f'"{NAME}",{step},{weekly(step)}\n' for step in range(1, STEPS))
    )
    ingest(week, str(tmp_path / "odd.csv"), "week", SourceOptions())
    promote_baseline(week, "week", "seasonal_naive")
    backtest(week, BacktestRequest("week", ("naive", "seasonal_naive"), origins=3), no_progress, lambda _: None)
    made = report_page.write(week, "week", tmp_path / "r.html")
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    elsewhere = requests_elsewhere(page, f"file://{made}")
    page.goto(f"file://{made}")
    page.wait_for_selector("#error-by-step .scatterlayer")  # Plotly has drawn
    assert (errors, elsewhere) == ([], [])
    assert page.evaluate("document.documentElement.dataset.ran") is None
    repeated = "[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)"
    assert [name for name in page.evaluate(repeated) if not name.startswith(("clip", "xy", "topdefs"))] == []
    for width in (390, 1100):
        page.set_viewport_size({"width": width, "height": 800})
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        until(lambda wide=wide: page.evaluate(wide) <= 0)  # Plotly follows the window


def test_the_command_writes_the_page_and_refuses_other_files(week, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ROLLCAST_HOME", str(week.settings.home))
    monkeypatch.setenv("ROLLCAST_DATABASE_URL", str(week.engine.url))
    monkeypatch.chdir(tmp_path)
    assert cli.run(["report", "week", "--out", "r.html"]) == 0
    assert (tmp_path / "r.html").stat().st_size > 1_000_000  # Plotly is inside
    assert cli.run(["report", "week", "--out", "r.pdf"]) == 2
    assert capsys.readouterr().err.endswith("rollcast: r.pdf does not end in .html; name the report so\n")
    assert cli.run(["report", "none", "--out", "n.html"]) != 0
    assert not (tmp_path / "n.html").exists()
