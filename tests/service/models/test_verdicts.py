"""Verdicts of live values: the same as for a file under the same limits, whatever comes together."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.grid.grid import Grid
from data.quality.quality_rules import RULE, judge, with_stored
from data.records import dataset_rules, quarantine, series_limits
from data.records.dataset_rules import QualityRules
from data.records.series_limits import limits_of
from data.store import catalogue, database, observation_log
from service.models.verdicts import Judge
from states.rows import Rows

USUAL = np.array([20.0 + step % 5 for step in range(40)])
VALUES = st.sampled_from([20.0, 21.0, 24.0, 24.0, 29.0, 60.0, -1.0, 90.0, 20_000.0, -50_000.0, float("nan")])
CHOSEN = st.builds(
    QualityRules,
    low=st.sampled_from([None, 0.0]),
    high=st.sampled_from([None, 80.0]),
    max_jump=st.sampled_from([None, 5.0, 30.0]),
    max_stale=st.sampled_from([None, 2, 3]),
    spike=st.sampled_from([None, 1.0, 100.0]),
    accept_after=st.just(0),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return database.open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'live.db'}")


def of_file(stored: np.ndarray, fresh: list[float], chosen: QualityRules) -> list[str | None]:
    """The rule that each new value of a file breaks."""
    before = pl.DataFrame({"unique_id": "a", "ds": range(len(stored)), "y": stored}).with_columns(
        pl.col("y").fill_nan(None)
    )
    rows = pl.DataFrame({"unique_id": "a", "ds": range(len(stored), len(stored) + len(fresh)), "y": fresh})
    checked = judge(with_stored(rows.with_columns(pl.col("y").fill_nan(None)), before), chosen)
    return checked.filter(pl.col("ds") >= len(stored))[RULE].to_list()


def of_live(engine, stored, fresh, chosen, together: list[int]) -> list[str | None]:
    """The same for live values that come in batches of these sizes."""
    judge = Judge(1, chosen, limits_of(np.array([7]), stored[None], np.array([len(stored) - 1]), 0))
    found: list[str | None] = []
    for size in together:
        values = np.array(fresh[len(found) : len(found) + size])
        steps = np.arange(len(stored) + len(found), len(stored) + len(found) + len(values))
        rows = Rows.arrived(np.full(len(values), 7), steps, values)
        judged = judge.judge(engine, rows, steps, np.full(len(values), steps[0] - 1 if len(steps) else 0))
        judge.settle(judged, len(found) + len(values))
        found += [judged.verdicts.get(place) for place in range(len(values))]
    return found


@given(
    st.lists(st.sampled_from([20.0, 22.0, 24.0, 26.0, float("nan")]), min_size=5, max_size=60),
    st.lists(VALUES, min_size=1, max_size=12),
    CHOSEN,
    st.integers(1, 12),
)
def test_a_live_value_gets_the_verdict_that_it_would_get_in_a_file(engine, stored, fresh, chosen, size):
    history = np.array([*USUAL, *stored])  # enough values for limits
    together = [size] * (len(fresh) // size) + ([len(fresh) % size] if len(fresh) % size else [])
    expected = of_file(history, fresh, chosen)
    assert of_live(engine, history, fresh, chosen, together) == expected
    assert of_live(engine, history, fresh, chosen, [1] * len(fresh)) == expected


def test_a_series_with_fewer_than_twenty_values_has_no_limits():
    values = np.full((2, 100), np.nan)
    values[0, -19:], values[1, -20:] = 5.0, 5.0
    (limits,) = limits_of(np.array([3, 4]), values, np.array([99, 99]), log_seq=0)
    assert (limits.series_id, limits.low, limits.high, limits.usual) == (4, 5.0, 5.0, 0.5)


def test_limits_read_further_on_in_the_log_stay(engine):
    dataset = catalogue.put_dataset(engine, "kept", grid=Grid("1h"), season=1, horizon=1, target="y")
    older, newer = limits_of(np.array([7, 8]), np.stack([USUAL, USUAL * 9]), np.array([39, 39]), log_seq=5)
    series_limits.put(engine, dataset.id, [older, newer])
    shifted = newer._replace(low=1.0, log_seq=9, shifted_ds=40)
    series_limits.put(engine, dataset.id, [shifted])  # the service lets a shift in
    series_limits.put(engine, dataset.id, [older._replace(log_seq=8), newer._replace(log_seq=8)])  # a promotion ends
    first, second = series_limits.read(engine, dataset.id)
    assert (first.log_seq, second.low, second.shifted_ds) == (8, 1.0, 40)
    assert series_limits.version(engine, dataset.id) == 3
    assert [one.series_id for one in series_limits.read(engine, dataset.id, after=2)] == [7]


@pytest.mark.parametrize("store_url", ["sqlite", "postgres"], indirect=True)
def test_quarantine_in_the_rows_transaction_holds_a_value_once(store):
    dataset = catalogue.put_dataset(store, "plant", grid=Grid("1h"), season=1, horizon=1, target="y")
    (number,) = catalogue.ensure_series(store, dataset.id, ["a"]).values()
    keys = [(number, 10, 5.0), (number, 20, 6.0)]
    with database.writing(store) as connection:
        for _ in range(2):
            quarantine.put_live(connection, dataset.id, [(key, "spike") for key in keys], at=1)
        quarantine.release_live(connection, dataset.id, keys[:1], at=2)
    assert quarantine.known(store, dataset.id, [(number, 10), (number, 20), (number, 30)]) == {
        keys[0]: True,
        keys[1]: False,
    }


def test_rules_that_look_back_go_on_after_a_restart_with_the_log(tmp_path):
    """`jump` and `stale` compare with rows that came after the limits were made."""
    store = database.open_store(f"sqlite:///{tmp_path / 'live.db'}")
    dataset = catalogue.put_dataset(store, "plant", grid=Grid("1h"), season=1, horizon=1, target="y")
    (number,) = catalogue.ensure_series(store, dataset.id, ["a"]).values()
    series_limits.put(store, dataset.id, limits_of(np.array([number]), USUAL[None], np.array([39]), log_seq=0))
    dataset_rules.put(store, dataset.id, QualityRules(max_jump=10.0, max_stale=3))
    stamps = dataset.grid.stamps(np.arange(40, 46)).tolist()
    rows = [(dataset.id, number, ds, y, ds) for ds, y in zip(stamps, [28.0, 28.0, 28.0, 33.0, 33.0, 33.0], strict=True)]
    observation_log.append(store, rows)
    judge = Judge.load(store, dataset)
    steps = np.array([46, 47])
    rows_now = Rows.arrived(np.full(2, number), steps, np.array([33.0, 42.0]))
    judged = judge.judge(store, rows_now, dataset.grid.stamps(steps), np.full(2, 45))
    assert judged.verdicts == {0: "stale"}  # 42 lies within ten of the median of 28, 33, 33, 33, 33
