"""The promotion gate decides by arithmetic that can be checked by eye."""

import numpy as np
import pytest

from forecasting.evaluation.permutation_test import sign_flip_test
from pipelines.models.promotion_gate import (
    Contender,
    GateRules,
    ServingCost,
    ShadowResult,
    accuracy_objections,
    block_means,
    compare_with_rival,
    cost_objections,
    shadow_objections,
)


def contender(errors, model="lstm", coverage=0.8) -> Contender:
    return Contender(model, 1, np.asarray(errors, float), {"coverage_80": coverage})


def test_four_wins_of_four_have_one_chance_in_sixteen():
    assert sign_flip_test(np.array([1.0, 1.0, 1.0, 1.0])) == 1 / 16


def test_no_difference_proves_nothing():
    assert sign_flip_test(np.zeros(10)) == 1.0


def test_many_small_wins_are_significant():
    assert sign_flip_test(np.full(200, 0.01)) < 0.001


def test_gain_is_the_share_of_the_rivals_error_that_is_saved():
    assert compare_with_rival(contender([0.5] * 8), contender([1.0] * 8, "naive")).gain == 0.5


def test_against_a_rival_without_error_the_gain_is_0_or_minus_1():
    perfect = contender([0.0] * 8, "seasonal_naive")
    assert compare_with_rival(contender([2.0] * 8), perfect).gain == -1
    assert compare_with_rival(contender([0.0] * 8), perfect).gain == 0


def test_a_candidate_that_halves_every_error_passes():
    assert accuracy_objections(contender([0.5] * 8), [contender([1.0] * 8, "naive")], GateRules()) == []


def test_a_candidate_that_loses_to_seasonal_naive_is_refused_with_both_figures():
    found = accuracy_objections(contender([1.1] * 8), [contender([1.0] * 8, "seasonal_naive")], GateRules())
    assert found == ["its error is +10.0% against seasonal_naive; -1.0% or lower is required"]


def test_a_baseline_that_serves_and_competes_is_named_once():
    naive = contender([1.0] * 8, "naive")
    assert len(accuracy_objections(contender([1.1] * 8), [naive, naive], GateRules())) == 1


def test_a_gain_that_could_be_chance_is_refused():
    rival = contender([1.0, 1.0, 1.0, 1.0], "naive")
    found = accuracy_objections(contender([0.1, 0.9, 1.2, 0.8]), [rival], GateRules())
    assert len(found) == 1
    assert "could be chance" in found[0]


@pytest.mark.parametrize("coverage", [0.4, 0.99])
def test_a_coverage_far_from_80_percent_is_refused(coverage):
    found = accuracy_objections(contender([0.5] * 8, coverage=coverage), [contender([1.0] * 8, "naive")], GateRules())
    assert len(found) == 1
    assert "80 % interval" in found[0]


def test_forecasts_that_are_not_finite_are_the_only_reason_given():
    found = accuracy_objections(contender([0.5, np.nan]), [contender([1.0, 1.0], "naive")], GateRules())
    assert found == ["it gave forecasts that are not finite numbers"]


def test_finite_forecasts_beat_a_champion_whose_forecasts_are_not():
    broken = Contender("lstm", 1, np.array([np.nan]), {}, "champion")
    assert accuracy_objections(contender([5.0] * 8), [broken], GateRules()) == []


def test_errors_at_overlapping_origins_are_averaged_in_blocks():
    assert block_means(np.array([1.0, 3.0, 5.0, 7.0, 9.0]), 2).tolist() == [2.0, 6.0, 9.0]


def test_with_too_few_units_for_a_test_a_large_gain_in_every_unit_is_required():
    rival = contender([1.0, 1.0], "naive")
    assert accuracy_objections(contender([0.5, 0.6]), [rival], GateRules()) == []
    assert "could be chance" in accuracy_objections(contender([0.2, 1.1]), [rival], GateRules())[0]
    assert "-10.0% or lower is required" in accuracy_objections(contender([0.95, 0.97]), [rival], GateRules())[0]


def test_the_previous_version_need_not_be_beaten_but_must_not_be_better():
    previous = Contender("lstm", 1, np.full(8, 1.0), {"coverage_80": 0.8}, "previous")
    assert accuracy_objections(contender([1.0] * 8), [previous], GateRules()) == []
    found = accuracy_objections(contender([1.1] * 8), [previous], GateRules())
    assert found == ["its error is +10.0% against lstm (previous); +0.0% or lower is required"]


def test_a_model_above_a_limit_is_refused_with_both_figures():
    assert cost_objections(ServingCost(64_000_000, 100.0), GateRules()) == []
    assert cost_objections(ServingCost(2_000_000, 5.0), GateRules(largest_bytes=1_000_000, longest_ms=2)) == [
        "its artifact has 2.0 MB; the limit is 1.0 MB",
        "one step and one forecast of a series take 5.0 ms; the limit is 2 ms",
    ]


def test_a_version_that_was_worse_in_shadow_is_refused():
    assert (
        shadow_objections(None)
        == shadow_objections(ShadowResult(600, 0.5, 0.5))
        == shadow_objections(ShadowResult(600, None, None))
        == []
    )
    assert shadow_objections(ShadowResult(600, 0.6, 0.5)) == [
        "in shadow its MASE was 0.600 on 600 live values, the champion's was 0.500 on the same values"
    ]
