"""Detectors do not fire without a change, and fire after one."""

import numpy as np
import pytest

from pipelines.monitoring.detectors import (
    compare_windows,
    coverage,
    ks,
    longest_run,
    page_hinkley,
    psi,
    run_at_end,
    stuck,
)

WINDOW, WINDOWS = 256, 13


def wandering(draw: np.random.Generator, coefficient: float) -> np.ndarray:
    """An AR(1) series with this coefficient; 1 is a random walk."""
    values = draw.standard_normal(WINDOW * WINDOWS)
    for i in range(1, len(values)):
        values[i] += coefficient * values[i - 1]
    return values


def seasonal(draw: np.random.Generator, _: float) -> np.ndarray:
    return draw.standard_normal(WINDOW * WINDOWS) + 4 * np.sin(np.arange(WINDOW * WINDOWS) * np.pi / 12)


def findings(values: np.ndarray) -> list:
    """KS and PSI of levels and of changes, the last window against the twelve before."""
    windows = [list(x.reshape(WINDOWS, WINDOW)) for x in (values, np.diff(values, prepend=values[0]))]
    return [finding for own in windows for finding in compare_windows(own[:-1], own[-1], "feature")]


def test_ks_and_psi_are_zero_for_equal_samples_and_large_for_separate_ones():
    assert ks(np.arange(10.0), np.arange(10.0)) == 0
    assert ks(np.arange(10.0), np.arange(10.0) + 100) == 1
    assert psi(np.arange(100.0), np.arange(100.0)) == 0
    halves = psi(np.repeat([0.0, 1.0], 500), np.repeat([0.0, 1.0], [250, 750]))
    assert halves == pytest.approx(0.25 * np.log(1.5) - 0.25 * np.log(0.5), rel=0.01)


@pytest.mark.parametrize(
    ("make", "coefficient"), [(wandering, 0.0), (wandering, 0.9), (wandering, 1.0), (seasonal, 0.0)]
)
def test_no_detector_fires_while_nothing_changes(make, coefficient):
    """40 statistics of each kind of series; `python -m benchmarks.drift` counts false alarms over more."""
    fired = [
        finding.fired for seed in range(10) for finding in findings(make(np.random.default_rng(seed), coefficient))
    ]
    assert sum(fired) <= 1


@pytest.mark.parametrize("change", ["shift", "variance", "stuck"])
@pytest.mark.parametrize(("make", "coefficient"), [(wandering, 0.0), (wandering, 0.5), (seasonal, 0.0)])
def test_a_shift_a_larger_variance_or_a_stuck_sensor_fires(make, coefficient, change):
    for seed in range(3):
        values = make(np.random.default_rng(seed), coefficient)
        spread, last = values[:-WINDOW].std(), values[-WINDOW:]
        last[:] = {"shift": last + 3 * spread, "variance": 3 * last, "stuck": np.full(WINDOW, last[0])}[change]
        assert any(finding.fired for finding in findings(values)), (seed, change)


def test_a_window_counts_when_it_is_clearly_above_the_threshold_or_the_window_before_it_is_above_too():
    quiet = [np.arange(100.0)] * 5  # its statistics are 0, so that KS has the threshold 0.1
    steady, close, far = np.arange(100.0), np.arange(100.0) + 12, np.arange(100.0) + 14
    for latest, before, verdict in (
        (close, None, (True, False)),
        (close, steady, (True, False)),
        (close, close, (True, True)),
        (steady, close, (False, False)),
        (far, steady, (True, True)),
    ):
        found = compare_windows(quiet, latest, "level", before)[0]
        assert (found.fired, found.counts) == verdict
        assert ("0.100" in found.words and "next window" in found.words) == (verdict == (True, False))


def test_with_too_few_windows_the_finding_says_so_and_does_not_fire():
    for found in compare_windows([np.arange(5.0)] * 4, np.arange(5.0) + 100, "level"):
        assert (found.statistic, found.fired) == (None, False)
        assert "4 windows before" in found.words


def test_page_hinkley_ignores_noise_and_fires_on_a_recent_rise():
    for seed in range(10):
        noise = np.random.default_rng(seed).standard_normal(600) + 5
        assert page_hinkley(noise, "error", 72).statistic == 0
        noise[-100:-70] += 2
        assert not page_hinkley(noise, "error", 10).fired  # the rise is older than ten values
        found = page_hinkley(noise, "error", 100)
        assert found.fired
        assert found.words.startswith("the mean rose")
        assert page_hinkley(-noise, "error", 72).statistic == 0  # a fall of the error does not fire


def test_coverage_fires_only_when_its_confidence_interval_lies_outside_the_band():
    n = np.full(100, 10.0)
    held = coverage(np.tile([7.0, 9.0], 50), n, 80, (0.65, 0.95))
    assert (held.statistic, held.fired) == (0.8, False)
    missed = coverage(np.tile([4.0, 6.0], 50), n, 80, (0.65, 0.95))
    assert (missed.statistic, missed.fired, missed.threshold) == (0.5, True, 0.65)
    assert missed.words == "the 80 % interval held 50.0% of 1000 values (95 % confidence 48.0% to 52.0%)"
    together = coverage(
        np.tile([0.0, 10.0], 50), n, 80, (0.55, 0.95)
    )  # values of an hour miss together: 100 independent values, not 1000
    assert (together.statistic, together.fired) == (0.5, False)
    assert coverage(n[:20], n[:20], 80, (0.65, 0.95)).statistic is None


def test_a_sensor_is_stuck_when_it_repeats_a_value_longer_than_ever_before():
    assert run_at_end(np.array([1.0, 2.0, 2.0, np.nan, 2.0])) == 3
    assert longest_run(np.array([1.0, 1.0, 2.0, np.nan, 2.0, 2.0, 3.0])) == 3
    moving, counts = np.arange(100.0), np.repeat([0.0, 1.0], 50)
    assert stuck(moving, np.full(24, 7.0))
    assert not stuck(moving, np.full(23, 7.0))
    assert not stuck(counts, np.full(100, 1.0))  # it repeated a value for fifty steps before
