"""Which look at the validation tail says how long to train."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from forecasting.callbacks import Best


def looked(*losses: float) -> Best:
    """After looks at these losses, ten steps apart; the weights tell their step."""
    best = Best()
    strategy = SimpleNamespace(reduce=lambda loss: loss, root_device="cpu")
    for look, loss in enumerate(losses, 1):
        trainer: Any = SimpleNamespace(global_step=10 * look, strategy=strategy)
        network = SimpleNamespace(export=lambda step=10 * look: {"step": np.array(step)})
        module: Any = SimpleNamespace(tail_loss=lambda loss=loss: loss, network=network)
        best.on_validation_epoch_end(trainer, module)
    return best


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ((0.30, 0.25, 0.24), 30),
        ((0.30, 0.240, 0.245, 0.2415), 40),  # 0.6 % above the best: as good, and later
        ((0.30, 0.240, 0.245, 0.2430), 20),  # 1.3 % above it
        ((0.240, 0.2423, 0.2446), 20),  # as good is measured from the best, and does not creep
        ((float("nan"), 0.30, float("nan")), 20),
        ((float("nan"), float("nan")), 10),
    ],
)
def test_the_last_look_within_one_percent_of_the_best_is_kept(losses: tuple[float, ...], step: int) -> None:
    best = looked(*losses)
    assert (best.step, best.weights["step"]) == (step, step)


def test_a_run_that_is_resumed_knows_the_least_loss_not_that_of_its_weights() -> None:
    before, after = looked(0.240, 0.2415), Best()
    after.load_state_dict(before.state_dict())
    assert (after.loss, after.step, after.weights["step"]) == (0.240, 20, 20)
