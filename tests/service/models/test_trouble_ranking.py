"""Series ranked by trouble: equal to sorting all of them by the words of `states.views.trouble`."""

import numpy as np
import pytest

from forecasting.rolling.recent_scores import recent_scores
from service.models import trouble_ranking
from service.models.trouble_ranking import SeriesFilter
from states.views import trouble
from states.views.trouble import CLASSES
from tests.support.service_kit import World, baseline, panel_of, rows

PANEL = panel_of("a", "b")


@pytest.fixture
def world(tmp_path):
    world = World.at(tmp_path)
    world.promote(world.ingest("sensors", "a", "b"), baseline(PANEL, "naive"), PANEL)
    return world


def thousand(client, draw):
    """Give a dataset 1,000 more series with random counts, silences and scores; returns the directory."""
    runtime = client.app.state.runtime
    ids = [f"plant/{number % 7}/{number}" for number in range(1000)]
    client.post("/v1/series", json=[{"unique_id": name, "dataset": "sensors"} for name in ids[:500]])
    client.post("/v1/series", json=[{"unique_id": name, "dataset": "sensors"} for name in ids[500:]])
    client.post("/v1/observations", json=[row for name in ids for row in rows(name, [1.0])])
    served = runtime.directory.datasets["sensors"]
    arrays = served.champion.states._arrays
    n = len(arrays.series)
    arrays.state.arrays["observed"][:] = draw.choice([0, 1, 100], n, p=[0.1, 0.1, 0.8])
    arrays.state.arrays["origin"][:] -= draw.choice([0, 500], n, p=[0.97, 0.03]) * draw.integers(1, 4, n)
    arrays.stale[:] = draw.random(n) < 0.03
    weight = draw.choice([10, 90], n).astype(float)
    shares = (weight, weight, weight * draw.uniform(0.6, 1, n), weight * draw.uniform(0.5, 1.5, n), weight)
    arrays.recent[:] = np.stack(shares, 1)
    served.judge._ends = {int(series): Held() for series in arrays.series[draw.random(n) < 0.02]}
    return runtime.directory


class Held:
    """The end of a series of which two values are in quarantine."""

    waiting = (1, 2)


def expected(directory):
    """(class, size, series) of every series in trouble, one by one."""
    served = directory.datasets["sensors"]
    champion, found = served.champion, []
    for name, number in served.series.items():
        row = champion.states.read(number)
        if row is None or not row.state.observed[0]:
            continue
        at = champion.states.rows_of(np.array([number]))
        n, _, z, skill = (float(column[0]) for column in recent_scores(champion.states.recent(at)))
        since = champion.states.newest - int(row.state.origin[0]) + int(champion.roller.silence(row.state, [0])[0])
        if row.silent:
            kind, size = "silent", since
        elif row.stale:
            kind, size = "stale", 1
        elif served.judge.flags(number)["quarantined"]:
            kind, size = "quarantined", 2
        elif n >= 50 and abs(z) > 3.5:
            kind, size = "miscalibrated", abs(z)
        elif n >= 50 and skill < -0.1:
            kind, size = "worse", -skill
        elif champion.roller.warming(row.state, np.array([0]))[0]:
            kind, size = "warming", 1
        else:
            continue
        found.append((-CLASSES.index(kind), -size, number, name))
    return [(CLASSES[-kind], pytest.approx(-size), name) for kind, size, _, name in sorted(found)]


def test_the_ranking_equals_sorting_every_series(world):
    with world.serving() as client:
        directory = thousand(client, np.random.default_rng(1))
        wanted = expected(directory)
        assert len(wanted) > 300
        page = trouble_ranking.page(directory, 1002, None, SeriesFilter())
        found = [(one.trouble["class"], one.trouble["size"], one.target.unique_id) for one in page.series if one.place]
        assert found == wanted
        assert page.total == 1002
        assert page.counts == {
            kind: count for kind in reversed(CLASSES) if (count := sum(line[0] == kind for line in wanted))
        }
        assert len({one.target.unique_id for one in page.series}) == 1002


def test_only_what_changed_is_worked_out_again(world):
    """Over 102 series: none at a second look, one after its value, and all once the newest step moves."""
    with world.serving() as client:
        ids = [f"s{number}" for number in range(100)]
        client.post("/v1/series", json=[{"unique_id": name, "dataset": "sensors"} for name in ids])
        client.post("/v1/observations", json=[row for name in ids for row in rows(name, [1.0])])
        served = client.app.state.runtime.directory.datasets["sensors"]

        def worked_out():
            client.get("/v1/datasets")
            worked = served.trouble.worked_out
            found, whole = (now(served.champion, served.judge.held) for now in (served.trouble.now, trouble.trouble))
            assert (found.kind.tolist(), found.size.tolist()) == (whole.kind.tolist(), whole.size.tolist())
            return worked

        assert (worked_out(), worked_out()) == (102, 0)
        client.post("/v1/observations", json=rows("a", [1.0]))
        assert worked_out() == 1
        served.champion.states.mark_stale(np.array([3, 4]))
        assert worked_out() == 2
        served.judge._ends = {served.series["s9"]: Held()}
        assert worked_out() == 1
        client.post("/v1/observations", json=rows("a", [1.0], first=1))
        assert worked_out() == 102


def test_pages_over_http_follow_one_another_without_a_gap(world):
    with world.serving() as client:
        directory = thousand(client, np.random.default_rng(2))
        names, cursor = [], None
        while cursor is not None or not names:
            query = {"sort": "trouble", "limit": 170} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/series", params=query).json()
            names += [line["unique_id"] for line in page["series"]]
            cursor = page["next"]
        whole = trouble_ranking.page(directory, 1002, None, SeriesFilter())
        assert names == [one.target.unique_id for one in whole.series]


def test_only_some_classes_and_a_search(world):
    with world.serving() as client:
        directory = thousand(client, np.random.default_rng(3))
        wanted = [name for kind, _, name in expected(directory) if kind in ("silent", "stale") and "plant/3/" in name]
        query = {"sort": "trouble", "trouble": "silent,stale", "search": "plant/3/", "limit": 1000}
        page = client.get("/v1/series", params=query).json()
        assert [line["unique_id"] for line in page["series"]] == wanted
        assert (page["total"], page["next"]) == (len(wanted), None)


def test_a_sparkline_has_the_last_values_and_the_forecast(world):
    with world.serving() as client:
        client.post("/v1/observations", json=rows("a", [5.0, None, 7.0]))
        page = client.get("/v1/series", params={"sort": "trouble", "sparkline": 3, "limit": 5}).json()
        (line,) = [line for line in page["series"] if line["unique_id"] == "a"]
        forecast = client.get("/v1/series/a/forecast", params={"level": "80"}).json()
        assert line["sparkline"]["values"] == [5, 5, 7]
        assert line["sparkline"]["median"] == forecast["quantiles"]["0.5"]
        assert line["sparkline"]["lower"] == forecast["intervals"]["80"]["lower"]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("sort=size", "/query/sort"),
        ("trouble=silent", "/query/trouble"),
        ("sort=trouble&trouble=loud", "/query/trouble"),
        ("sparkline=3&limit=900", "/query/limit"),
        ("sort=trouble&cursor=WzFd", "/query/cursor"),
    ],
)
def test_an_invalid_query_is_refused(world, query, pointer):
    with world.serving() as client:
        answer = client.get(f"/v1/series?{query}")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
