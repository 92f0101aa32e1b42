"""Sequences of symbols whose truth is known: the children's book, dinner, and machines that fail."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.text_symbols import CHARACTER, split
from pipelines.demo.symbol_files import next_probabilities

SAMPLES = Path("data/samples")
NAMES, STOP, SAW = ("Doug", "Jane", "Spot"), ".", "saw"


@dataclass(frozen=True)
class Sequence:
    """One series: codes (T,) float64, NaN where missing, and the symbol of each code."""

    codes: np.ndarray
    vocabulary: tuple[str, ...]

    @classmethod
    def of(cls, symbols: list[str]) -> Sequence:
        """From symbols, an empty one where it is missing; the vocabulary is sorted, as an ingest sorts it."""
        vocabulary = tuple(sorted({symbol for symbol in symbols if symbol}))
        place = {symbol: float(code) for code, symbol in enumerate(vocabulary)} | {"": np.nan}
        return cls(np.array([place[symbol] for symbol in symbols]), vocabulary)


def text(path: Path) -> Sequence:
    """A text, character by character."""
    return Sequence.of(list(split(path.read_text(encoding="utf-8"), CHARACTER)))


def book(sentences: int, seed: int) -> Sequence:
    """A children's book like the bundled one, word by word: "X saw Y." with two names that are drawn anew each time."""
    rng = np.random.default_rng(seed)
    subject, other = rng.integers(0, len(NAMES), sentences), rng.integers(1, len(NAMES), sentences)
    pairs = zip(subject.tolist(), ((subject + other) % len(NAMES)).tolist(), strict=True)
    return Sequence.of([word for a, b in pairs for word in (NAMES[a], SAW, NAMES[b], STOP)])


def dinner() -> Sequence:
    """The bundled dinners, day by day."""
    with (SAMPLES / "dinner.csv").open(encoding="utf-8") as file:
        return Sequence.of([row["dinner"] for row in csv.DictReader(file)])


@dataclass
class Reader:
    """Reads the words of the book one by one and says what is wrong with them.

    `place` is what is expected: 0 a subject, 1 "saw", 2 an object, 3 a full stop.
    """

    vocabulary: tuple[str, ...]
    place: int = 0
    subject: str = ""

    def right(self) -> np.ndarray:
        """(V,) bool: which words would be no mistake now."""
        if self.place in (1, 3):
            return np.array([word == (SAW if self.place == 1 else STOP) for word in self.vocabulary])
        names = np.array([word not in (SAW, STOP) for word in self.vocabulary])
        return names & np.array([self.place == 0 or word != self.subject for word in self.vocabulary])

    def read(self, word: str) -> str | None:
        """The kind of the mistake that a word is; None where it is none. After a mistake reading goes on from it."""
        mistake = None if self.right()[self.vocabulary.index(word)] else self._kind(word)
        if word in (SAW, STOP):
            self.place = 2 if word == SAW else 0
        elif self.place == 2:
            self.place = 3
        else:
            self.place, self.subject = 1, word
        return mistake

    def _kind(self, word: str) -> str:
        """The lecture's three kinds: "Doug saw Doug .", "Jane saw Spot saw", "Spot . Doug ."; else "other"."""
        if self.place == 2 and word == self.subject:
            return "itself"
        if self.place == 3 and word == SAW:
            return "goes on"
        return "too short" if self.place == 1 and word == STOP else "other"


def true_losses(states: np.ndarray) -> np.ndarray:
    """(n, T - 1) log losses of the truth for every simulated state after the first; states (n, T) from the start."""
    machines, steps = states.shape
    age, losses = np.zeros(machines, np.int64), np.empty((machines, steps - 1))
    for step in range(1, steps):
        before, now = states[:, step - 1], states[:, step]
        losses[:, step - 1] = -np.log(next_probabilities(before, age)[np.arange(machines), now])
        age = np.where(now == before, age + 1, 0)
    return losses
