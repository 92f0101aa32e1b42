"""The model that ships, tuned to a dataset."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import InvalidInput
from forecasting.evaluation.backtest import evaluate, rolling_origins
from forecasting.panel import Panel
from forecasting.rolling.bundle import from_bytes, to_bytes
from forecasting.tuning.fit_universal import TuningSpec, fit_universal, refit
from forecasting.universal.shipped import shipped_bundle

HORIZON, LENGTH = 6, 90
SPEC = TuningSpec("1", 1, HORIZON, steps=60)


def slopes(series, seed):
    """Straight lines of different slopes with noise: `theta` and `holt_slow` are right, which are distrusted."""
    rng = np.random.default_rng(seed)
    steps = np.arange(LENGTH)
    return [100 + rng.normal(0, 3) * steps + rng.normal(0, 6, LENGTH) for _ in range(series)]


PANEL = Panel.of(slopes(80, 0))


@pytest.fixture(scope="module")
def fitted():
    return fit_universal(PANEL, SPEC)


def mase(bundle, panel):
    origins = rolling_origins(panel, panel.lengths - 12, HORIZON)
    return float(np.mean([errors.mean() for errors in evaluate(bundle, panel, origins).by_origin]))


def same_weights(one, other):
    return all(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights | other.weights)


def test_a_tuned_model_beats_the_shipped_one_where_that_distrusts_the_right_expert(fitted):
    other = Panel.of(slopes(80, 1))
    shipped, tuned = mase(shipped_bundle("1", HORIZON, 1), other), mase(fitted.bundle, other)
    assert tuned < 0.97 * shipped
    assert (fitted.bundle.manifest["tuned"], fitted.chosen > 0) == (True, True)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(fitted):
    assert fit_universal(PANEL, SPEC).bundle.digest == fitted.bundle.digest
    assert fit_universal(PANEL, replace(SPEC, seed=1)).bundle.digest != fitted.bundle.digest


def test_the_same_steps_on_the_same_panel_give_it_again(fitted):
    assert refit(PANEL, fitted.bundle).digest == fitted.bundle.digest
    assert refit(PANEL.head(PANEL.lengths - 12), fitted.bundle).digest != fitted.bundle.digest


def test_it_outlives_its_artifact(fitted):
    again = from_bytes(to_bytes(fitted.bundle), fitted.bundle.digest)
    assert again.config == fitted.bundle.config
    assert same_weights(again, fitted.bundle)


def test_where_nothing_can_be_learned_the_shipped_weights_are_kept():
    rng = np.random.default_rng(0)
    walks = Panel.of([rng.normal(size=60).cumsum() for _ in range(30)])
    found = fit_universal(walks, replace(SPEC, steps=1))
    kept = found.chosen == 0
    assert same_weights(found.bundle, shipped_bundle("1", HORIZON, 1)) == kept
    assert ("its weights are the shipped ones" in found.bundle.manifest["rule"][0]) == kept


def test_too_few_values_are_refused_with_what_to_do():
    with pytest.raises(InvalidInput, match="too few values to tune the model to"):
        fit_universal(Panel.of([np.arange(20.0)]), SPEC)


def test_minutes_are_kept(fitted):
    found = fit_universal(PANEL, replace(SPEC, steps=None, max_minutes=0.05))
    assert found.seconds < 6
    assert found.planned <= 1_500
