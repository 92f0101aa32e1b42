"""Defaults of a training that are the same for every dataset. The size of a network is chosen in `auto_config.py`.

Each number was compared on the last steps of training parts. `benchmarks/RESULTS.md` has the comparisons, and
`python -m benchmarks.trials` repeats them.
"""

from dataclasses import dataclass

from forecasting.config import ModelConfig


@dataclass(frozen=True)
class TrainingDefaults:
    """How networks are trained."""

    lanes: int = 96  # series that one step reads side by side
    few: int = 24  # with fewer series: a third of the lanes, hence more steps, and the rate `careful`
    mixed: float = 0.5  # share of the lanes that are mixed with another series, see `augmentation`
    mixed_seasons: float = 0.25  # the same where forecasts start from the last season: 0.5 is worse for hourly data
    by_length: float = 1.0  # a series is drawn with its length to this power: with 1 all windows are equally likely
    keep: float = 0.25  # share of the origins, drawn at each step, that count in the loss
    rate: float = 4e-3  # the highest learning rate
    careful: float = 1e-3  # the same for few series, which a network soon overfits
    decay: float = 0.3  # AdamW's weight decay
    members: int = 3  # networks in an ensemble of recurrent networks

    def lanes_for(self, series: int) -> int:
        """Lanes of all processes together, for this number of series."""
        return self.lanes if series >= self.few else max(1, self.lanes // 3)

    def mixed_for(self, config: ModelConfig) -> float:
        """The share of mixed lanes for a network with this configuration."""
        return self.mixed if config.skip_lag == 1 else self.mixed_seasons

    def rate_for(self, series: int) -> float:
        """The highest learning rate for this number of series."""
        return self.rate if series >= self.few else self.careful


DEFAULTS = TrainingDefaults()
