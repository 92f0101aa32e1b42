"""Cells by hand: gradients, numbers of weights, and how far back a gradient reaches."""

import numpy as np
import pytest
import torch

from forecasting.config import CELL_ARRAYS
from forecasting.lab.gradient_check import PASSED, check_gradients
from forecasting.lab.gradient_flow import STARTS, clipped, flows, made, trained
from forecasting.lab.hand_cells import BLOCKS, forward, random_weights, run
from forecasting.lab.min_rnn import MinRnn, lessons
from forecasting.lab.weight_count import COUNTED, GATES, Sizes, count_weights, textbook_network
from forecasting.networks.recurrent import read, recurrent_layers


def test_every_gradient_written_by_hand_is_the_numeric_one_and_torchs() -> None:
    found = check_gradients(seed=3)
    cells = [own.cell for own in found if own.where == "hand_cells"]
    assert cells == list(BLOCKS) == ["rnn", "gru", "lstm", "peephole", "coupled"]
    assert all(own.passed for own in found)
    assert max(own.torch for own in found if own.torch is not None) < 1e-12
    assert max(own.numeric for own in found) < PASSED


@pytest.mark.parametrize("cell", CELL_ARRAYS)
def test_a_step_by_hand_is_a_step_of_torch(cell: str) -> None:
    weights = random_weights(cell, 3, 5, seed=1)
    layer = recurrent_layers(cell, 3, 5, 1, 0.0).double()
    layer.load_state_dict({f"{name}_l0": torch.from_numpy(array) for name, array in weights.items()})
    xs = np.random.default_rng(0).standard_normal((6, 3))
    state = tuple(torch.zeros(1, 1, 5, dtype=torch.float64) for _ in range(CELL_ARRAYS[cell]))
    u, _ = read(layer, torch.from_numpy(xs)[None], state)
    steps = run(cell, weights, xs, (np.zeros(5), np.zeros(5)))
    np.testing.assert_allclose(u[0].detach().numpy(), [step.after[0] for step in steps], atol=1e-12)


def test_a_coupled_gate_lets_in_what_it_forgets() -> None:
    weights = {name: np.zeros_like(array) for name, array in random_weights("coupled", 1, 1, 0).items()}
    weights["bias_ih"][1] = 100  # the candidate is 1, the forget gate 1/2
    step = forward("coupled", weights, np.zeros(1), np.zeros(1), np.array([3.0]))
    assert step.after[1] == pytest.approx([0.5 * 3 + 0.5 * 1])


def test_the_count_of_weights_is_the_formula_and_the_tensors_for_random_sizes() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        sizes = Sizes(*draw.integers(1, 40, 2).tolist(), int(draw.integers(1, 5)), int(draw.integers(1, 40)))
        for kind in (*COUNTED, "peephole", "coupled"):
            count = count_weights(kind, sizes)
            tensors = sum(weight.numel() for weight in textbook_network(kind, sizes).parameters())
            assert count.total == count.tensors == tensors, (kind, sizes)


def test_an_arrow_with_two_heads_counts_as_two() -> None:
    """Three hidden units, each joined to each: three lines with two heads and three loops are nine weights."""
    parts = {part.part: part.weights for part in count_weights("rnn", Sizes(2, 3, 1, 2)).parts}
    assert parts["hidden: from the hidden state"] == 2 * 3 + 3
    assert parts["hidden: from the input"] == 2 * 3
    assert len(GATES["lstm"]) == 4


def test_gradients_vanish_or_are_carried_as_the_forget_gate_says() -> None:
    far = {flow.start.name: flow.far for flow in flows(seeds=10)}
    assert far["rnn, uniform"] <= 1e-6
    assert far["lstm, as torch starts it"] <= 1e-6
    assert far["lstm, forget bias 1"] >= 1e-4
    assert far["lstm, forget bias 3"] >= 1e-1
    assert far["rnn, orthogonal"] > far["rnn, uniform"]


def test_a_network_that_stretches_explodes_and_clipping_takes_the_length_alone() -> None:
    found = clipped((5, 40))
    assert found.norms[1] > 10 * found.norms[0] > 100
    assert found.clipped == pytest.approx([1, 1], rel=1e-3)


def test_training_changes_the_cells_and_says_its_error() -> None:
    start = next(start for start in STARTS if start.forget_bias == 3.0)
    cells, error = trained(made(start, 8, 0), steps=3, seed=0)
    assert 0.3 < error < 3
    assert next(cells.parameters()).dtype == torch.float64


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
def test_the_network_on_one_page_learns_to_write(cell: str) -> None:
    text = np.tile([0, 1, 2, 3], 200)
    network = MinRnn(4, 12, cell)
    losses = [loss for _, loss in lessons(network, text, 400)]
    assert losses[0] == pytest.approx(np.log(4), abs=0.1)
    assert losses[-1] < 0.3
    assert network.write(3, 12, seed=0)[-8:] in ([0, 1, 2, 3] * 2, [1, 2, 3, 0] * 2, [2, 3, 0, 1] * 2, [3, 0, 1, 2] * 2)
