"""The cycle memory: for each phase of a long cycle, the mean distance of its values from the level at their time.

A round is one repetition of the cycle. A window holds few rounds of a long cycle, and a single round is noisy. So a
state keeps, for each phase p of a cycle of C steps, a mean m_p over all rounds since its anchor. It also keeps the
level l, the mean of the last C values (of fewer right after the anchor), and s, the usual distance of values from the
level. An observed value y_t updates its own phase, t mod C:

    l   ← mean of clip(y_k, l ± L C s), k over the last C steps
    d   = y_t - l,                   s   ← s + (min(|d|, V s) - s) / min(values since the anchor, C)
    n_p ← min(n_p + 1, ROUNDS),      m_p ← m_p + (clip(d, min(m_p, 0) - V s, max(m_p, 0) + V s) - m_p) / n_p

with V = VALUE_LIMIT and L = LEVEL_LIMIT. All rounds have equal weight until there are ROUNDS of them; from then on the
weight of an older round becomes smaller with each new one. No value moves its phase or the level by more than a few
usual distances (Huber 1964): otherwise a single spike would stay in the mean for a hundred rounds. A peak that repeats
is in the mean after some rounds. Old values lose their weight at least as fast as in a plain mean. While s is 0 nothing
is clipped, and a value at its level does not change s.
A phase without a value so far is 0, which is the level. Where the window moves far less than the phase means, they are
scaled down before a network reads them (`scaling.scaled`).

In this file mean (C,) float32 has the phase means in data units, met (C,) uint8 the number of rounds n_p, and usual
(2,) float64 s and l. Values are float64 with gaps filled with the value before; seen is bool, whether a value is real.

A change of this arithmetic bumps FORMAT in `forecasting/kernel/kernel.py` where an artifact's answers differ, and
LAYOUT in `data/store/snapshot_store.py` where states roll differently.
"""

import numpy as np

from forecasting.kernel.compiled import compiled

ROUNDS = 100  # largest divisor of the mean: beyond it, older rounds lose weight
VALUE_LIMIT = 5.0  # usual distances by which a value may move its phase away from the level
LEVEL_LIMIT = 2.0  # usual distances by which a value may move the level
AT_REST = 1e-9  # share of the level: a value that is at most so far from the level does not change s


@compiled
def _update(mean: np.ndarray, met: np.ndarray, usual: np.ndarray, recent: np.ndarray, phase: int) -> None:
    """Updates a phase of mean and met (C,), and usual, with the last value of recent: the last C values, or all since
    the anchor."""
    unit, total = usual[0] if usual[0] > 0 else np.inf, 0.0
    low, high = usual[1] - LEVEL_LIMIT * len(recent) * unit, usual[1] + LEVEL_LIMIT * len(recent) * unit
    for t in range(len(recent)):
        total += min(max(recent[t], low), high)
    usual[1] = total / len(recent)
    distance = recent[-1] - usual[1]
    if abs(distance) > AT_REST * abs(usual[1]):
        usual[0] += (min(abs(distance), VALUE_LIMIT * unit) - usual[0]) / len(recent)
    low, high = min(mean[phase], 0.0) - VALUE_LIMIT * usual[0], max(mean[phase], 0.0) + VALUE_LIMIT * usual[0]
    met[phase] = min(met[phase] + 1, ROUNDS)
    mean[phase] += (min(max(distance, low), high) - mean[phase]) / met[phase]


@compiled
def update_cycle_memory(
    mean: np.ndarray,
    met: np.ndarray,
    usual: np.ndarray,
    window: np.ndarray,
    seen: np.ndarray,
    known: np.ndarray,
    step: np.ndarray,
) -> None:
    """Updates mean and met (B, C) and usual (B, 2) in place with the last value of each window (B, W >= C), at the grid
    step in step (B,).

    known (B,) int64 is the number of real values since the anchor, the last one included.
    """
    cycle, width = mean.shape[1], window.shape[1]
    for row in range(len(window)):
        if seen[row]:
            _update(mean[row], met[row], usual[row], window[row, width - min(cycle, known[row]) :], step[row] % cycle)


@compiled
def build_cycle_memory(
    mean: np.ndarray, met: np.ndarray, usual: np.ndarray, values: np.ndarray, seen: np.ndarray, last: np.ndarray
) -> None:
    """Updates mean, met and usual in place with all values (B, T), oldest first; the last ones are at the grid steps in
    last (B,)."""
    cycle, length = mean.shape[1], values.shape[1]
    for row in range(len(values)):
        known = 0
        for t in range(length):
            if seen[row, t]:
                known += 1
                recent = values[row, t + 1 - min(cycle, known) : t + 1]
                _update(mean[row], met[row], usual[row], recent, (last[row] + 1 - length + t) % cycle)


@compiled
def phase_means(values: np.ndarray, seen: np.ndarray, offsets: np.ndarray, cycle: int, window: int) -> np.ndarray:
    """(T,) float32: for each value, the mean of its phase after its update, for n series (T,) laid end to end with
    offsets (n + 1,). The last C of them up to a value are the whole cycle memory at that value.

    After a silence longer than the window the means restart, as a state does; the means of the last C steps of the
    silence become 0, because a constant window would scale them to nothing anyway."""
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
                _update(mean, met, usual, values[t + 1 - min(cycle, known) : t + 1], phase)
            else:
                silent += 1
            found[t] = mean[phase]
    return found
