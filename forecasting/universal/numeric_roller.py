"""Chooses what rolls a model of numbers: the engine of experts, or a network or baseline."""

from forecasting.config import SHIPPED
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller
from forecasting.universal.universal_roller import UniversalRoller


def numeric_roller(bundle: Bundle) -> Roller:
    """The model, ready to roll."""
    return (UniversalRoller if bundle.config.kind in SHIPPED else Roller)(bundle)
