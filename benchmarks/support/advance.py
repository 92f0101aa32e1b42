"""Advances states in micro-batches, as the service does, against the float32 matrix product of the same machine."""

import numpy as np

from benchmarks.support.run import Figures, in_turns
from benchmarks.support.store import CONFIG, ORIGIN, contexts, network
from forecasting.kernel.threads import cores, each
from forecasting.rolling.roller import Roller

BATCH, STEPS = 256, 8  # series, and steps of each in one call
STEP_FLOPS = 2 * CONFIG.members * (CONFIG.features * 128 + 256 * 512)


def measure(rounds: int) -> Figures:
    roller = Roller(network())
    state = roller.start(contexts(BATCH), np.full(BATCH, ORIGIN))
    rows = np.repeat(np.arange(BATCH), STEPS)
    clock = [ORIGIN]
    square = np.random.default_rng(0).standard_normal((1024, 1024)).astype(np.float32)
    parts = np.array_split(square, cores())

    def advance() -> None:
        steps = np.tile(np.arange(clock[0] + 1, clock[0] + 1 + STEPS), BATCH)
        clock[0] += STEPS
        roller.fold(state, rows, steps, 50 + 3 * np.sin(steps / 4))

    taken = in_turns({"advance": (advance, 3), "product": (lambda: each(lambda part: part @ square, parts), 3)}, rounds)
    peak = 2 * 1024**3 / taken["product"]
    rate = BATCH * STEPS * STEP_FLOPS / taken["advance"]
    return {
        "advance_rate": float(np.median(rate / peak)),
        "advance_steps_per_second": float(np.median(BATCH * STEPS / taken["advance"])),
        "peak_gflops": float(np.median(peak) / 1e9),
    }
