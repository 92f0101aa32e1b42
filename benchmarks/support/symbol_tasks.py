"""Sequences of symbols whose truth is known: the children's book, dinner, and machines that fail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.panel import Panel

NAMES, SAW, STOP = ("Doug", "Jane", "Spot"), "saw", "."
BOOK = (*NAMES, SAW, STOP)
DISHES = ("pizza", "sushi", "waffles")
STATES = ("failing", "hot", "idle", "normal")
FAILING, HOT, IDLE, NORMAL = range(4)


def book(sentences: int, seed: int) -> np.ndarray:
    """(4 sentences,) codes of "X saw Y ." with X and Y drawn anew in each, never the same name."""
    rng = np.random.default_rng(seed)
    subject, other = rng.integers(0, 3, sentences), rng.integers(1, 3, sentences)
    words = np.stack([subject, np.full(sentences, 3), (subject + other) % 3, np.full(sentences, 4)], 1)
    return words.ravel().astype(np.float64)


@dataclass
class Reader:
    """Reads words one by one and says what is wrong with them: `place` is what is expected, 0 a subject, 1 "saw", 2 an
    object, 3 a full stop."""

    place: int = 0
    subject: int = -1

    def wrong(self) -> np.ndarray:
        """(5,) bool: which words would be a mistake now."""
        right = np.zeros(5, bool)
        if self.place in (0, 2):
            right[:3] = True
            right[self.subject] &= self.place == 0
        else:
            right[3 if self.place == 1 else 4] = True
        return ~right

    def read(self, word: int) -> str | None:
        """The kind of the mistake that a word is; None where it is none. After a mistake reading goes on from it."""
        mistake = self.kind(word) if self.wrong()[word] else None
        if word == 4:
            self.place = 0
        elif word == 3:
            self.place = 2
        elif self.place == 2 and mistake != "other":
            self.place = 3
        else:
            self.place, self.subject = 1, word
        return mistake

    def kind(self, word: int) -> str:
        """The lecture's three kinds: "Doug saw Doug .", "Jane saw Spot saw", "Spot . Doug ."; else "other"."""
        if self.place == 2 and word == self.subject:
            return "itself"
        if self.place == 3 and word == 3:
            return "goes on"
        return "too short" if self.place == 1 and word == 4 else "other"


def dinner(days: int, unwritten: float, seed: int) -> np.ndarray:
    """(days,) codes of the dishes in their cycle, NaN on a share of the days."""
    dishes = np.arange(days, dtype=np.float64) % 3
    dishes[np.random.default_rng(seed).random(days) < unwritten] = np.nan
    return dishes


def leaves(state: int, age: int) -> np.ndarray:
    """(4,) probabilities of the state after a step, for a machine that has been in a state for `age` steps."""
    found = np.zeros(4)
    if state == IDLE:
        found[NORMAL] = min(0.9, 0.02 + 0.03 * age)
    elif state == NORMAL:
        found[IDLE] = 0.01 + 0.002 * min(age, 20)
        found[HOT] = 0.001 * min(age, 60)
    elif state == HOT:
        found[NORMAL] = 0.25 if age < 6 else 0.02
        found[FAILING] = 0.0 if age < 4 else min(0.5, 0.03 * (age - 3))
    else:
        found[IDLE] = 0.0 if age < 3 else 0.5
    found[state] = 1 - found.sum()
    return found


OLDEST = 80  # steps in a state after which nothing changes
CHANCES = np.array([[leaves(state, age) for age in range(1, OLDEST + 1)] for state in range(4)])  # (4, ages, 4)


@dataclass(frozen=True)
class Machines:
    """states (n, T) float64 codes, and truth (n, T, 4), the probabilities of each before it came."""

    states: np.ndarray
    truth: np.ndarray

    @property
    def panel(self) -> Panel:
        return Panel.of(list(self.states), [f"m{i:03}" for i in range(len(self.states))])


def machines(count: int, steps: int, seed: int) -> Machines:
    """Machines whose next state depends on their state and on how long they have been in it (semi-Markov)."""
    rng = np.random.default_rng(seed)
    state, age = np.full(count, IDLE), np.ones(count, np.int64)
    states, truth = np.zeros((count, steps)), np.zeros((count, steps, 4))
    for step in range(steps):
        truth[:, step] = CHANCES[state, np.minimum(age, OLDEST) - 1]
        drawn = (rng.random((count, 1)) > np.cumsum(truth[:, step], 1)).sum(1)
        age = np.where(drawn == state, age + 1, 1)
        state = np.minimum(drawn, 3)
        states[:, step] = state
    return Machines(states, truth)
