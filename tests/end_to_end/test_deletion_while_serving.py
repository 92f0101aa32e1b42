"""Deletions asked over HTTP and run by a pipeline process, while the service answers and rows come in."""

import numpy as np
import pytest

from data.store import catalogue
from pipelines.deletion import run
from tests.support.deletion_kit import home_of, served_bundle
from tests.support.road_kit import (
    HISTORY,
    NAME,
    champion,
    post,
    require_equal,
    rows_of,
    scored,
    sensors,
    serving,
    stamp,
    states_of,
)
from tests.support.service_kit import until

IDS = sensors(3)
BEFORE = rows_of(IDS, range(-HISTORY, 0))


def finished(client, asked):
    """The deletion that an answer announced, as it is now."""
    assert asked.status_code == 202, asked.text
    return client.get(asked.headers["location"]).json()


def never_saw(folder, bundle, gone):
    """States, sums and number of scored values of a service whose home never had the rows that `gone` names."""
    home = home_of(folder, [row for row in BEFORE if not gone(row)], bundle)
    with serving(home) as client:
        for hour in range(8):
            post(client, [row for row in rows_of(IDS, range(hour, hour + 1)) if not gone(row)])
        return states_of(client), scored(client)


@pytest.fixture
def ours(tmp_path, store_url):
    return home_of(tmp_path / "ours", BEFORE, database_url=store_url)


def test_rows_of_lake_context_and_log_are_gone_from_the_running_service_too(ours, tmp_path):
    def gone(row):
        return row[0] == IDS[1] and -5 <= row[1] <= 3

    with serving(ours) as client:
        for hour in range(6):
            post(client, rows_of(IDS, range(hour, hour + 1)))
        before, old = champion(client), client.get(f"/v1/series/{IDS[1]}/forecast").json()
        asked = client.delete(f"/v1/series/{IDS[1]}/observations", params={"from": stamp(-5), "to": stamp(3)})
        assert finished(client, asked)["state"] == "asked"
        run.run_asked(ours)
        done = finished(client, asked)
        assert (done["state"], done["applied"], done["deleted"]["log_rows"]) == ("done", True, 4)
        for hour in (6, 7):
            post(client, rows_of(IDS, range(hour, hour + 1)))
        until(lambda: champion(client) is not before)
        assert client.get(f"/v1/series/{IDS[1]}/forecast").json()["quantiles"] != old["quantiles"]
        series, state, settled = states_of(client)
        mine = scored(client)
    (numbers, twin, sums), theirs = never_saw(tmp_path / "theirs", served_bundle(ours), gone)
    np.testing.assert_array_equal(series, numbers)
    require_equal(state, twin)
    np.testing.assert_allclose(settled, sums, rtol=1e-9)
    assert mine == theirs == 8 * 3 - 4


def test_a_series_and_then_its_dataset_are_deleted_under_the_running_service(ours, tmp_path):
    with serving(ours) as client:
        for hour in range(8):
            post(client, rows_of(IDS, range(hour, hour + 1)))
        before = champion(client)
        asked = client.delete(f"/v1/series/{IDS[2]}")
        run.run_asked(ours)
        assert finished(client, asked)["deleted"]["series"] == 1
        until(lambda: champion(client) is not before)
        until(lambda: client.get(f"/v1/series/{IDS[2]}").status_code == 404)
        (series, state, settled), mine = states_of(client), scored(client)
        (numbers, twin, sums), theirs = never_saw(
            tmp_path / "theirs", served_bundle(ours), lambda row: row[0] == IDS[2]
        )
        np.testing.assert_array_equal(series, numbers)
        require_equal(state, twin)
        np.testing.assert_allclose(settled, sums, rtol=1e-9)
        assert mine == theirs == 8 * 2
        asked = client.delete(f"/v1/datasets/{NAME}")
        run.run_asked(ours)
        until(lambda: client.get("/v1/series").json()["total"] == 0)
        done = finished(client, asked)
        assert (done["dataset"], done["state"]) == (NAME, "done")
        assert NAME not in client.get("/metrics").text
        assert catalogue.datasets(ours.engine) == []
