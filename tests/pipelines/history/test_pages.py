"""Pages of history: what they hold after ingests, corrections, hand-offs, deletions and kills."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from data import failpoints
from data.changes import deletions
from data.formats.options import SourceOptions
from data.history import page_table
from data.history.overviews import bins_of, decode_bins, joined
from data.history.page_codec import NO_ROWS, decode
from pipelines.deletion import run
from pipelines.history.ends import refresh_ends
from pipelines.history.pages import refresh_pages
from pipelines.ingestion.ingest import ingest
from pipelines.workspace import open_workspace
from tests.support.history_kit import Plant

COLUMNS = ("steps", "values", "corrected")


@pytest.fixture
def plant(tmp_path, monkeypatch):
    return Plant.at(tmp_path, monkeypatch)


def kept(plant, name="a"):
    """Step, value and mark `corrected` of each row that the pages of a series have."""
    found = page_table.pages(plant.workspace.engine, plant.numbers[name], -10, 10)
    rows = [decode(page.rows, page.page) if page.rows else NO_ROWS for page in found]
    columns = [np.concatenate([getattr(part, name) for part in (NO_ROWS, *rows)]).tolist() for name in COLUMNS]
    return [(step, None if y != y else y, corrected) for step, y, corrected in zip(*columns, strict=True)]


def overview(plant, name="a"):
    """Number, least, largest and last of each bin of 64 steps."""
    found = page_table.overviews(plant.workspace.engine, plant.numbers[name], -10, 10)
    bins = joined([bins_of(NO_ROWS), *(decode_bins(page.overview, page.page) for page in found)])
    columns = (bins.numbers.tolist(), bins.low.tolist(), bins.high.tolist(), bins.last.tolist())
    return list(zip(*columns, strict=True))


def delete(plant, kind, asked):
    return run.run(plant.workspace, run.request(plant.workspace, plant.dataset, kind, asked))


def test_the_first_time_pages_hold_the_whole_past(plant):
    plant.store(1, ("a", 0, 1.0), ("a", 1, None), ("a", 1030, 3.5), ("b", 7, 2.0))
    refresh_pages(plant.workspace, plant.dataset)
    assert kept(plant) == [(0, 1.0, False), (1, None, False), (1030, 3.5, False)]
    assert kept(plant, "b") == [(7, 2.0, False)]
    assert overview(plant) == [(0, 1.0, 1.0, 1.0), (16, 3.5, 3.5, 3.5)]


def test_a_correction_replaces_a_value_and_is_marked(plant):
    plant.store(1, ("a", 0, 1.0), ("a", 1, 2.0), ("a", 2, None))
    refresh_pages(plant.workspace, plant.dataset)
    plant.store(2, ("a", 1, 9.0), ("a", 2, 4.0), ("a", 3, 5.0))
    refresh_pages(plant.workspace, plant.dataset)
    assert kept(plant) == [(0, 1.0, False), (1, 9.0, True), (2, 4.0, False), (3, 5.0, False)]
    assert overview(plant) == [(0, 1.0, 9.0, 5.0)]


def test_rows_that_the_log_has_wait_there_until_they_are_handed_off(plant):
    plant.store(1, ("a", 0, 1.0))
    refresh_pages(plant.workspace, plant.dataset)
    plant.store(2, ("a", 1, 2.0))
    plant.log(2, ("a", 1, 2.0))
    refresh_pages(plant.workspace, plant.dataset)
    assert kept(plant) == [(0, 1.0, False)]
    plant.log(3, ("a", 0, 7.0), ("a", 2, 3.0), ("b", 0, 0.0))  # the newest row of a log never leaves it
    assert plant.hand_off() == 3
    assert kept(plant) == [(0, 7.0, True), (1, 2.0, False), (2, 3.0, False)]
    before = page_table.mark(plant.workspace.engine, plant.dataset.id)
    refresh_pages(plant.workspace, plant.dataset)  # what moved is there already
    assert kept(plant) == [(0, 7.0, True), (1, 2.0, False), (2, 3.0, False)]
    assert before.lake_version < page_table.mark(plant.workspace.engine, plant.dataset.id).lake_version


def test_pages_made_again_from_the_lake_are_those_that_grew(plant):
    draw = np.random.default_rng(1)
    for turn in range(4):
        steps = draw.permutation(3000)[:400].tolist()
        rows = [("ab"[n % 2], step, float(turn * 1000 + n)) for n, step in enumerate(steps)]
        plant.store(2 * turn + 1, *rows)
        refresh_pages(plant.workspace, plant.dataset)
        live = draw.permutation(3000)[:100].tolist()
        plant.log(2 * turn + 2, *[("ab"[n % 2], step, -float(n)) for n, step in enumerate(live)])
    plant.hand_off()
    refresh_pages(plant.workspace, plant.dataset)
    grown = [kept(plant, name) for name in "ab"], [overview(plant, name) for name in "ab"]
    page_table.clear(plant.workspace.engine, plant.dataset.id)
    refresh_pages(plant.workspace, plant.dataset)
    assert ([kept(plant, name) for name in "ab"], [overview(plant, name) for name in "ab"]) == grown


def test_a_quarantined_value_is_missing_in_pages_and_overviews(plant):
    plant.store(1, ("a", 0, 1.0), ("a", 1, 999.0))
    plant.hold("a", 1, 999.0)
    refresh_pages(plant.workspace, plant.dataset)
    assert kept(plant) == [(0, 1.0, False), (1, None, False)]
    assert overview(plant) == [(0, 1.0, 1.0, 1.0)]


def test_what_a_killed_process_did_not_do_the_next_one_does(plant, monkeypatch):
    plant.store(1, ("a", 0, 1.0), ("b", 0, 1.0))
    refresh_pages(plant.workspace, plant.dataset)
    plant.store(2, ("a", 0, 2.0), ("b", 0, 2.0))
    monkeypatch.setattr(failpoints, "hit", lambda name: 1 / 0 if name == "history.made" else None)
    with pytest.raises(ZeroDivisionError):
        refresh_pages(plant.workspace, plant.dataset)
    monkeypatch.undo()
    refresh_pages(plant.workspace, plant.dataset)
    refresh_pages(plant.workspace, plant.dataset)
    assert kept(plant) == kept(plant, "b") == [(0, 2.0, True)]


def test_the_oldest_pages_leave_first_and_their_overviews_stay(plant, monkeypatch):
    draw = np.random.default_rng(1)
    values = draw.standard_normal(4096)
    plant.store(1, *[("a", step, float(values[step])) for step in range(4096)])
    refresh_pages(plant.workspace, plant.dataset)
    full = page_table.sizes(plant.workspace.engine)[plant.dataset.id]
    page_table.let_go(plant.workspace.engine, full // 2 + 100)
    assert [row[0] for row in kept(plant)] == list(range(2048, 4096))
    assert page_table.mark(plant.workspace.engine, plant.dataset.id).kept_from == 2
    assert len(overview(plant)) == 64
    assert overview(plant)[0][1:] == (values[:64].min(), values[:64].max(), values[63])
    plant.store(2, ("a", 5, 99.0))  # a correction behind what is kept
    refresh_pages(plant.workspace, plant.dataset)
    assert [row[0] for row in kept(plant)] == list(range(2048, 4096))
    assert overview(plant)[0][2] == 99.0
    plant.log(3, ("a", 70, 98.0), ("b", 0, 0.0))
    plant.hand_off()
    assert overview(plant)[1][2] == 98.0


def test_deleted_rows_and_series_leave_the_pages(plant):
    plant.store(1, *[(name, step, float(step)) for name in "ab" for step in range(2000)])
    refresh_ends(plant.workspace, plant.dataset)
    refresh_pages(plant.workspace, plant.dataset)
    version = page_table.mark(plant.workspace.engine, plant.dataset.id).version
    plant.monkeypatch.undo()  # the clock goes on: a lease that ended is not held any more
    delete(plant, "rows", {"series": ["a"], "first": 1030, "last": 1999})
    assert [row[0] for row in kept(plant)] == list(range(1030))
    assert len(kept(plant, "b")) == 2000
    assert page_table.mark(plant.workspace.engine, plant.dataset.id).version > version
    delete(plant, "series", {"series": ["b"]})
    assert page_table.kept(plant.workspace.engine, plant.numbers["b"]) == (None, None, None)
    assert len(kept(plant)) == 1030
    delete(plant, "dataset", {})
    assert page_table.sizes(plant.workspace.engine) == {}
    assert page_table.mark(plant.workspace.engine, plant.dataset.id) is None


def test_a_deletion_that_is_killed_before_pages_are_made_again_is_finished(plant, monkeypatch):
    plant.store(1, *[("a", step, float(step)) for step in range(100)])
    refresh_ends(plant.workspace, plant.dataset)
    refresh_pages(plant.workspace, plant.dataset)
    asked = {"series": ["a"], "first": 50, "last": 59}
    monkeypatch.setattr(failpoints, "hit", lambda name: 1 / 0 if name == "deletion.applied" else None)
    with pytest.raises(ZeroDivisionError):
        delete(plant, "rows", asked)
    monkeypatch.undo()
    assert kept(plant) == []
    run.finish_begun_deletions(plant.workspace, plant.dataset)
    assert [row[0] for row in kept(plant)] == [*range(50), *range(60, 100)]
    assert [found.state for found in deletions.deletions(plant.workspace.engine)] == ["done"]


def test_without_a_limit_in_bytes_there_are_no_pages(plant):
    plant.store(1, ("a", 0, 1.0))
    refresh_pages(plant.workspace, plant.dataset)
    settings = plant.workspace.settings.model_copy(update={"history_bytes": 0})
    refresh_pages(plant.workspace.__class__(settings, plant.workspace.engine, plant.workspace.lake), plant.dataset)
    assert kept(plant) == []
    assert page_table.mark(plant.workspace.engine, plant.dataset.id) is None


@pytest.mark.parametrize("point", ["ingest.committed", "ingest.recorded", "history.written", "history.made"])
@pytest.mark.parametrize("first", [True, False], ids=["the first ingest", "a later ingest"])
def test_a_kill_at_any_step_of_an_ingest_is_mended_by_the_next(tmp_path, point, first):
    file = tmp_path / "plant.csv"
    lines = [f"a,2024-01-01T{hour:02}:00:00Z,{hour}" for hour in range(12)]
    workspace = open_workspace()
    if not first:
        file.write_text("\n".join(["unique_id,ds,y", *lines[:8]]) + "\n")
        ingest(workspace, str(file), "plant", SourceOptions(freq="1h"))
        lines[2] = "a,2024-01-01T02:00:00Z,-2"
    file.write_text("\n".join(["unique_id,ds,y", *lines]) + "\n")
    code = f"from pipelines.cli import run; run({['ingest', str(file), '--dataset', 'plant', '--freq', '1h']!r})"
    armed = {**os.environ, "ROLLCAST_FAILPOINTS": f"{point}=exit"}
    assert subprocess.run([sys.executable, "-c", code], env=armed, capture_output=True).returncode == -signal.SIGKILL
    ingest(workspace, str(file), "plant", SourceOptions(freq="1h"))
    found = page_table.pages(workspace.engine, 1, 0, 10**6)
    rows = [decode(page.rows, page.page) for page in found]
    assert sum(map(len, rows)) == 12
    values = [0, 1, 2 if first else -2, *range(3, 12)]
    assert np.concatenate([part.values for part in rows]).tolist() == values
    assert page_table.mark(workspace.engine, 1).lake_version == workspace.lake.snapshot(1)
