"""The lecture's own network for the children's book, in NumPy: it has no hidden state, and so it must fail.

    p_t = softmax(A[x_t] + B[f_t] + b),     f_(t+1) = the likeliest word of p_t

x_t is the new word and f_t the word that the network thought likeliest before it knew x_t; both are one-hot, so that a
product is a row of A or B (V, V). No gradient passes through f: choosing the likeliest word has none. What the network
knows of the past is one word, f, beside the word that it is given. So it is a two-word chain (see `two_word_chain`).
"""

from dataclasses import dataclass

import numpy as np

from forecasting.lab.book import STOP, WORDS

WORD_COUNT = len(WORDS)
RATE, ROUNDS = 0.5, 600
PULL = 1e-4  # by which the weights are drawn to 0, so that they stay finite
START = STOP  # the word fed back before the first prediction


@dataclass(frozen=True)
class LectureNetwork:
    """Weights of the new word (V, V), of the word fed back (V, V), and bias (V,)."""

    new: np.ndarray
    fed_back: np.ndarray
    bias: np.ndarray

    @property
    def table(self) -> np.ndarray:
        """(V, V, V) the probability of each next word, given the new word and the word fed back."""
        scores = self.new[:, None] + self.fed_back[None] + self.bias
        powers = np.exp(scores - scores.max(-1, keepdims=True))
        probabilities: np.ndarray = powers / powers.sum(-1, keepdims=True)
        return probabilities

    def after(self, words: np.ndarray) -> np.ndarray:
        """(V,) the chances of the next word after some words, which follow a full stop."""
        table, word, fed = self.table, STOP, START
        for new in words:
            word, fed = int(new), int(table[word, fed].argmax())
        chances: np.ndarray = table[word, fed]
        return chances

    def write(self, words: int, seed: int) -> np.ndarray:
        """So many words, each drawn from the probabilities after the one before; the first follows a full stop."""
        table, draws = self.table, np.random.default_rng(seed).random(words)
        sums, likeliest = table.cumsum(-1), table.argmax(-1)
        word, fed, written = STOP, START, np.empty(words, int)
        for place, draw in enumerate(draws):
            new = min(int(np.searchsorted(sums[word, fed], draw)), WORD_COUNT - 1)
            word, fed = new, int(likeliest[word, fed])
            written[place] = word
        return written


def train_lecture_network(words: np.ndarray, seed: int) -> LectureNetwork:
    """Fit the network to a book by gradient descent, reading the whole book at each step."""
    draw = np.random.default_rng(seed)
    new, fed_back, bias = (0.1 * draw.standard_normal(size) for size in ((5, 5), (5, 5), (5,)))
    for _ in range(ROUNDS):
        network = LectureNetwork(new, fed_back, bias)
        counts = _counted(words, network.table.argmax(-1))
        slope = (counts.sum(-1, keepdims=True) * network.table - counts) / (len(words) - 1)
        new = new - RATE * (slope.sum(1) + PULL * new)
        fed_back = fed_back - RATE * (slope.sum(0) + PULL * fed_back)
        bias = bias - RATE * slope.sum((0, 1))
    return LectureNetwork(new, fed_back, bias)


def _counted(words: np.ndarray, likeliest: np.ndarray) -> np.ndarray:
    """(V, V, V) how often each word followed each pair of new word and word fed back."""
    fed, pairs = START, np.empty(len(words) - 1, int)
    for place, word in enumerate(words[:-1].tolist()):
        pairs[place] = word * WORD_COUNT + fed
        fed = int(likeliest[word, fed])
    counts = np.bincount(pairs * WORD_COUNT + words[1:], minlength=WORD_COUNT**3)
    return counts.reshape((WORD_COUNT,) * 3).astype(float)
