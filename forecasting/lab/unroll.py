"""One prediction step by step, in a trained network's own numbers.

At every word the cell multiplies and adds, unit by unit. The junctions of an LSTM, in the lecture's words:

    forgetting   f × c          what of the collected possibilities stays in memory
    ignoring     i × g          what of the new possibilities comes in
    plus         f c + i g      the new memory c'
    selection    o × tanh c'    what of the memory is shown: h', from which the chances of each word are computed
"""

from dataclasses import dataclass

import numpy as np

from forecasting.lab.book import STOP, WORDS, book, words_of
from forecasting.lab.word_network import Progress, WordNetwork, train_words

SENTENCES = 2_000  # of the book that the network learns from


@dataclass(frozen=True)
class UnrolledWord:
    """One step. Arrays of D units; carry is empty where the cell has none."""

    word: str
    hidden: tuple[np.ndarray, np.ndarray]  # before and after
    carry: tuple[np.ndarray, np.ndarray]
    gates: dict[str, np.ndarray]
    chances: np.ndarray  # (K,) of the next word

    @property
    def likeliest(self) -> str:
        return WORDS[int(self.chances.argmax())]


@dataclass(frozen=True)
class Unrolled:
    """A network and the words that it read, one step each."""

    network: WordNetwork
    steps: tuple[UnrolledWord, ...]


def book_network(cell: str, hidden: int, steps: int, seed: int, progress: Progress | None = None) -> WordNetwork:
    """A network of one layer that was trained on the children's book."""
    return train_words(cell, hidden, book(SENTENCES, seed), len(WORDS), steps, seed, progress)


def unroll(network: WordNetwork, text: str) -> Unrolled:
    """Read a text word by word, after a full stop. Raises ValueError for a word that is not in the book."""
    hidden, carry = network.fresh(1)
    network.step(np.array([STOP]), hidden, carry)
    found = []
    for word in words_of(text):
        before = hidden[0, 0].copy(), carry[0, 0].copy()
        chances, gates = network.step(np.array([word]), hidden, carry)
        own = {name: gate[0, 0].copy() for name, gate in gates.items() if name not in ("hidden", "carry")}
        after = hidden[0, 0].copy(), carry[0, 0].copy()
        found.append(UnrolledWord(WORDS[word], (before[0], after[0]), (before[1], after[1]), own, chances[0]))
    return Unrolled(network, tuple(found))


def junctions(cell: str, step: UnrolledWord) -> tuple[list[str], np.ndarray]:
    """What each junction of the cell holds in one step: the names of the columns, and (D, columns)."""
    gate, (_, shown) = step.gates, step.hidden
    if cell == "gru":
        kept, new = gate["update"] * step.hidden[0], (1 - gate["update"]) * gate["new"]
        return ["h", "u", "u × h", "n", "(1-u) × n", "plus: h'"], np.stack(
            [step.hidden[0], gate["update"], kept, gate["new"], new, shown], 1
        )
    if cell == "rnn":
        return ["h", "tanh: h'"], np.stack([step.hidden[0], shown], 1)
    before, after = step.carry
    let_in = gate["input"] if "input" in gate else 1 - gate["forget"]
    columns = [before, gate["forget"], gate["forget"] * before, let_in, gate["new"], let_in * gate["new"], after]
    names = ["c", "f", "f × c", "i", "g", "i × g", "plus: c'", "o", "o × tanh c' = h'"]
    return names, np.stack([*columns, gate["output"], shown], 1)
