"""Sums that were settled, hour by hour: what other processes read of the service's scores."""

from data.grid.durations import HOUR
from data.records import scores
from data.records.scores import Tally


def tally(promotion_id: int, at: float, seq: int) -> Tally:
    """Sums stored `at` hours after 1970."""
    return Tally(1, promotion_id, int(at * HOUR), seq, {"raw": [[seq, 0.1]]})


def test_an_hour_keeps_its_last_sums(store):
    for sums in (tally(7, 5.1, 10), tally(7, 5.9, 20), tally(7, 6.0, 30)):
        scores.put(store, sums)
    assert scores.history(store, 1, 7) == [tally(7, 5.9, 20), tally(7, 6.0, 30)]
    assert scores.history(store, 1, 7, since=6 * HOUR) == [tally(7, 6.0, 30)]
    assert scores.history(store, 2, 7) == scores.history(store, 1, 8) == []


def test_the_latest_sums_of_each_promotion_newest_first(store):
    for sums in (tally(7, 5, 10), tally(7, 6, 20), tally(9, 2, 30), tally(9, 3, 40)):
        scores.put(store, sums)
    assert scores.latest(store, 1) == [tally(9, 3, 40), tally(7, 6, 20)]
    assert scores.latest(store, 2) == []


def test_the_last_sums_before_a_time(store):
    for sums in (tally(7, 5.5, 10), tally(7, 8.5, 20)):
        scores.put(store, sums)
    assert scores.before(store, 1, 7, 5 * HOUR) is None
    assert scores.before(store, 1, 7, 8 * HOUR) == tally(7, 5.5, 10)
    assert scores.before(store, 1, 7, 9 * HOUR) == tally(7, 8.5, 20)
