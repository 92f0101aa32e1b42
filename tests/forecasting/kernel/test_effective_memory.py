"""The effective memory of networks whose forget gates were set by hand."""

from dataclasses import replace

import numpy as np
import pytest

from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller
from tests.support.forecasting_kit import tiny_bundle, wave

PANEL = Panel.of(wave(3))


def keeping(share: float) -> Bundle:
    """An LSTM whose forget gates are always `share`, that takes a little in, and whose median reads its last layer."""
    bundle = tiny_bundle("lstm", PANEL)
    config = replace(bundle.config, num_layers=1)
    weights = {name: value.copy() for name, value in bundle.weights.items() if "_l1" not in name}
    forget = np.log(share / (1 - share))
    taken_in = weights["cells.weight_ih_l0"][2 * config.hidden_size : 3 * config.hidden_size].copy()
    for name in ("cells.weight_ih_l0", "cells.weight_hh_l0", "cells.bias_hh_l0"):
        weights[name][:] = 0
    weights["cells.weight_ih_l0"][2 * config.hidden_size : 3 * config.hidden_size] = 0.05 * taken_in
    weights["cells.bias_ih_l0"][:] = np.repeat(np.array([0, forget, 0, 9], np.float32), config.hidden_size)
    return replace(bundle, config=config, weights=weights)


def measured(bundle: Bundle) -> float | None:
    return Roller(bundle).inspection().effective_memory(PANEL.tail_matrix(bundle.config.context), PANEL.last)


@pytest.mark.parametrize(("share", "steps", "within"), [(0.98, 50, 5), (0.9, 9.5, 1), (0.5, 1.44, 0.3)])
def test_it_is_where_the_kept_share_has_fallen_to_a_third(share, steps, within):
    assert measured(keeping(share)) == pytest.approx(steps, abs=within)


def test_a_memory_that_never_fades_is_infinite():
    assert measured(keeping(0.9999)) == np.inf


def test_a_head_that_does_not_read_the_layers_has_none_of_their_memory():
    bundle = keeping(0.9)
    bundle.weights["head.mix.weight"][:, : bundle.config.hidden_size] = 0
    assert measured(bundle) == 0


@pytest.mark.parametrize("kind", ["mlp", "cnn", "seasonal_naive"])
def test_a_model_without_recurrent_layers_has_none(kind):
    assert measured(tiny_bundle(kind, PANEL)) is None


@pytest.mark.parametrize("kind", ["gru", "rnn"])
def test_other_cells_are_measured_too(kind):
    assert 0 < measured(tiny_bundle(kind, PANEL)) < 500
