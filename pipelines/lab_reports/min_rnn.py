"""`rollcast lab min-rnn`: what a network on one page of NumPy writes while it learns."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

from data.errors import InvalidInput
from forecasting.lab.book import book, text_of
from forecasting.lab.min_rnn import MinRnn, lessons
from pipelines.console import ProgressCallback
from pipelines.lab_reports.pictures import lines
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable

CELLS = ("rnn", "lstm")
SENTENCES = 400  # of the book
SAMPLE = 70  # letters
LARGEST = 2_000_000  # letters of a text
POINTS = (0.02, 0.1, 0.3, 0.6, 1.0)  # shares of the training at which the network writes


def experiment(
    text: Path | None, cells: tuple[str, ...], steps: int, hidden: int, seed: int, progress: ProgressCallback
) -> Shown:
    """Train each cell on a text, by default the children's book, and let it write at five points."""
    words = read_text(text)
    letters = sorted(set(words))
    codes = np.array([letters.index(letter) for letter in words])
    rows, losses = [], {}
    for cell in cells:
        network, curve = MinRnn(len(letters), hidden, cell, seed), []
        points = {max(1, round(share * steps)) for share in POINTS}
        for step, loss in lessons(network, codes, steps):
            curve.append(loss)
            progress(step, steps, f"{cell}: loss {loss:.3f}")
            if step in points:
                written = [int(codes[0]), *network.write(int(codes[0]), SAMPLE, seed)]
                rows.append([cell, step, loss, "".join(letters[code] for code in written).replace("\n", "⏎")])
        losses[cell] = curve[:: max(1, steps // 500)]
    weights = {cell: sum(w.size for w in MinRnn(len(letters), hidden, cell).weights.values()) for cell in cells}
    sentences = [
        f"The text has {len(words):,} letters, {len(letters)} different ones; a network that knows nothing has a "
        f"loss of log {len(letters)} = {np.log(len(letters)):.3f} nats a letter.",
        f"One hidden layer of {hidden} units: "
        + ", ".join(f"{count:,} weights in the {cell}" for cell, count in weights.items())
        + ".",
        "Inputs are letters, one-hot; targets are the same letters, one place further on.",
    ]
    xs = list(itertools.islice(range(1, steps + 1, max(1, steps // 500)), len(next(iter(losses.values())))))
    command = f"rollcast lab min-rnn --steps {steps} --hidden {hidden} --seed {seed}"
    return Shown(
        "min-rnn",
        "A network on one page learns to write",
        [ShownTable("What it writes", ["cell", "step", "loss", "sample"], rows)],
        sentences,
        [Drawn(lines(xs, losses, "training step", "loss, nats a letter"), "The loss of a letter falls as it learns.")],
        command + (f" --text {text}" if text else ""),
    )


def read_text(path: Path | None) -> str:
    """The text of a file, or the children's book. Raises InvalidInput for a file that cannot be learnt from."""
    if path is None:
        return text_of(book(SENTENCES, 0))
    try:
        words = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is no UTF-8 text; save it as one") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    if not 100 <= len(words) <= LARGEST:
        raise InvalidInput(f"{path.name} has {len(words):,} letters; give a text of 100 to {LARGEST:,}")
    return words
