"""`rollcast lab book`: the lecture's three mistakes, for its own network and for cells with a memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from forecasting.lab.book import EXAMPLES, KINDS, NAMES, SAW, SPOKEN, STOP, WORDS, book, mistakes, text_of
from forecasting.lab.equal_weights import equal_widths
from forecasting.lab.lecture_network import train_lecture_network
from forecasting.lab.two_word_chain import expected_mistakes, plain_chain
from forecasting.lab.word_network import WordNetwork, train_words, weights_of
from pipelines.console import ProgressCallback
from pipelines.lab_reports.pictures import stacked
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable

CELLS_OF_THE_BOOK = ("rnn", "gru", "lstm")
SENTENCES, LESSONS = 10_000, 3_000  # written and counted; read by each network in training
LUCK = 6  # seeds of the lecture's network that are shown
ROWS = 100  # texts that are written side by side


@dataclass(frozen=True)
class Written:
    """What one network wrote: sentences by kind, and, of a two-word chain, the exact shares."""

    name: str
    weights: int
    counts: dict[str, int]
    exact: dict[str, float] | None
    sample: str
    objects: dict[str, np.ndarray]  # (K,) chances of the next word after "Doug saw", by the subject
    loss: float | None = None

    @property
    def sentences(self) -> int:
        return sum(self.counts.values())

    def distances(self) -> dict[str, float]:
        """How many standard errors each counted share lies from the exact one."""
        found = {}
        for kind, share in (self.exact or {}).items():
            error = math.sqrt(max(share * (1 - share), 1e-12) / self.sentences)
            found[kind] = (self.counts[kind] / self.sentences - share) / error
        return found


def experiment(weights: int, steps: int, seed: int, cells: tuple[str, ...], progress: ProgressCallback) -> Shown:
    """Train every network on the same book, let each write ten thousand sentences, and count."""
    widths = equal_widths(cells, lambda cell, width: weights_of(cell, width, len(WORDS)), weights)
    words = book(LESSONS, seed)
    written = [lecture(words, seed)]
    for cell, width in widths.items():
        written.append(cells_write(train_words(cell, width, words, len(WORDS), steps, seed, progress), seed))
    columns = ["network", "weights", "sentences", *KINDS]
    rows = [[own.name, own.weights, own.sentences, *own.counts.values()] for own in written]
    chain = written[0]
    assert chain.exact is not None  # noqa: S101  # `lecture` gives it
    exact = [
        [kind, EXAMPLES[kind], plain_share, chain.exact[kind], chain.counts[kind] / chain.sentences, distance]
        for (kind, plain_share), distance in zip(
            expected_mistakes(plain_chain()).items(), chain.distances().values(), strict=True
        )
    ]
    exact_columns = ["sentence", "such as", "one word known", "lecture's network, exact", "counted", "standard errors"]
    luck = [[other, *expected_mistakes(train_lecture_network(book(LESSONS, other), other).table).values()]
            for other in range(seed, seed + LUCK)]  # fmt: skip
    samples = [[own.name, own.sample] for own in written]
    why = [
        [own.name, f"{name} saw", *chances.round(3).tolist()]
        for own in written
        for name, chances in own.objects.items()
    ]
    return Shown(
        "book",
        "A children's book, written by networks",
        [
            ShownTable("Sentences of each kind", columns, rows),
            ShownTable("The lecture's own network is a two-word chain", exact_columns, exact),
            ShownTable("The exact shares of the lecture's network by seed", ["seed", *KINDS], luck),
            ShownTable("Why: chances of the next word, by who saw", ["network", "after", *SPOKEN], why),
            ShownTable("Samples", ["network", "begins"], samples),
        ],
        sentences(written),
        [
            Drawn(
                _bars(written), "Mistakes of each kind in ten thousand sentences, each line ten times the one below."
            ),
            Drawn(
                _objects(written),
                "Chances of the next word after “Doug saw”, “Jane saw” and “Spot saw”: the lecture's "
                "network cannot tell them apart.",
            ),
        ],
        f"rollcast lab book --weights {weights} --steps {steps} --cells {','.join(cells)} --seed {seed}",
        {"losses": {own.name: own.loss for own in written}},
    )


def lecture(words: np.ndarray, seed: int) -> Written:
    """The lecture's own network: it has no hidden state."""
    network = train_lecture_network(words, seed)
    text = network.write(4 * SENTENCES, seed + 1)
    count = network.new.size + network.fed_back.size + network.bias.size
    return Written(
        "the lecture's",
        count,
        mistakes(text),
        expected_mistakes(network.table),
        text_of(text[:24].tolist()),
        {WORDS[name]: network.after(np.array([name, SAW])) for name in NAMES},
    )


def cells_write(network: WordNetwork, seed: int) -> Written:
    """A network with a recurrent layer."""
    text = network.write(STOP, 4 * SENTENCES // ROWS, ROWS, seed + 1)
    counts = dict.fromkeys(KINDS, 0)
    for row in text:
        for kind, count in mistakes(row).items():
            counts[kind] += count
    loss = float(np.mean(network.losses[-50:]))
    read = network.chances(np.array([[STOP, name, SAW] for name in NAMES]))[:, -1]
    objects = {WORDS[name]: chances for name, chances in zip(NAMES, read, strict=True)}
    return Written(network.cell, network.count, counts, None, text_of(text[0, :24].tolist()), objects, loss)


def sentences(written: list[Written]) -> list[str]:
    """What the counts mean."""
    chain, others = written[0], written[1:]
    least = min(others, key=lambda own: own.sentences - own.counts["right"])
    wrong = {own.name: own.sentences - own.counts["right"] for own in written}
    said = [
        "The lecture's own network knows the last word and the one word that it thought likeliest before it. Its state "
        "has no hidden array, so nothing carries the subject over “saw”: a third of its objects are the subject again.",
        f"It made {wrong[chain.name]:,} mistakes in {chain.sentences:,} sentences; the exact chain expects "
        f"{(1 - (chain.exact or {})['right']) * chain.sentences:,.0f}.",
        "With a recurrent layer: "
        + ", ".join(f"{own.name} {wrong[own.name]:,} in {own.sentences:,}" for own in others)
        + ".",
    ]
    said.append(
        "One word known is the chain that knows the last word alone. A standard error is how far a count strays from "
        "the exact share by chance: two are usual, more than three are not."
    )
    if "rnn" in wrong and wrong["rnn"] <= min(2 * wrong[least.name] + 10, others[0].sentences // 100):
        said.append(
            "The plain RNN does as well here: a sentence has four words, and its gradient still reaches so far back."
        )
    return said


def _bars(written: list[Written]) -> go.Figure:
    counts = {kind: [10_000 * own.counts[kind] / own.sentences for own in written] for kind in KINDS[1:]}
    figure = stacked([own.name for own in written], counts, "in 10,000 sentences")
    figure.update_layout(barmode="group")
    figure.update_yaxes(type="log", dtick=1, range=[-0.3, 4])
    return figure


def _objects(written: list[Written]) -> go.Figure:
    names = [f"{own.name.removeprefix('the ')}<br>{name} saw" for own in written for name in own.objects]
    rows = [chances for own in written for chances in own.objects.values()]
    return stacked(
        names, {word: [float(row[k]) for row in rows] for k, word in enumerate(SPOKEN)}, "chance", share=True
    )
