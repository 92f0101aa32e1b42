"""The evaluation on the validation tail whose weights are kept."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from forecasting.training.callbacks import BestWeights


def after_losses(*losses: float) -> BestWeights:
    """The callback after evaluations with these losses, ten steps apart; the weights are their step."""
    best = BestWeights()
    strategy = SimpleNamespace(reduce=lambda loss: loss, root_device="cpu")
    for number, loss in enumerate(losses, 1):
        trainer: Any = SimpleNamespace(global_step=10 * number, strategy=strategy)
        network = SimpleNamespace(export=lambda step=10 * number: {"step": np.array(step)})
        module: Any = SimpleNamespace(tail_loss=lambda loss=loss: loss, network=network)
        best.on_validation_epoch_end(trainer, module)
    return best


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ((0.30, 0.25, 0.24), 30),
        ((0.30, 0.240, 0.245, 0.2415), 40),  # 0.6 % above the best, and neighbours differ by 2 %: as good, and later
        ((0.30, 0.240, 0.245, 0.2430), 20),  # 1.3 % above it: 1 % is the most that counts as noise
        ((0.250, 0.240, 0.2415, 0.2430), 30),  # as good is measured from the best, and does not creep
        ((0.25, 0.2402, 0.2401, 0.2400, 0.2399, 0.2405, 0.2408), 50),  # 0.3 %, where neighbours differ by 0.04 %
        ((0.25, 0.2402, 0.2401, 0.2404, 0.2400, 0.2405, 0.2401), 70),  # 0.04 %, where they differ by 0.2 %
        ((float("nan"), 0.30, float("nan")), 20),
        ((float("nan"), float("nan")), 10),
    ],
)
def test_the_last_evaluation_no_further_from_the_best_than_neighbours_differ_is_kept(
    losses: tuple[float, ...], step: int
) -> None:
    best = after_losses(*losses)
    assert (best.step, best.weights["step"]) == (step, step)


def test_a_resumed_run_has_the_evaluations_before_it() -> None:
    before, after = after_losses(0.250, 0.240, 0.2415), BestWeights()
    after.load_state_dict(before.state_dict())
    assert (after.loss, after.step, after.weights["step"]) == (0.240, 30, 30)
    assert after.recent == [0.250, 0.240, 0.2415]
    earlier = {name: value for name, value in before.state_dict().items() if name != "recent"}
    after.load_state_dict(earlier)
    assert after.recent == []
