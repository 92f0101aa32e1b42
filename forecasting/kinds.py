"""Chooses the implementation that rolls a model, by what its artifact says."""

from collections.abc import Callable
from typing import Any

import numpy as np

from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller
from forecasting.symbol_config import is_symbols
from forecasting.symbols.symbol_roller import SymbolRoller
from forecasting.universal.universal_roller import UniversalRoller

# Kinds that are neither networks nor baselines of numbers.
OTHER_KINDS: dict[str, Callable[[Bundle], Any]] = {"universal": UniversalRoller}


def model_of(bundle: Bundle) -> Any:
    """The model, ready to roll. It keeps the contract `RollingModel` of `states.model`."""
    usual: Callable[[Bundle], Any] = SymbolRoller if is_symbols(bundle.config) else Roller
    return OTHER_KINDS.get(bundle.config.kind, usual)(bundle)


def values_held(bundle: Bundle) -> int:
    """The number of last values that a state of a model of numbers holds."""
    model = model_of(bundle)
    return int(model.last_values(model.empty(0), np.zeros(0, np.int64)).shape[1])
