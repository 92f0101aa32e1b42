"""Panels: many series in one flat array."""

import numpy as np

from forecasting.accuracy import seasonal_error
from forecasting.panel import Panel


def test_blocks_are_whole_series_in_order_and_lose_none() -> None:
    panel = Panel.of([np.arange(3.0), np.arange(5.0), np.empty(0), np.arange(2.0)])
    for most, lengths in ((1, [[3], [5], [0, 2]]), (4, [[3, 5], [0, 2]]), (100, [[3, 5, 0, 2]])):
        blocks = list(panel.blocks(most))
        assert [block.lengths.tolist() for block in blocks] == lengths
        assert np.concatenate([block.values for block in blocks]).tolist() == panel.values.tolist()
        assert sum((block.ids for block in blocks), ()) == panel.ids


def test_the_head_of_a_panel_is_the_past_of_each_series() -> None:
    panel = Panel.of([np.arange(3.0), np.arange(5.0), np.arange(2.0)])
    past = panel.head(np.array([2, 9, 0]))
    assert (past.lengths.tolist(), past.values.tolist()) == ([2, 5, 0], [0, 1, 0, 1, 2, 3, 4])


def test_divisors_are_the_same_whatever_the_blocks(monkeypatch) -> None:
    series = [np.array([1.0, 3.0, 2.0, 6.0]), np.array([5.0, np.nan, 5.0]), np.array([2.0])]
    whole = seasonal_error(Panel.of(series), 1)
    np.testing.assert_allclose(whole, [(2 + 1 + 4) / 3, np.nan, np.nan])
    monkeypatch.setattr(Panel.blocks, "__defaults__", (1,))
    np.testing.assert_array_equal(seasonal_error(Panel.of(series), 1), whole)
