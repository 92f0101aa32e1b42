"""Options of the recurrent layers: what they change, and that nothing changes without them.

That torch and the kernel agree for each of them is a line of `CONFIGURATIONS` in tests/forecasting/kernel.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from data.errors import DamagedArtifact, InvalidInput
from forecasting.config import RECURRENT, ModelConfig
from forecasting.kernel.kernel import Kernel
from forecasting.networks.networks import Network
from forecasting.networks.recurrent import recurrent_layers
from forecasting.panel import Panel
from forecasting.recurrent_options import USUAL, RecurrentOptions
from forecasting.training.auto_config import choose
from forecasting.training.fit_network import TrainingSpec, fit_single
from forecasting.training.workload import chunk_length, lanes

PANEL = Panel.of([10 + np.sin(np.arange(120) * 2 * np.pi / 7 + i) for i in range(4)])
USUAL_CONFIG = choose(PANEL, "lstm", 7, 7).config


def with_options(**options: object) -> ModelConfig:
    return replace(USUAL_CONFIG, hidden_size=8, num_layers=2, options=RecurrentOptions(**options))  # type: ignore[arg-type]


def test_without_options_a_config_is_written_as_it_always_was() -> None:
    assert "options" not in USUAL_CONFIG.to_dict()
    assert ModelConfig.from_dict(USUAL_CONFIG.to_dict()) == USUAL_CONFIG
    assert type(Network(USUAL_CONFIG).cells) is torch.nn.LSTM


def test_options_are_written_where_they_differ_and_read_back() -> None:
    config = with_options(residual=True, forget_bias=3.0)
    assert config.to_dict()["options"] == {"residual": True, "forget_bias": 3.0}
    assert ModelConfig.from_dict(config.to_dict()) == config
    with pytest.raises(DamagedArtifact, match="unknown to this version: zoneout"):
        ModelConfig.from_dict({**config.to_dict(), "options": {"zoneout": 0.1}})


def test_a_shape_that_is_asked_for_is_said_in_the_last_reason() -> None:
    choice = choose(PANEL, "lstm", 7, 7)
    assert choice.shaped(USUAL) is choice
    shaped = choice.shaped(RecurrentOptions(layer_norm=True, forget_bias="chrono"), 16, 2)
    assert shaped.reasons[-1] == "lstm, 2 layers of 16, forget bias chrono, layer norm True: as asked for"
    assert shaped.reasons[:-1] == choice.reasons[:-1]
    with pytest.raises(InvalidInput, match="there is one; add --num-layers 2"):
        choice.shaped(RecurrentOptions(residual=True))


@pytest.mark.parametrize("cell", RECURRENT)
def test_orthogonal_weights_turn_and_do_not_stretch(cell: str) -> None:
    cells = recurrent_layers(cell, 3, 8, 2, 0.0, RecurrentOptions("orthogonal"))
    for name, weight in cells.named_parameters():
        if name.startswith("weight_hh"):
            for block in weight.detach().split(8):
                np.testing.assert_allclose((block @ block.T).numpy(), np.eye(8), atol=1e-5)


def test_a_forget_bias_is_the_sum_of_both_biases_and_touches_no_other_gate() -> None:
    torch.manual_seed(0)
    plain = dict(recurrent_layers("lstm", 3, 8, 1, 0.0).named_parameters())
    torch.manual_seed(0)
    cells = recurrent_layers("lstm", 3, 8, 1, 0.0, RecurrentOptions(forget_bias=3.0))
    total = (cells.get_parameter("bias_ih_l0") + cells.get_parameter("bias_hh_l0")).detach()
    assert total[8:16].tolist() == [3.0] * 8
    for rows in (slice(0, 8), slice(16, 32)):
        assert torch.equal(cells.get_parameter("bias_ih_l0")[rows], plain["bias_ih_l0"][rows])


def test_chrono_spreads_memories_up_to_the_longest() -> None:
    torch.manual_seed(0)
    cells = recurrent_layers("lstm", 3, 256, 1, 0.0, RecurrentOptions(forget_bias="chrono"), longest=100)
    total = (cells.get_parameter("bias_ih_l0") + cells.get_parameter("bias_hh_l0")).detach().numpy()
    steps = np.exp(total[256:512])  # a forget gate of σ(log n) keeps about n steps
    assert steps.min() >= 1 and steps.max() <= 99 and steps.mean() == pytest.approx(50, abs=5)
    np.testing.assert_allclose(total[:256], -total[256:512], atol=1e-6)


def test_input_dropout_drops_the_same_inputs_at_every_step_and_none_when_it_serves() -> None:
    network = Network(with_options(input_dropout=0.5))
    torch.manual_seed(0)
    z = torch.ones(3, 20, 8)
    dropped = network.train()._dropped(z)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert 0 < (dropped == 0).float().mean() < 1
    assert len(dropped[:, 0].unique(dim=0)) > 1  # other ones for another row
    assert torch.equal(network.eval()._dropped(z), z)


@pytest.mark.parametrize("kind", RECURRENT)
def test_masking_keeps_the_state_of_a_row_without_a_value_to_the_bit(kind: str) -> None:
    config = replace(with_options(masking=True), kind=kind)
    kernel, draw = Kernel(config, Network(config).export()), np.random.default_rng(0)
    features = draw.standard_normal((3, config.memory + config.features)).astype(np.float32)
    features[:, config.observed] = (1, 0, 1)
    carried = 2 if kind == "lstm" else 0
    hidden, carry = (draw.standard_normal((3, layers, 8)).astype(np.float32) for layers in (2, carried))
    before = hidden.copy(), carry.copy()
    kernel.roll(features, hidden, carry)
    assert np.array_equal(hidden[1], before[0][1]) and np.array_equal(carry[1], before[1][1])
    assert not np.array_equal(hidden[0], before[0][0])


def test_gradients_flow_back_over_the_steps_that_are_asked_for() -> None:
    assert chunk_length(PANEL) == 96
    assert chunk_length(PANEL, 16) == 16
    chunk = next(iter(lanes(PANEL, with_options(truncate=16), seed=0)))
    assert chunk.seen.shape[1] == 16


def test_a_network_with_every_option_is_trained_and_rolls(short_collections: None) -> None:
    own = RecurrentOptions("orthogonal", "chrono", 0.2, True, True, True, 16)
    config = replace(USUAL_CONFIG, hidden_size=8, num_layers=2, options=own)
    bundle = fit_single(PANEL, config, TrainingSpec("lstm", 7, 7, options=own), steps=3)
    names = {name for name in bundle.weights if name.startswith("cells.")}
    assert {"cells.weight_hh_l1", "cells.norm_weight_l0", "cells.norm_bias_l0"} <= names
    assert ModelConfig.from_dict(bundle.config.to_dict()).options == own
