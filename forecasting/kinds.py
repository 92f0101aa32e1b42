"""Chooses the implementation that rolls a model, by the kind in its artifact."""

from collections.abc import Callable
from typing import Any

from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller
from forecasting.universal.universal_roller import UniversalRoller

# Kinds that are neither networks nor baselines of numbers.
OTHER_KINDS: dict[str, Callable[[Bundle], Any]] = {"universal": UniversalRoller}


def model_of(bundle: Bundle) -> Any:
    """The model, ready to roll. It keeps the contract `RollingModel` of `states.model`."""
    return OTHER_KINDS.get(bundle.config.kind, Roller)(bundle)
