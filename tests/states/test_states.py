"""Readers never see half a row, whatever the writer does meanwhile."""

import itertools
import threading

import numpy as np

from forecasting.rolling.roller import NumericState, Roller
from states.out_of_order import BEGINNING
from states.states import States
from tests.support.service_kit import baseline, panel_of


def states_of(series: int) -> States:
    roller = Roller(baseline(panel_of("a")))
    return States(roller, np.arange(series), roller.empty(series), np.zeros(series, np.int64))


def all_ones_times(state: NumericState, number: float) -> NumericState:
    """Every array filled with the same number: a torn copy would hold two."""
    return NumericState({name: np.full_like(array, number) for name, array in state.arrays.items()})


def test_a_reader_sees_whole_rows_while_the_writer_writes():
    states, done = states_of(64), threading.Event()
    rows = np.arange(64)

    copy, _ = states.copy(rows)
    states.publish(rows, all_ones_times(copy, 0), np.zeros(64, np.int64), whole=True)

    def write():
        for number in itertools.cycle(range(200)):
            states.publish(rows, all_ones_times(copy, number), np.full(64, number), whole=True)
            if done.is_set():
                break

    writer = threading.Thread(target=write)
    writer.start()
    for _ in range(200):
        row = states.read(17)
        numbers = {float(value) for array in row.state.arrays.values() for value in np.unique(array)}
        assert len(numbers) == 1
    done.set()
    writer.join()


def test_a_series_that_appears_gets_an_empty_state():
    states = states_of(2)
    states.ensure(np.array([1, 7, 7]))
    assert len(states) == 3
    assert 7 in states
    assert states.origins(np.array([7, 99])).tolist() == [BEGINNING, BEGINNING]


def test_series_that_appear_one_by_one_seldom_copy_the_others():
    states, copies = states_of(2), set()
    states.publish(np.array([0, 1]), all_ones_times(states.copy(np.array([0, 1]))[0], 3), np.array([5, 6]))
    for series in range(100, 1_100):
        states.ensure(np.array([series]))
        row = states.rows_of(np.array([series]))
        states.publish(row, all_ones_times(states.copy(row)[0], series % 100), np.array([series]))
        copies.add(states._arrays.sequence.base.ctypes.data)  # where the arrays lie
    assert len(states) == 1_002
    assert len(copies) <= 10  # they double: 2, 6, 14, 30, …, 2042
    assert (states.read(0).sequence, states.read(1).sequence) == (5, 6)
    assert states.origins(np.array([0, 1])).tolist() == [3, 3]
    for series in (101, 555, 1_099):
        assert states.read(series).sequence == series
        assert states.origins(np.array([series])).tolist() == [series % 100]


def test_an_unknown_series_has_no_state():
    assert states_of(1).read(5) is None


def test_a_sequence_never_goes_back():
    states = states_of(1)
    copy, _ = states.copy(np.array([0]))
    states.publish(np.array([0]), copy, np.array([9]))
    states.publish(np.array([0]), copy, np.array([4]))
    assert states.read(0).sequence == 9


def test_silence_is_counted_from_the_last_value_to_the_newest_origin_of_all_series():
    states = states_of(4)
    rows, window = np.arange(3), states.roller.config.window  # the fourth series never sends anything
    copy, _ = states.copy(rows)
    states.roller.fold(copy, rows, np.array([-5, -5, -5]), np.array([1.0, 2.0, 3.0]))
    states.publish(rows, copy, np.full(3, 1))
    assert states.newest == -5  # and not the 0 of the state that has no origin yet

    states.roller.fold(copy, np.array([0]), np.array([window - 5]), np.array([1.0]))
    states.roller.fold(copy, np.array([1]), np.array([window - 4]), np.array([np.nan]))
    states.publish(rows, copy, np.full(3, 2))
    assert states.newest == window - 4
    flags = [False, True, True]  # the second was sent missing steps, the third nothing
    assert [states.read(row).silent for row in range(3)] == flags
    assert [states.at(row)[2] for row in range(3)] == flags
    assert states.read_all([0, 1, 2]).silent.tolist() == flags
