"""Every SQL query of the Grafana dashboards finds rows in PostgreSQL after a run of the service."""

import json
import time

import numpy as np
import pytest
from sqlalchemy import text

from data.sql_views import NAMES
from data.store.database import reading
from tests.support.service_kit import START, World, baseline, panel_of, rows

IDS = ("plant/a", "plant/o'clock")  # a dashboard is asked for the first
STEPS = 48


def boards(root) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((root / "ops/grafana").glob("*.json"))]


def queries(root) -> dict[str, str]:
    """The SQL of every panel and of every variable, by title, as Grafana sends it."""
    found = {}
    for board in boards(root):
        variables = board["templating"]["list"]
        found |= {line["name"]: line["query"] for line in variables if str(line.get("query")).startswith("SELECT")}
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                if "rawSql" in target:
                    found[f"{panel['title']}, {target['refId']}"] = target["rawSql"]
    return {name: sent(query) for name, query in found.items()}


def sent(query: str) -> str:
    """A query with the variables and macros of Grafana filled in: from a day before the first value to tomorrow."""
    begin, end = START // 1_000_000 - 86_400, int(time.time()) + 86_400
    words = {
        "$__timeFilter(time)": f"time BETWEEN to_timestamp({begin}) AND to_timestamp({end})",
        "$__unixEpochFrom()": f"{begin}",
        "$__unixEpochTo()": f"{end}",
        "$dataset": "sensors",
        "$series": IDS[0],
    }
    for name, value in words.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    return query


@pytest.fixture
def world(tmp_path, postgres_url):
    """Two series, of which 48 values each arrived over HTTP; the service has ended."""
    world = World.at(tmp_path, database_url=postgres_url)
    panel = panel_of(*IDS)
    world.promote(world.ingest("sensors", *IDS), baseline(panel), panel)
    with world.serving() as client:
        for step in range(STEPS):
            sent = [row for name in IDS for row in rows(name, [10 + np.sin(step)], first=step)]
            assert client.post("/v1/observations", json=sent).status_code == 200
    return world


def test_every_query_finds_rows_and_a_table_is_read_by_none(root, world):
    found = queries(root)
    assert len(found) > 10
    for name, query in found.items():
        with reading(world.engine) as connection:
            lines = connection.execute(text(query.replace(":", "\\:"))).all()
        assert lines and any(value is not None for line in lines for value in line[1:] or line), (name, query)
        assert any(view in query for view in NAMES), name


def test_what_they_show_is_what_came_and_was_forecast(root, world):
    found = queries(root)

    def asked(name: str) -> list:
        with reading(world.engine) as connection:
            return connection.execute(text(found[name].replace(":", "\\:"))).all()

    values = asked("Values, and what was forecast before, A")
    assert [value for _, value in values] == [10 + float(np.sin(step)) for step in range(STEPS)]
    earlier = asked("Values, and what was forecast before, B")
    assert all(q10 <= q50 <= q90 for _, q10, q50, q90 in earlier)
    misses = asked("Largest misses, A")
    assert [abs(line.error) for line in misses] == sorted((abs(line.error) for line in misses), reverse=True)
    assert sum(scored for *_, scored in asked("Values scored in each hour, A")) == 2 * STEPS
    assert [name for (name,) in asked("series")] == sorted(IDS)
