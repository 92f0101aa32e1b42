"""What is for dinner: pizza, sushi and waffles take turns, and on some days nobody wrote down what was eaten.

Two networks of one layer, softmax(W x + b), trained by hand. The first sees the calendar: day of the week, month, and
whether there was a late meeting. The second sees only yesterday: a one-hot vector of the dinner that was written down
or, where none was, its own prediction for that day.
"""

from dataclasses import dataclass

import numpy as np

DISHES = ("pizza", "sushi", "waffles")
LATE = 0.3  # share of the days with a late meeting, which have nothing to do with dinner
RATE, ROUNDS = 1.0, 400


@dataclass(frozen=True)
class Diary:
    """Some days in a row, from 1 January 2024 on."""

    eaten: np.ndarray  # (days,) number in DISHES
    written: np.ndarray  # (days,) bool
    calendar: np.ndarray  # (days, 7 + 12 + 1) one-hot day of the week and month; late meeting

    @classmethod
    def drawn(cls, days: int, unwritten: float, seed: int) -> "Diary":
        """A diary in which this share of the days was not written down."""
        draw = np.random.default_rng(seed)
        dates = np.datetime64("2024-01-01") + np.arange(days)  # a Monday
        weekday = np.eye(7)[np.arange(days) % 7]
        month = np.eye(12)[dates.astype("datetime64[M]").astype(int) % 12]
        late = draw.random(days) < LATE
        eaten = (np.arange(days) + int(draw.integers(3))) % 3
        return cls(eaten, draw.random(days) >= unwritten, np.column_stack([weekday, month, late]))

    def part(self, first: int, last: int) -> "Diary":
        """The days from `first` up to `last`, which is left out."""
        return Diary(self.eaten[first:last], self.written[first:last], self.calendar[first:last])


@dataclass(frozen=True)
class OneLayer:
    """softmax(x W + b)."""

    weights: np.ndarray  # (inputs, 3)
    bias: np.ndarray  # (3,)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        powers = np.exp(x @ self.weights + self.bias)
        shares: np.ndarray = powers / powers.sum(-1, keepdims=True)
        return shares


@dataclass(frozen=True)
class Dinners:
    """Share of the written days that each network predicted right, on days it was not trained on."""

    by_calendar: float
    by_yesterday: float
    days: int  # that were scored
    unwritten: float  # share of the days before them
    longest: int  # days in a row through which the prediction was fed back
    fed: np.ndarray  # (days, 3) what the second network predicted for each day
    diary: Diary  # of the scored part
    weights: np.ndarray  # (3, 3) of the second network: from yesterday's dish (row) to today's


def dinners(days: int = 730, unwritten: float = 0.3, seed: int = 0) -> Dinners:
    """Train both networks on the first half of a diary and score them on the second."""
    diary = Diary.drawn(days, unwritten, seed)
    first, second = diary.part(0, days // 2), diary.part(days // 2, days)
    calendar = fitted(first.calendar[first.written], first.eaten[first.written])
    pairs = np.flatnonzero(first.written[1:] & first.written[:-1])  # today and yesterday both known
    yesterday = fitted(np.eye(3)[first.eaten[pairs]], first.eaten[pairs + 1])
    shares = fed_back(yesterday, second)
    right = [(found.argmax(1) == second.eaten)[second.written] for found in (calendar(second.calendar), shares)]
    return Dinners(
        float(right[0].mean()),
        float(right[1].mean()),
        int(second.written.sum()),
        float(1 - second.written.mean()),
        _longest(~second.written),
        shares,
        second,
        yesterday.weights,
    )


def fitted(x: np.ndarray, dish: np.ndarray) -> OneLayer:
    """One layer fitted by gradient descent to inputs (n, inputs) and dishes (n,)."""
    weights, bias = np.zeros((x.shape[1], 3)), np.zeros(3)
    for _ in range(ROUNDS):
        slope = (OneLayer(weights, bias)(x) - np.eye(3)[dish]) / len(x)
        weights, bias = weights - RATE * (x.T @ slope), bias - RATE * slope.sum(0)
    return OneLayer(weights, bias)


def fed_back(network: OneLayer, diary: Diary) -> np.ndarray:
    """(days, 3) the prediction for each day from the day before: what was written then, or what was predicted."""
    shares, yesterday = np.empty((len(diary.eaten), 3)), np.full(3, 1 / 3)
    for day, dish in enumerate(diary.eaten):
        shares[day] = network(yesterday)
        yesterday = np.eye(3)[dish] if diary.written[day] else shares[day]
    return shares


def _longest(unwritten: np.ndarray) -> int:
    """The most days in a row."""
    longest = run = 0
    for day in unwritten:
        run = run + 1 if day else 0
        longest = max(longest, run)
    return longest
