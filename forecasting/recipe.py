"""How a network is trained, apart from what it is: the same for every dataset.

Each number was compared on the last steps of training parts; `benchmarks/RESULTS.md` has the comparisons, and
`python -m benchmarks.trials` repeats them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The choices of a training."""

    lanes: int = 96  # series read side by side in one step
    few: int = 24  # series below which a third of the lanes do, for more steps
    mixed: float = 0.25  # share of lanes that are mixed with another series, see `augmentation`
    keep: float = 0.25  # share of anchors, drawn at each step, that the loss reads
    rate: float = 4e-3  # the highest learning rate
    members: int = 3  # of an ensemble of recurrent networks


RECIPE = Recipe()
