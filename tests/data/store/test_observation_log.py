import hashlib
import itertools
import multiprocessing
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.store import observation_log, snapshot_store
from data.store.database import open_store
from data.store.observation_log import LoggedValue


def row(ds, y, series_id=1, dataset_id=1, available_at=0):
    return LoggedValue(dataset_id, series_id, ds, y, available_at)


def test_rows_are_numbered_in_the_order_they_were_stored(store):
    assert observation_log.append(store, [row(0, 1.0), row(1, 2.0)]) == [1, 2]
    assert observation_log.append(store, []) == []
    assert observation_log.append(store, [row(2, 3.0)]) == [3]
    assert observation_log.last_seq(store, 1) == 3


def test_a_correction_is_a_newer_row_and_becomes_the_current_value(store):
    observation_log.append(store, [row(0, 1.0), row(5, None)])
    observation_log.append(store, [row(0, 9.0), row(0, 7.0, series_id=2)])
    assert observation_log.current(store, 1, [(1, 0), (1, 5), (2, 0), (3, 0)]) == {
        (1, 0): 9.0,
        (1, 5): None,
        (2, 0): 7.0,
    }
    assert observation_log.log(store, 1).y.tolist()[0] == 1.0


def test_the_log_is_arrays_by_seq_with_nan_for_a_missing_value(store):
    observation_log.append(store, [row(0, 1.5, available_at=7), row(300, None, available_at=9)])
    log = observation_log.log(store, 1)
    assert len(log) == 2
    assert (log.seq.tolist(), log.series_id.tolist(), log.ds.tolist()) == ([1, 2], [1, 1], [0, 300])
    assert log.y[0] == 1.5
    assert np.isnan(log.y[1])
    assert log.available_at.tolist() == [7, 9]
    assert [log.seq.dtype, log.ds.dtype, log.y.dtype] == [np.int64, np.int64, np.float64]


def test_stamps_rise_from_one_transaction_to_the_next_and_between_two_rows_of_one_key(store):
    observation_log.append(store, [row(0, 1.0, available_at=10), row(1, 1.0, available_at=8)])
    observation_log.append(store, [row(2, 1.0, available_at=5), row(3, 1.0, available_at=20)])  # the clock went back
    observation_log.append(store, [row(4, 1.0, available_at=30), row(4, 2.0, available_at=30)])
    assert observation_log.log(store, 1).available_at.tolist() == [10, 10, 11, 20, 30, 31]
    assert (observation_log.stamp(store, 1), observation_log.stamp(store, 1, 4)) == (31, 20)


def test_rows_of_a_span_come_by_time_and_of_one_key_in_the_order_of_the_log(store, monkeypatch):
    monkeypatch.setattr(observation_log, "CHUNK", 2)
    told = [(5, 1.0, 1), (2, 2.0, 2), (2, 3.0, 1), (5, 4.0, 1), (9, 5.0, 1), (2, 6.0, 1)]
    observation_log.append(store, [row(ds, y, series_id) for ds, y, series_id in told])
    parts = list(observation_log.within(store, 1, 2, 5, upto=5))
    assert [part.y.tolist() for part in parts] == [[3.0, 2.0], [1.0, 4.0]]


def test_the_ends_of_series_in_the_log(store):
    observation_log.append(store, [row(5, 1.0), row(2, 1.0), row(9, 1.0, series_id=3), row(1, 1.0, dataset_id=2)])
    observation_log.append(store, [row(7, 1.0)])
    series, first, last = (column.tolist() for column in observation_log.ends(store, 1, upto=4))
    assert (series, first, last) == ([1, 3], [2, 9], [5, 9])
    assert [len(column) for column in observation_log.ends(store, 5, upto=4)] == [0, 0, 0]


def test_the_log_is_cut_after_and_up_to_a_row_and_by_dataset(store):
    observation_log.append(store, [row(0, 1.0), row(0, 1.0, dataset_id=2), row(1, 2.0), row(2, 3.0)])
    assert observation_log.log(store, 1, after=1, upto=3).seq.tolist() == [3]
    assert observation_log.log(store, 2).seq.tolist() == [2]
    assert (
        observation_log.last_seq(store, 2),
        observation_log.last_seq(store, 3),
        len(observation_log.log(store, 3)),
    ) == (2, 0, 0)


def test_a_verdict_is_stored_with_its_row_and_its_value_counts_as_missing(store):
    sent = [row(0, 1.0), row(5, 900.0), row(10, None), row(5, 900.0)]
    observation_log.append(store, sent, verdicts={1: "spike"})
    for log in (observation_log.log(store, 1), observation_log.tail(store, 1, [(1, -1)])):
        log = log.select(np.argsort(log.seq))
        assert log.verdict.tolist() == [None, "spike", None, None]
        assert log.held.tolist() == [False, True, False, False]
        assert np.array_equal(log.counted, [1.0, np.nan, np.nan, 900.0], equal_nan=True)
        assert np.array_equal(log.y, [1.0, 900.0, np.nan, 900.0], equal_nan=True)
    assert observation_log.current(store, 1, [(1, 5)]) == {(1, 5): 900.0}  # a repeat of it is a duplicate


def test_rows_that_all_count_have_the_digest_that_they_had_before_there_were_verdicts(store):
    observation_log.append(store, [row(0, 1.0), row(5, 900.0)], verdicts={1: "spike"})
    log = observation_log.log(store, 1)
    columns = [log.seq, log.series_id, log.ds, log.available_at, log.y]
    before = hashlib.sha256(b"".join(column.tobytes() for column in columns)).hexdigest()
    assert observation_log.digest(replace(log, verdict=np.full(2, None))) == before
    assert observation_log.digest(log) != before
    assert observation_log.digest(replace(log, verdict=np.array([None, "jump"]))) != observation_log.digest(log)


