"""The figures of docs/lecture.md: gradients by lag, the mistakes in a children's book, dinner, numbers of weights.

Trains the networks of the book: rnn, gru and lstm at equal weights, about a minute. Everything is seeded.

Keys of --json: far_rnn, far_rnn_orthogonal, far_gru, far_lstm, far_lstm_bias_1, far_lstm_bias_3 (gradient at lag 50
over lag 1, hidden 64, one input a step, medians of ten seeds); chain_errors (largest distance of the lecture's
network from the exact two-word chain, in standard errors) and chain_same_name (share of its sentences with the same
name twice); book_lecture, book_rnn, book_gru, book_lstm (mistakes in 10,000 sentences) and weights_apart (largest
difference of their weights, as a share); dinner_calendar and dinner_yesterday (share right); counts_wrong (networks of
random sizes whose number of weights is not the formula's); gradients_wrong (hand-written gradients that are not the
numeric ones).
"""

from forecasting.kernel.threads import prepare

prepare()

import numpy as np  # noqa: E402  the processor's kernels are chosen before NumPy loads

from benchmarks.support.run import Figures, command, finish, parser, positive  # noqa: E402
from forecasting.lab.book import WORDS, book  # noqa: E402
from forecasting.lab.dinner import dinners  # noqa: E402
from forecasting.lab.equal_weights import equal_widths  # noqa: E402
from forecasting.lab.gradient_check import check_gradients  # noqa: E402
from forecasting.lab.gradient_flow import flows  # noqa: E402
from forecasting.lab.weight_count import COUNTED, Sizes, count_weights  # noqa: E402
from forecasting.lab.word_network import train_words, weights_of  # noqa: E402
from pipelines.lab_reports.book import CELLS_OF_THE_BOOK, LESSONS, Written, cells_write, lecture  # noqa: E402

NAMES = {
    "rnn, uniform": "far_rnn",
    "rnn, orthogonal": "far_rnn_orthogonal",
    "gru, uniform": "far_gru",
    "lstm, as torch starts it": "far_lstm",
    "lstm, forget bias 1": "far_lstm_bias_1",
    "lstm, forget bias 3": "far_lstm_bias_3",
}
WEIGHTS = 1_000


def mistakes_per_ten_thousand(own: Written) -> float:
    return 10_000 * (own.sentences - own.counts["right"]) / own.sentences


def of_the_book(steps: int) -> Figures:
    """The lecture's network beside cells with a memory."""
    words = book(LESSONS, 0)
    chain = lecture(words, 0)
    widths = equal_widths(CELLS_OF_THE_BOOK, lambda cell, width: weights_of(cell, width, len(WORDS)), WEIGHTS)
    written = [cells_write(train_words(cell, width, words, len(WORDS), steps, 0), 0) for cell, width in widths.items()]
    counts = [own.weights for own in written]
    return {
        "chain_errors": max(abs(distance) for distance in chain.distances().values()),
        "chain_same_name": chain.counts["same name"] / chain.sentences,
        "book_lecture": mistakes_per_ten_thousand(chain),
        **{f"book_{own.name}": mistakes_per_ten_thousand(own) for own in written},
        "weights_apart": max(counts) / min(counts) - 1,
    }


def counts_wrong() -> int:
    """Of 20 random sizes of each kind."""
    draw = np.random.default_rng(0)
    sizes = [Sizes(*(int(n) for n in draw.integers(1, (40, 40, 5, 40)))) for _ in range(20)]
    counts = [count_weights(kind, own) for own in sizes for kind in COUNTED]
    return sum(own.total != own.tensors for own in counts)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=positive, default=3_000, help="training steps of each network of the book")
    chosen = options.parse_args()
    eaten = dinners()
    figures: Figures = {NAMES[flow.start.name]: flow.far for flow in flows(10)}
    figures |= of_the_book(chosen.steps)
    figures |= {"dinner_calendar": eaten.by_calendar, "dinner_yesterday": eaten.by_yesterday}
    figures |= {"counts_wrong": counts_wrong(), "gradients_wrong": sum(not own.passed for own in check_gradients())}
    finish(
        "lecture", figures, [["what", "figure"], *([name, f"{value:.4g}"] for name, value in figures.items())], chosen
    )


if __name__ == "__main__":
    command(main)
