"""Limits of live values are made from the last values of each series."""

from data.records import series_limits
from pipelines.history.limits import make_limits
from tests.support.history_kit import Plant, Row


def test_rows_without_a_value_at_the_end_leave_the_limits_as_they_are(tmp_path, monkeypatch):
    plant = Plant.at(tmp_path, monkeypatch)
    told: list[Row] = [(name, step, float(step)) for name in "ab" for step in range(1, 41)]
    empty: list[Row] = [("b", step, None) for step in range(41, 400)]
    plant.store(10, *told, *empty, ("c", 1, 1.0))
    make_limits(plant.workspace, plant.dataset)
    a, b = series_limits.read(plant.workspace.engine, plant.dataset.id)  # c has too few values
    assert (a.low, a.high) == (b.low, b.high) == (3.0, 38.0)
    assert a.recent == b.recent
