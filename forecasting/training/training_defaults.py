"""How a network is trained, apart from what it is: the same for every dataset.

Each number was compared on the last steps of training parts; `benchmarks/RESULTS.md` has the comparisons, and
`python -m benchmarks.trials` repeats them.
"""

from dataclasses import dataclass

from forecasting.config import ModelConfig


@dataclass(frozen=True)
class Recipe:
    """The choices of a training."""

    lanes: int = 96  # series read side by side in one step
    few: int = 24  # series below which a third of the lanes do, for more steps, and the careful rate is taken
    mixed: float = 0.5  # share of lanes that are mixed with another series, see `augmentation`
    mixed_seasons: float = 0.25  # the same where forecasts start from the last season: half would cost hours accuracy
    by_length: float = 1.0  # power of its length by which a series is drawn for a lane: at 1 each window counts alike
    keep: float = 0.25  # share of anchors, drawn at each step, that the loss reads
    rate: float = 4e-3  # the highest learning rate
    careful: float = 1e-3  # the same for few series, which a network soon knows by heart
    decay: float = 0.3  # AdamW's decay of the weights
    members: int = 3  # of an ensemble of recurrent networks

    def lanes_for(self, series: int) -> int:
        """Lanes of all processes together."""
        return self.lanes if series >= self.few else max(1, self.lanes // 3)

    def mixed_for(self, config: ModelConfig) -> float:
        """The share of mixed lanes for a network."""
        return self.mixed if config.skip_lag == 1 else self.mixed_seasons

    def rate_for(self, series: int) -> float:
        """The highest learning rate for so many series."""
        return self.rate if series >= self.few else self.careful


RECIPE = Recipe()
