"""A network that learns to write, on one page of NumPy: an RNN and an LSTM, forward and backward by hand.

It reads a text letter by letter. After each letter it says how likely each letter is to come next; the loss is -log of
what it said of the letter that came. Everything it knows of the past is its state: h, and in an LSTM also the memory c.

    RNN   h' = tanh(W [x, h] + b)
    LSTM  i, f, o = σ(…),  g = tanh(…),  c' = f c + i g,  h' = o tanh(c')      (… = their rows of W [x, h] + b)
    both  p = softmax(V h' + d)

x is one-hot: of K letters, one is 1. D is the number of hidden units.
"""

from collections.abc import Iterator

import numpy as np

Arrays = dict[str, np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * np.tanh(0.5 * x) + 0.5


class MinRnn:
    """`weights` hold W (rows, K + D), b (rows,), V (K, D) and d (K,); an LSTM has 4 D rows, in the order i, f, o, g."""

    def __init__(self, letters: int, hidden: int, cell: str = "rnn", seed: int = 0) -> None:
        self.letters, self.hidden, self.cell = letters, hidden, cell
        draw, rows = np.random.default_rng(seed), hidden * (4 if cell == "lstm" else 1)
        width = letters + hidden
        self.weights: Arrays = {
            "W": draw.standard_normal((rows, width)) / np.sqrt(width),
            "b": np.zeros(rows),
            "V": draw.standard_normal((letters, hidden)) / np.sqrt(hidden),
            "d": np.zeros(letters),
        }
        if cell == "lstm":
            self.weights["b"][hidden : 2 * hidden] = 1.0  # forget little at first
        self._sizes = {name: np.full_like(own, 1e-8) for name, own in self.weights.items()}

    def fresh(self) -> tuple[np.ndarray, np.ndarray]:
        """The state before the first letter: h and c (D,)."""
        return np.zeros(self.hidden), np.zeros(self.hidden)

    def step(self, letter: int, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, Arrays]:
        """One letter forward: the probabilities of the next one (K,), h', c', and what `gradients` will need."""
        seen = np.concatenate([np.eye(self.letters)[letter], h])
        z = self.weights["W"] @ seen + self.weights["b"]
        if self.cell == "rnn":
            kept, new, gates = c, np.tanh(z), z
        else:
            i, f, o, g = gates = np.concatenate([sigmoid(z[: -self.hidden]), np.tanh(z[-self.hidden :])]).reshape(4, -1)
            kept = f * c + i * g
            new = o * np.tanh(kept)
        scores = np.exp(self.weights["V"] @ new + self.weights["d"])
        return scores / scores.sum(), new, kept, {"seen": seen, "gates": gates, "c": c, "kept": kept, "h": new}

    def gradients(
        self, inputs: np.ndarray, targets: np.ndarray, h: np.ndarray, c: np.ndarray
    ) -> tuple[float, Arrays, tuple[np.ndarray, np.ndarray]]:
        """Forward over some letters, then backward: the loss, its slope for every weight, the state at the end."""
        steps, loss = [], 0.0
        for letter, target in zip(inputs, targets, strict=True):
            p, h, c, kept = self.step(int(letter), h, c)
            loss -= float(np.log(p[target]))
            steps.append((p, kept, int(target)))
        slopes, later_h, later_c = {name: np.zeros_like(w) for name, w in self.weights.items()}, 0 * h, 0 * c
        for p, kept, target in reversed(steps):
            dp = p.copy()
            dp[target] -= 1  # the slope of -log softmax
            slopes["V"] += np.outer(dp, kept["h"])
            slopes["d"] += dp
            dh = self.weights["V"].T @ dp + later_h  # from this letter's loss, and from the steps after it
            dz, later_c = self._backward(dh, later_c, kept)
            slopes["W"] += np.outer(dz, kept["seen"])
            slopes["b"] += dz
            later_h = (self.weights["W"].T @ dz)[self.letters :]
        return loss, slopes, (h, c)

    def _backward(self, dh: np.ndarray, dc: np.ndarray, kept: Arrays) -> tuple[np.ndarray, np.ndarray]:
        """From the slope of h' and of c' to those of W [x, h] + b and of c."""
        if self.cell == "rnn":
            return dh * (1 - kept["h"] ** 2), dc
        i, f, o, g = kept["gates"]
        shown = np.tanh(kept["kept"])
        dc = dc + dh * o * (1 - shown**2)
        slopes = [dc * g * i * (1 - i), dc * kept["c"] * f * (1 - f), dh * shown * o * (1 - o), dc * i * (1 - g**2)]
        return np.concatenate(slopes), dc * f

    def learn(self, slopes: Arrays, rate: float = 0.1) -> None:
        """A step down the slope, smaller where the slope was often steep (Adagrad); no slope counts beyond ±5."""
        for name, slope in slopes.items():
            slope = slope.clip(-5, 5)
            self._sizes[name] = self._sizes[name] + slope**2
            self.weights[name] = self.weights[name] - rate * slope / np.sqrt(self._sizes[name])

    def write(self, letter: int, count: int, seed: int) -> list[int]:
        """So many letters after a first one, each drawn from the network's own probabilities."""
        draw, (h, c), written = np.random.default_rng(seed), self.fresh(), []
        for _ in range(count):
            p, h, c, _ = self.step(letter, h, c)
            letter = int(draw.choice(self.letters, p=p))
            written.append(letter)
        return written


def lessons(network: MinRnn, text: np.ndarray, steps: int, length: int = 25) -> Iterator[tuple[int, float]]:
    """Train on `length` letters at a time, the state carried on; yields the step and the mean loss of a letter (nats),
    smoothed. The targets are the inputs, one letter later."""
    (h, c), place, smooth = network.fresh(), 0, float(np.log(network.letters))
    for step in range(steps):
        if place + length + 1 > len(text):
            (h, c), place = network.fresh(), 0
        inputs, targets = text[place : place + length], text[place + 1 : place + length + 1]
        loss, slopes, (h, c) = network.gradients(inputs, targets, h, c)
        network.learn(slopes)
        place, smooth = place + length, 0.99 * smooth + 0.01 * loss / length
        yield step + 1, smooth
