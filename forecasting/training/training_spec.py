"""What to fit, and for how long."""

from dataclasses import dataclass, field

import numpy as np

from forecasting.panel import Panel
from forecasting.recurrent_options import USUAL, RecurrentOptions
from forecasting.training.auto_config import Choice
from forecasting.training.devices import Hardware
from forecasting.training.training_defaults import DEFAULTS, TrainingDefaults
from forecasting.training.workload import chunk_length, lanes_for


@dataclass(frozen=True)
class TrainingSpec:
    """What to fit. Either `steps` or `max_minutes` bounds the training; `tail` (n,) overrides the lengths of the
    validation tail."""

    kind: str
    season: int
    horizon: int
    max_minutes: float = 3.0
    steps: int | None = None
    seed: int = 0
    tail: np.ndarray | None = field(default=None, compare=False)
    hardware: Hardware = field(default_factory=Hardware)
    defaults: TrainingDefaults = field(default_factory=lambda: DEFAULTS)
    hidden_size: int | None = None  # instead of what the rule chooses, like the two below
    num_layers: int | None = None
    dropout: float | None = None
    options: RecurrentOptions = field(default_factory=lambda: USUAL)

    def shaped(self, choice: Choice) -> Choice:
        """The settings that the rule chose, with the size and the options that are asked for."""
        return choice.shaped(self.options, self.hidden_size, self.num_layers, self.dropout)

    def lanes(self, past: Panel) -> int:
        """Lanes of all processes together."""
        return lanes_for(past, self.horizon, self.defaults, self.options.truncate)

    def origins(self, past: Panel) -> int:
        """Origins that a lane reads at a time, over which gradients flow back."""
        return chunk_length(past, self.options.truncate)
