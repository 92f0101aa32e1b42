"""`GET /v1/datasets`: what serves, how fresh and how right each dataset is, and what a key sees of it."""

import numpy as np
import pytest

from data.grid.durations import HOUR
from data.records import runs, schedules, scores
from data.records.schedules import NextRun, Schedule
from data.records.scores import Tally
from data.records.timetable import by_interval
from data.store import catalogue, keys, promotions
from forecasting.rolling.online_scores import SUMS
from tests.support.service_kit import START, World, baseline, panel_of, rows, stamp, until

PANEL = panel_of("a", "b")
SETTLED, ABSOLUTE, NAIVE, INSIDE = (SUMS.index(name) for name in ("settled", "absolute", "naive", "inside_80"))


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.dataset = world.ingest("sensors", "a", "b")
    return world


def line_of(client, name="sensors", **options):
    (line,) = [line for line in client.get("/v1/datasets", **options).json()["datasets"] if line["dataset"] == name]
    return line


def test_without_a_dataset_the_list_is_empty(tmp_path):
    with World.at(tmp_path).serving() as client:
        assert client.get("/v1/datasets").json() == {"datasets": []}


def test_a_dataset_without_a_model_says_so_and_its_promotion_is_0(world):
    with world.serving() as client:
        line = line_of(client)
        assert (line["series"], line["model"], line["promotion_id"], line["previous"]) == (2, None, 0, None)
        assert (line["trouble"], line["newest"], line["last_day"]) == ({}, None, None)
        assert {hour["n"] for hour in line["hours"]} == {None} and len(line["hours"]) == 72
        client.post("/v1/observations", json=rows("a", [1.0, 2.0]))
        assert line_of(client)["newest"] == stamp(1)


def test_a_line_names_the_model_the_newest_step_and_the_trouble(world):
    world.promote(world.dataset, baseline(PANEL, "naive"), PANEL)
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [5.0] * 90))
        line = line_of(client)
        assert line["model"]["kind"] == "naive" and line["promotion_id"] == 1
        assert line["newest"] == stamp(89) and line["trouble"]["silent"] == 1  # b had nothing for 90 steps of 84
        assert line["last_day"]["n"] == 90 and line["last_row_at"] is not None
        assert (line["freq"], line["kind"], line["season"], line["horizon"]) == ("5m", "instant", 12, 6)


def test_a_second_version_is_shown_with_the_one_before(world):
    world.promote(world.dataset, baseline(PANEL, "naive"), PANEL)
    world.promote(world.dataset, baseline(PANEL), PANEL)
    with world.serving() as client:
        line = line_of(client)
        assert (line["model"]["version"], line["previous"]["version"], line["promotion_id"]) == (2, 1, 2)


def test_hours_are_the_differences_of_sums_that_follow_one_another(world):
    """12 values an hour and series: half of them came in the first hour, all in the second, none in the third."""
    promotion_id = world.promote(world.dataset, baseline(PANEL), PANEL)
    now = (promotions.served(world.engine, world.dataset.id).decided_at // HOUR + 4) * HOUR
    for hours_ago, settled, inside in ((3, 12, 9), (2, 36, 33)):
        sums = np.zeros((3, len(SUMS)))
        sums[0, [SETTLED, ABSOLUTE, NAIVE, INSIDE]] = settled, settled, 2 * settled, inside
        totals = {"raw": sums.tolist(), "scaled": sums.tolist()}
        scores.put(world.engine, Tally(world.dataset.id, promotion_id, now - hours_ago * HOUR, 1, totals))
    with world.serving(lambda: now) as client:
        hours = line_of(client)["hours"][-4:]
        assert [hour["n"] for hour in hours] == [12, 24, 0, 0]
        assert [hour["coverage_80"] for hour in hours] == [0.75, 1.0, None, None]
        assert [hour["skill"] for hour in hours] == [0.5, 0.5, None, None]
        assert [hour["fresh"] for hour in hours] == [0.5, 1.0, 0.0, None]  # the last hour has just begun


def test_an_overdue_schedule_is_named_until_its_flow_succeeds(world):
    schedules.put(world.engine, Schedule("ingest", by_interval("15m"), "sensors"))
    late = NextRun("ingest", "sensors", "every 15m", START + HOUR, START, START + 1, START)
    schedules.note_next_runs(world.engine, [late])
    with world.serving() as client:
        assert line_of(client)["overdue"] == ["ingest"]
        with runs.recorded(world.engine, "ingest", "sensors"):
            pass
        line = line_of(client)
        assert line["overdue"] == [] and line["last_ingest_at"] is not None


def test_a_key_to_a_part_sees_its_series_and_no_figure_of_the_others(tmp_path):
    world = World.at(tmp_path, auth="on")
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL), PANEL)
    world.ingest("secret", "c")
    made = {
        series: {"Authorization": f"Bearer {keys.create(world.engine, 'k', ['admin'], [series]).text}"}
        for series in ("sensors/b", "sensors/*")
    }
    with world.serving() as client:
        until(lambda: client.get("/v1/datasets", headers=made["sensors/*"]).status_code == 200)
        client.post("/v1/observations", json=rows("a", [5.0] * 90), headers=made["sensors/*"])
        part, whole = (client.get("/v1/datasets", headers=header).json()["datasets"] for header in made.values())
        assert [line["dataset"] for line in part] == [line["dataset"] for line in whole] == ["sensors"]
        assert (part[0]["series"], whole[0]["series"]) == (1, 2)
        assert (part[0]["newest"], whole[0]["newest"]) == (stamp(-1), stamp(89))
        assert part[0]["trouble"] == {"silent": 1}
        assert {part[0][name] for name in ("last_day", "hours", "last_row_at", "quarantined")} == {None}
        assert whole[0]["last_day"]["n"] == 90


def test_the_same_answer_again_is_a_304_and_another_one_is_not(world):
    with world.serving() as client:
        etag = client.get("/v1/datasets").headers["etag"]
        again = client.get("/v1/datasets", headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        catalogue.ensure_series(world.engine, world.dataset.id, ["z"])
        until(lambda: client.get("/v1/datasets", headers={"If-None-Match": etag}).status_code == 200)
        assert client.get("/v1/datasets?limit=3").status_code == 422
