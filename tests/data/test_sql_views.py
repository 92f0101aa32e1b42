"""SQL from outside finds names and times, on both databases."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from sqlalchemy import text

from data.grid.grid import Grid
from data.history import vintage_table
from data.history.vintage_table import StoredVintage
from data.records import scores
from data.records.scores import Tally
from data.sql_views import LEVELS, NAMES
from data.store import catalogue, database, observation_log, promotions, registry
from data.store.database import reading
from data.store.observation_log import LoggedValue
from forecasting.rolling import online_scores
from forecasting.rolling.online_scores import Totals

FIVE = 300_000_000
START = 1_700_000_100_000_000  # 2023-11-14T22:15:00Z


def moment(value: object) -> datetime:
    """What either database has as a time."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


def at(step: int) -> datetime:
    return datetime.fromtimestamp((START + step * FIVE) / 1e6, UTC)


def asked(engine, query: str) -> list:
    with reading(engine) as connection:
        return connection.execute(text(query)).all()


def dataset_of(engine, name: str = "sensors", freq: str = "5m"):
    dataset = catalogue.put_dataset(engine, name, grid=Grid(freq), season=12, horizon=3, target="value")
    number = catalogue.ensure_series(engine, dataset.id, ["plant/a"])["plant/a"]
    registry.add_model(engine, dataset.id, "lstm", "0" * 64, {}, b"")
    promotion = promotions.decide(engine, dataset.id, 1, "promoted", {})
    return dataset, number, promotion


def test_observations_are_the_live_log(store):
    dataset, number, _ = dataset_of(store)
    rows = [LoggedValue(dataset.id, number, START, 1.5, START + 7), LoggedValue(dataset.id, number, START, None, START)]
    observation_log.append(store, rows, verdicts={0: "spike"})
    query = "SELECT dataset, unique_id, time, y, verdict, seq, available_at, ds FROM rollcast_observations ORDER BY seq"
    first, second = asked(store, query)
    assert (first.dataset, first.unique_id, moment(first.time), first.y, first.verdict, first.seq, first.ds) == (
        "sensors", "plant/a", at(0), 1.5, "spike", 1, START
    )  # fmt: skip
    assert (second.y, second.verdict, second.seq) == (None, None, 2)
    assert abs((moment(first.available_at) - at(0)).total_seconds()) < 0.001


def test_vintages_have_a_row_for_each_step(store):
    dataset, number, promotion = dataset_of(store)
    quantiles = (np.arange(27).reshape(9, 3) / 4).astype(np.float32)
    ds = START + FIVE * np.arange(1, 4)
    vintage_table.put(store, dataset.id, 1, [StoredVintage(promotion.id, number, START, 5, START, ds, quantiles)])
    found = asked(store, "SELECT * FROM rollcast_vintages WHERE dataset = 'sensors' ORDER BY step")
    assert [(row.unique_id, moment(row.origin), moment(row.time), row.step) for row in found] == [
        ("plant/a", at(0), at(step), step) for step in (1, 2, 3)
    ]
    for place, row in enumerate(found):
        assert [getattr(row, f"q{level}") for level in LEVELS] == quantiles[:, place].tolist()
    assert [(row.version, row.seq, row.origin_ds, row.ds) for row in found] == [
        (1, 5, START, stamp) for stamp in ds.tolist()
    ]


def test_numbers_of_steps_are_no_times(store):
    dataset, number, _ = dataset_of(store, freq="1")
    observation_log.append(store, [LoggedValue(dataset.id, number, 42, 1.5, START)])
    (found,) = asked(store, "SELECT time, ds FROM rollcast_observations")
    assert tuple(found) == (None, 42)


def test_scores_are_the_measures_that_the_service_answers(store):
    dataset, _, promotion = dataset_of(store)
    draw, steps = np.random.default_rng(0), [(1, 1), (2, 3)]
    totals = Totals(draw.uniform(1, 9, (2, 9)), draw.uniform(1, 9, (2, 9)))
    totals.raw[:, 0] = [7, 8]
    words = {"rival": "naive", "rivals": {"naive": 1}, "steps": steps, **totals.to_dict()}
    scores.put(store, Tally(dataset.id, promotion.id, START, 9, words), 1)
    found = asked(store, "SELECT * FROM rollcast_scores ORDER BY horizon_bucket")
    for row, wanted in zip(found, online_scores.summarize(totals, steps)["by_horizon"], strict=True):
        assert (row.dataset, moment(row.time), row.version, row.event, row.rival) == (
            "sensors", at(0), 1, "promoted", "naive"
        )  # fmt: skip
        assert (row.first_step, row.last_step, row.settled) == (wanted["first_step"], wanted["last_step"], wanted["n"])
        for name in ("mae", "mase", "wql", "coverage_80", "coverage_95", "skill", "stability"):
            assert getattr(row, name) == pytest.approx(wanted[name], rel=1e-12)
    assert [row.horizon_bucket for row in found] == [1, 2]


def test_a_measure_of_nothing_is_null(store):
    dataset, _, promotion = dataset_of(store)
    zeros = Totals(np.zeros((1, 9)), np.zeros((1, 9)))
    scores.put(store, Tally(dataset.id, promotion.id, START, 9, json.loads(json.dumps(zeros.to_dict()))), 1)
    (row,) = asked(store, "SELECT mae, skill, first_step FROM rollcast_scores")
    assert tuple(row) == (None, None, None)


def test_a_store_of_before_gets_the_views_and_one_that_has_them_keeps_them(store):
    with database.writing(store) as connection:
        for name in NAMES[1:]:
            connection.execute(text(f"DROP VIEW {name}"))
        connection.execute(text("UPDATE schema_version SET version = 7"))
    database.migrate(store)
    for name in NAMES:
        assert asked(store, f"SELECT * FROM {name}") == []
