"""Scores of symbols, with numbers that can be checked by eye."""

import numpy as np
import pytest

from forecasting.panel import Panel
from forecasting.rolling.online_scores import SUMS, Totals
from forecasting.symbols.symbol_baselines import SymbolBaseline, better_rival, fit_counts
from forecasting.symbols.symbol_scores import SYMBOL_SUMS, SymbolLedger, summarize_symbols

NAN = np.nan
A, B, C = range(3)


def settled(p: list[float], code: int, rival: float = 0.5) -> dict[str, float]:
    """The measures of one symbol."""
    ledger = SymbolLedger.empty(1, top=2)
    ledger.settle(np.array([0]), np.array([code], np.int32), np.array([p], np.float32), np.array([rival]))
    return summarize_symbols(Totals.of(ledger.sums, np.ones(1)))


def test_the_sums_have_the_places_of_those_of_numbers() -> None:
    assert len(SYMBOL_SUMS) == len(SUMS)


def test_a_certain_and_right_answer_has_no_loss() -> None:
    found = settled([1, 0, 0], A)
    assert (found["log_loss"], found["accuracy"], found["brier"], found["perplexity"]) == (0, 1, 0, 1)
    assert found["skill"] == 1


def test_a_quarter_costs_ln_four_and_loses_to_a_rival_that_said_a_half() -> None:
    found = settled([0.25, 0.5, 0.25], A)
    assert found["log_loss"] == pytest.approx(np.log(4))
    assert found["perplexity"] == pytest.approx(4)
    assert found["skill"] == pytest.approx(1 - np.log(4) / np.log(2))
    assert (found["accuracy"], found["accuracy_top"]) == (0, 1)  # the second likeliest: of equals the first
    assert settled([0.25, 0.5, 0.25], C)["accuracy_top"] == 0
    assert found["brier"] == pytest.approx(0.75**2 + 0.5**2 + 0.25**2)
    assert [line["n"] for line in found["calibration"]] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0]


def test_calibrated_probabilities_hold_eight_tenths_on_average() -> None:
    p = [0.7, 0.2, 0.1]
    held = [settled(p, code)["coverage_80"] for code in range(3)]
    assert held == pytest.approx([1, 0.5, 0], abs=1e-6)
    assert np.dot(p, held) == pytest.approx(0.8)


def test_an_impossible_symbol_has_a_finite_loss() -> None:
    assert settled([1, 0, 0], B)["log_loss"] == pytest.approx(-np.log(1e-12))


def test_a_missing_symbol_is_not_scored() -> None:
    assert settled([1, 0, 0], -1)["n"] == 0


def test_the_baselines_count_as_laplace_does() -> None:
    counts = fit_counts(Panel.of([np.array([A, A, NAN, A, B])]), 3)
    np.testing.assert_allclose(counts["frequency"], [4 / 7, 2 / 7, 1 / 7])
    np.testing.assert_allclose(counts["repeats"], [3 / 5, 1 / 2, 1 / 2])  # A is followed by A twice and once by B


def test_the_last_symbol_comes_again_and_the_rest_goes_by_frequency() -> None:
    baseline = SymbolBaseline("last_symbol", np.array([0.5, 0.25, 0.25]), np.array([0.8, 0.5, 0.5]))
    np.testing.assert_allclose(baseline.after(np.array([A, -1])), [[0.8, 0.1, 0.1], [0.5, 0.25, 0.25]])
    np.testing.assert_allclose(baseline.given(np.array([A, A]), np.array([A, B])), [0.8, 0.1])
    second = 0.8 * np.array([0.8, 0.1, 0.1])
    second += 0.1 * np.array([1 / 3, 0.5, 1 / 6]) + 0.1 * np.array([1 / 3, 1 / 6, 0.5])
    np.testing.assert_allclose(baseline.marginals(baseline.after(np.array([A])), 2)[0, 1], second)


def test_a_single_symbol_is_certain() -> None:
    baseline = SymbolBaseline("last_symbol", np.ones(1), np.array([0.9]))
    np.testing.assert_allclose(baseline.marginals(baseline.after(np.array([A])), 3), 1)


def test_the_rival_is_the_better_baseline_of_the_training_part() -> None:
    stays = Panel.of([np.repeat([A, B, C], 20).astype(np.float64)])
    alone = Panel.of([np.array([code], np.float64) for code in [A, A, A, B]])  # nothing follows on anything
    assert better_rival(stays, fit_counts(stays, 3)) == "last_symbol"
    assert better_rival(alone, fit_counts(alone, 3)) == "frequency"
