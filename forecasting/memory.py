"""The long memory of a cycle: how far each of its phases lies from the level of its time, in the mean of many rounds.

A window holds few rounds of a long cycle, and one round is one week's weather. So a state keeps, for each phase p of
a cycle of C steps, a mean over all rounds since its anchor. A value y_t that was observed tells its own phase, t mod C:

    level_t = mean of the last C values, of fewer right after the anchor
    n_p ← min(n_p + 1, ROUNDS),      m_p ← m_p + (y_t - level_t - m_p) / n_p

Each round counts alike, until there are so many that the oldest fade. A phase that was not met yet is 0: at the level.

Everywhere mean is float32 in data units and met uint8, by phase; values float64 with gaps held at the value before;
seen bool, whether a value is real; known int64, how many real ones there are since the anchor, it among them.
"""

import numpy as np

from forecasting.compiled import compiled

ROUNDS = 100  # that the mean is over; then the older ones fade


@compiled
def _tell(mean: np.ndarray, met: np.ndarray, recent: np.ndarray, phase: int) -> None:
    """The last of some values tells a phase of mean and met (C,)."""
    total = 0.0
    for t in range(len(recent)):
        total += recent[t]
    met[phase] = min(met[phase] + 1, ROUNDS)
    mean[phase] += (recent[-1] - total / len(recent) - mean[phase]) / met[phase]


@compiled
def remember(
    mean: np.ndarray, met: np.ndarray, window: np.ndarray, seen: np.ndarray, known: np.ndarray, step: np.ndarray
) -> None:
    """The last values of windows (B, W >= C), at grid steps (B,), tell mean and met (B, C), in place."""
    cycle, width = mean.shape[1], window.shape[1]
    for row in range(len(window)):
        if seen[row]:
            _tell(mean[row], met[row], window[row, width - min(cycle, known[row]) :], step[row] % cycle)


@compiled
def recall(mean: np.ndarray, met: np.ndarray, values: np.ndarray, seen: np.ndarray, last: np.ndarray) -> None:
    """All values (B, T), the last of them at grid steps (B,), tell mean and met (B, C), in place and in their order."""
    cycle, length = mean.shape[1], values.shape[1]
    for row in range(len(values)):
        known = 0
        for t in range(length):
            if seen[row, t]:
                known += 1
                recent = values[row, t + 1 - min(cycle, known) : t + 1]
                _tell(mean[row], met[row], recent, (last[row] + 1 - length + t) % cycle)


@compiled
def told(values: np.ndarray, seen: np.ndarray, known: np.ndarray, offsets: np.ndarray, cycle: int) -> np.ndarray:
    """(T,) float32 what its phase is at each value, once it was told, of n series (T,) laid end to end from offsets
    (n + 1,) on: the last C of them up to a value are all that is remembered then."""
    found = np.zeros(len(values), np.float32)
    for i in range(len(offsets) - 1):
        mean, met = np.zeros(cycle, np.float32), np.zeros(cycle, np.uint8)
        for t in range(offsets[i], offsets[i + 1]):
            phase = (t - offsets[i]) % cycle
            if seen[t]:
                _tell(mean, met, values[t + 1 - min(cycle, known[t]) : t + 1], phase)
            found[t] = mean[phase]
    return found
