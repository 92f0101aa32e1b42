"""`rollcast lab unroll`: one prediction step by step, in numbers."""

from __future__ import annotations

import numpy as np

from data.errors import InvalidInput
from forecasting.lab.book import SPOKEN, WORDS, words_of
from forecasting.lab.unroll import Unrolled, UnrolledWord, book_network, junctions, unroll
from pipelines.console import ProgressCallback
from pipelines.lab_reports.pictures import maps, stacked
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable

STORY = "Jane saw Spot. Doug saw"
PARTS = {
    "forget": "forgetting: the forget gate",
    "input": "ignoring: the input gate",
    "output": "selection: the output gate",
    "reset": "the reset gate",
    "update": "the update gate",
}
SIGNED = ("memory, squashed: tanh c'", "what is shown: h'")


def experiment(cell: str, text: str, hidden: int, steps: int, seed: int, progress: ProgressCallback) -> Shown:
    """Train a small network on the book and follow it through a text."""
    check_text(text)
    found = unroll(book_network(cell, hidden, steps, seed, progress), text)
    last, names = found.steps[-1], _places(found)
    columns, numbers = junctions(cell, last)
    chances = [[name, *own.chances.round(3).tolist()] for name, own in zip(names, found.steps, strict=True)]
    units = [[f"unit {k + 1}", *(f"{value:+.2f}" for value in row)] for k, row in enumerate(numbers.tolist())]
    gates = [[name, *(float(gate.mean()) for gate in _opened(own).values())]
             for name, own in zip(names, found.steps, strict=True)]  # fmt: skip
    tables = [ShownTable("Chance of the next word, after each word", ["after", *SPOKEN], chances)]
    if gates[0][1:]:
        tables.append(ShownTable("How far the gates are open, on average", ["at", *_opened(last)], gates))
    tables.append(ShownTable(f"The junctions at the last word, “{last.word}”", ["unit", *columns], units))
    command = f'rollcast lab unroll --text "{text}" --cell {cell} --hidden {hidden} --steps {steps} --seed {seed}'
    return Shown(
        "unroll", f"“{text} …”, step by step", tables, _said(cell, found), _drawn(found, names), command,
        {"loss": float(np.mean(found.network.losses[-20:]))},
    )  # fmt: skip


def check_text(text: str) -> None:
    """Raises InvalidInput for a text that the network cannot read."""
    try:
        length = len(words_of(text))
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    if not 1 <= length <= 40:
        raise InvalidInput(f"the text has {length} words, full stops included; give 1 to 40")


def _places(found: Unrolled) -> list[str]:
    return [f"{k}. {SPOKEN[WORDS.index(own.word)]}" for k, own in enumerate(found.steps, 1)]


def _opened(step: UnrolledWord) -> dict[str, np.ndarray]:
    return {name: gate for name, gate in step.gates.items() if name in PARTS}


def _said(cell: str, found: Unrolled) -> list[str]:
    last = found.steps[-1]
    ranked = np.argsort(-last.chances)
    words = ", ".join(f"{SPOKEN[k]} {last.chances[k]:.1%}" for k in ranked)
    said = [f"After “{last.word}” the network says: {words}."]
    if cell in ("lstm", "peephole", "coupled"):
        said.append(
            "Forgetting multiplies the memory c by f, ignoring multiplies what is new, g, by i; the plus adds the two "
            "to the new memory; selection multiplies its tanh by o, and that is shown."
        )
    subject = found.steps[-2].word if len(found.steps) > 1 else ""
    if last.word == "saw" and subject in WORDS[:3]:
        share = last.chances[WORDS.index(subject)]
        held = "the hidden units still hold" if cell == "rnn" else "the memory still holds"
        said.append(f"“{subject} saw {subject}.” gets {share:.1%}: what {held} of “{subject}” decides.")
    return said


def _drawn(found: Unrolled, names: list[str]) -> list[Drawn]:
    chances = {word: [float(own.chances[k]) for own in found.steps] for k, word in enumerate(SPOKEN)}
    panels = {PARTS[name]: np.stack([own.gates[name] for own in found.steps], 1) for name in _opened(found.steps[0])}
    if "forget" in found.steps[0].gates:
        panels[SIGNED[0]] = np.tanh(np.stack([own.carry[1] for own in found.steps], 1))
    panels[SIGNED[1]] = np.stack([own.hidden[1] for own in found.steps], 1)
    return [
        Drawn(stacked(names, chances, "chance", share=True), "What the network expects next, after each word."),
        Drawn(maps(names, panels, SIGNED), "Every unit at every word: gates from 0 (white) to 1 (blue); memory and "
              "what is shown from -1 (red) to 1 (blue)."),
    ]  # fmt: skip