def test_a_log_longer_than_a_chunk_is_read_whole(store, monkeypatch):
    monkeypatch.setattr(observation_log, "CHUNK", 10)
    observation_log.append(store, [row(ds, float(ds)) for ds in range(25)])
    assert observation_log.log(store, 1).y.tolist() == list(range(25))


def test_times_before_1970_and_far_ahead_keep_every_microsecond(store):
    stamps = [-62_135_596_800_000_001, 253_402_300_799_999_999]
    observation_log.append(store, [row(ds, 0.1) for ds in stamps])
    assert observation_log.log(store, 1).ds.tolist() == stamps
    assert set(observation_log.current(store, 1, [(1, ds) for ds in stamps])) == {(1, ds) for ds in stamps}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.none() | st.floats(-9, 9)), max_size=5), max_size=5
    ),
    dataset_id=st.integers(1, 10**9),
)
def test_the_current_value_is_the_last_one_told_whatever_the_batches(store, batches, dataset_id):
    told = {}
    base = dataset_id * 10  # every example has keys of its own
    for batch in batches:
        observation_log.append(store, [row(ds, y, base % 2**30 + n, dataset_id) for n, ds, y in batch])
        told |= {(base % 2**30 + n, ds): y for n, ds, y in batch}
    assert observation_log.current(store, dataset_id, told) == told


def write_until_killed(url, acknowledged):
    engine = open_store(url)
    while True:
        newest = observation_log.last_seq(engine, 1)
        for seq in observation_log.append(engine, [row(newest + n, 1.0) for n in range(3)]):
            acknowledged.send(seq)


@pytest.mark.parametrize("after_s", [0.05, 0.15, 0.3])
def test_a_killed_writer_loses_no_acknowledged_row(tmp_path, after_s):
    url = f"sqlite:///{tmp_path / 'live.db'}"
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    writer = context.Process(target=write_until_killed, args=(url, theirs))
    writer.start()
    theirs.close()
    ledger = [ours.recv()]  # it runs
    time.sleep(after_s)
    writer.kill()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    try:
        while True:
            ledger.append(ours.recv())
    except (EOFError, OSError):
        pass
    stored = observation_log.log(open_store(url), 1).seq.tolist()
    assert set(ledger) <= set(stored)
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) % 3 == 0  # no half batch


def append_some(url):
    engine = open_store(url)
    for n in range(20):
        observation_log.append(engine, [row(n, 1.0), row(n, 2.0)])


def test_rows_of_several_writers_are_numbered_without_a_hole(store_url):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_some, args=(store_url,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert observation_log.log(open_store(store_url), 1).seq.tolist() == list(range(1, 81))


def test_the_newest_snapshot_of_each_shard_is_given_and_older_ones_stay_for_corrections(store):
    for seq in (3, 5, 9):
        snapshot_store.put(store, 1, anchor_id=1, shard=0, seq=seq, blob=b"state %d" % seq)
    snapshot_store.put(store, 1, anchor_id=1, shard=1, seq=5, blob=b"other")
    kept = snapshot_store.put(store, 1, anchor_id=1, shard=1, seq=5, blob=b"other again")
    assert kept == [5]
    assert list(snapshot_store.newest(store, 1, 1)) == [(0, 9, b"state 9"), (1, 5, b"other again")]
    assert snapshot_store.positions(store, 1, 1) == {0: [3, 5, 9], 1: [5]}
    assert snapshot_store.read(store, 1, 1, 0, 3) == b"state 3"
    assert snapshot_store.read(store, 1, 1, 0, 4) is None


def test_snapshots_are_kept_ever_further_apart():
    kept = []
    for seq in range(1, 5001):
        kept = snapshot_store.thinned([*kept, seq])
        ages = [seq - one for one in kept][::-1]
        assert ages[:2] == [0, 1][: len(ages)]
        assert len(ages) <= 2 * snapshot_store.AGES + 1
        assert all(older <= 8 * younger for younger, older in itertools.pairwise(ages[1:-1]))
    assert kept[0] == 1


def test_snapshots_of_other_anchors_go(store):
    for anchor_id in (1, 4, 6):
        snapshot_store.put(store, 1, anchor_id, shard=0, seq=1, blob=b"x")
    snapshot_store.put(store, 2, 1, shard=0, seq=1, blob=b"another dataset")
    snapshot_store.keep_only(store, 1, [1, 6])
    assert [len(snapshot_store.positions(store, 1, anchor_id)) for anchor_id in (1, 4, 6)] == [1, 0, 1]
    assert len(snapshot_store.positions(store, 2, 1)) == 1


def test_the_tail_of_a_series_is_read_without_its_head(store):
    observation_log.append(store, [row(ds, float(ds)) for ds in range(10)])
    observation_log.append(store, [row(3, 30.0), row(8, 80.0), row(5, 1.0, series_id=2)])
    keys = [(1, 7), (2, 0), (3, 0)]
    assert observation_log.tail_sizes(store, 1, keys, most=100) == [3, 1, 0]
    assert observation_log.tail_sizes(store, 1, keys, most=2) == [2, 1, 0]
    found = observation_log.tail(store, 1, keys)
    told = sorted(zip(found.series_id.tolist(), found.ds.tolist(), found.seq.tolist(), found.y.tolist(), strict=True))
    assert told == [(1, 8, 9, 8.0), (1, 8, 12, 80.0), (1, 9, 10, 9.0), (2, 5, 13, 1.0)]
    assert len(observation_log.tail(store, 1, [(3, 0)])) == 0
    assert len(observation_log.tail(store, 2, keys)) == 0  # another dataset's
