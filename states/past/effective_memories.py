"""The effective memory of each model, measured when it is first asked for and then kept by its fingerprint."""

import threading
from collections import OrderedDict

import numpy as np

from forecasting.rolling.inspection import CONTEXTS
from states.champion import Champion

KEPT = 64  # models


class EffectiveMemories:
    """Any thread may ask; each model is measured once, which takes up to some seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, float | None] = OrderedDict()

    def known(self, champion: Champion) -> float | None:
        """What was measured of this model; None where nothing was."""
        return self._kept.get(champion.roller.fingerprint)

    def measured(self, champion: Champion) -> bool:
        """Was this model measured, whatever was found?"""
        return champion.roller.fingerprint in self._kept

    def measure(self, champion: Champion) -> float | None:
        """The effective memory of a model in steps, over the contexts of its first series; infinite where it is too
        long to measure, None where the model has no recurrent layers or no series a context.

        Raises StoreUnavailable, DamagedArtifact.
        """
        fingerprint, contexts = champion.roller.fingerprint, champion.contexts
        inspection = champion.roller.inspection()
        if inspection is None or not len(contexts):
            return None
        with self._lock:
            if fingerprint not in self._kept:
                values, origin, _ = contexts.take(np.sort(contexts.series)[:CONTEXTS])
                self._kept[fingerprint] = inspection.effective_memory(values, origin)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[fingerprint]
