"""The long memory of a cycle: how far each of its phases lies from the level of its time, in the mean of many rounds.

A window holds few rounds of a long cycle, and one round is one week's weather. So a state keeps, for each phase p of
a cycle of C steps, a mean m_p over all rounds since its anchor; beside it the level l, the mean of the last C values,
of fewer right after the anchor, and how far values usually lie from it, s. A value y_t that was observed tells its own
phase, t mod C:

    l   ← mean of clip(y_k, l ± AWAY C s), k over the last C steps
    d   = y_t - l,                   s   ← s + (min(|d|, MOST s) - s) / min(values since the anchor, C)
    n_p ← min(n_p + 1, ROUNDS),      m_p ← m_p + (clip(d, min(m_p, 0) - MOST s, max(m_p, 0) + MOST s) - m_p) / n_p

Each round counts alike, until there are so many that the oldest fade; but no value takes its phase further away, or
moves the level, by more than a few usual distances (Huber 1964), or a single spike would be recalled for a hundred
rounds. A peak that comes back is learned in some rounds, and nothing is forgotten more slowly than in a plain mean.
While s is 0 nothing is clipped, and a value at its level tells s nothing. A phase that was not met yet is 0: at the
level. Where a window moves far less than what is remembered, a network is told less of it (`scaling.scaled`).

Everywhere mean is float32 in data units and met uint8, by phase, and usual (2,) float64 is s and l; values float64
with gaps held at the value before; seen bool, whether a value is real.
"""

import numpy as np

from forecasting.kernel.compiled import compiled

ROUNDS = 100  # that the mean is over; then the older ones fade
MOST = 5.0  # usual distances by which a value may take its phase further away
AWAY = 2.0  # usual distances by which it may move the level
STILL = 1e-9  # of a level: a value that lies no further from it stands still
WIDEST = 3.0  # scales of the window that the remembered round may measure, in the mean over its phases


@compiled
def _tell(mean: np.ndarray, met: np.ndarray, usual: np.ndarray, recent: np.ndarray, phase: int) -> None:
    """The last of some values, C or all since the anchor, tells a phase of mean and met (C,)."""
    unit, total = usual[0] if usual[0] > 0 else np.inf, 0.0
    low, high = usual[1] - AWAY * len(recent) * unit, usual[1] + AWAY * len(recent) * unit
    for t in range(len(recent)):
        total += min(max(recent[t], low), high)
    usual[1] = total / len(recent)
    distance = recent[-1] - usual[1]
    if abs(distance) > STILL * abs(usual[1]):
        usual[0] += (min(abs(distance), MOST * unit) - usual[0]) / len(recent)
    low, high = min(mean[phase], 0.0) - MOST * usual[0], max(mean[phase], 0.0) + MOST * usual[0]
    met[phase] = min(met[phase] + 1, ROUNDS)
    mean[phase] += (min(max(distance, low), high) - mean[phase]) / met[phase]


@compiled
def remember(
    mean: np.ndarray,
    met: np.ndarray,
    usual: np.ndarray,
    window: np.ndarray,
    seen: np.ndarray,
    known: np.ndarray,
    step: np.ndarray,
) -> None:
    """The last values of windows (B, W >= C), at grid steps (B,), tell mean and met (B, C) and usual (B, 2), in place.

    known (B,) int64 is how many real values there are since the anchor, the last one among them.
    """
    cycle, width = mean.shape[1], window.shape[1]
    for row in range(len(window)):
        if seen[row]:
            _tell(mean[row], met[row], usual[row], window[row, width - min(cycle, known[row]) :], step[row] % cycle)


@compiled
def recall(
    mean: np.ndarray, met: np.ndarray, usual: np.ndarray, values: np.ndarray, seen: np.ndarray, last: np.ndarray
) -> None:
    """All values (B, T), the last of them at grid steps (B,), tell mean, met and usual in place and in their order."""
    cycle, length = mean.shape[1], values.shape[1]
    for row in range(len(values)):
        known = 0
        for t in range(length):
            if seen[row, t]:
                known += 1
                recent = values[row, t + 1 - min(cycle, known) : t + 1]
                _tell(mean[row], met[row], usual[row], recent, (last[row] + 1 - length + t) % cycle)


@compiled
def told(values: np.ndarray, seen: np.ndarray, offsets: np.ndarray, cycle: int, window: int) -> np.ndarray:
    """(T,) float32 what its phase is at each value, once it was told, of n series (T,) laid end to end from offsets
    (n + 1,) on: the last C of them up to a value are all that is remembered then. After a silence longer than the
    window a state starts anew, and so does this; what it held in the silence's last cycle is let go with it, where a
    window that stands still would not have told it anyway."""
    found = np.zeros(len(values), np.float32)
    for i in range(len(offsets) - 1):
        mean, met, usual = np.zeros(cycle, np.float32), np.zeros(cycle, np.uint8), np.zeros(2)
        known = silent = 0
        for t in range(offsets[i], offsets[i + 1]):
            phase = (t - offsets[i]) % cycle
            if seen[t]:
                if silent > window:
                    mean[:], met[:], usual[:], known = 0, 0, 0, 0
                    found[max(offsets[i], t - cycle) : t] = 0
                known, silent = known + 1, 0
                _tell(mean, met, usual, values[t + 1 - min(cycle, known) : t + 1], phase)
            else:
                silent += 1
            found[t] = mean[phase]
    return found
