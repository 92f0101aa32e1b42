"""`rollcast lab gates`: what the gates do along a series, or along the children's book."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from data.errors import InvalidInput
from forecasting.kernel.cells import GATES
from forecasting.lab.book import SPOKEN, WORDS
from forecasting.lab.unroll import book_network, unroll
from forecasting.rolling.gate_trace import GateTrace
from pipelines.console import ProgressCallback
from pipelines.lab_reports.pictures import BELOW, PALETTE, lines
from pipelines.lab_reports.registered import follow
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable
from pipelines.reports.charts import INK, dress, faint, plain
from pipelines.workspace import Workspace

LECTURE = {
    "forget": ("forgetting", "which of the collected possibilities stay in memory"),
    "input": ("ignoring", "which of the new possibilities come in"),
    "output": ("selection", "which of the memory is shown"),
    "reset": ("–", "how much of the past the candidate reads"),
    "update": ("forgetting and ignoring in one", "how much of the past stays instead of the candidate"),
}
MOST_NAMED = 12  # symbols that an axis has room for
STORY = "Jane saw Spot. Doug saw Jane. Spot saw Doug. Jane saw Doug."
COLUMNS = ["layer", "gate", "in the lecture", "what it decides", "open on average", "10 %", "90 %"]


def along_series(workspace: Workspace, name: str, series: str | None, version: int | None, steps: int) -> Shown:
    """A registered model along the last steps of a series."""
    found = follow(workspace, name, series, version, steps)
    kind, trace = found.bundle.config.kind, found.trace
    command = f"rollcast lab gates {name} --series '{found.series}' --version {found.version} --steps {steps}"
    vocabulary = getattr(found.bundle.config, "vocabulary", ())
    said = [
        "A gate is a number between 0 (nothing passes) and 1 (all does), one for each unit. Lines are means over "
        f"{trace.units} units, bands reach from the 10 % to the 90 % quantile."
    ]
    return Shown(
        "gates",
        f"The gates of {kind} version {found.version} along {found.series}",
        [ShownTable(f"Gates over the last {len(trace.steps)} steps", COLUMNS, _rows(trace))],
        said if found.memory is None else [memory_words(found.memory), *said],
        [
            Drawn(
                _figure(trace, layer, found.times, vocabulary), f"Layer {layer + 1}: the series above, its gates below."
            )
            for layer in range(len(trace.layers))
        ],
        command,
        {"effective_memory": found.memory},
    )


def memory_words(memory: float) -> str:
    """The effective memory in a sentence."""
    if math.isinf(memory):
        return "Effective memory: longer than 512 steps, which is as far as it is measured."
    return (
        f"Effective memory: {memory:.1f} steps; after them what came into the cells moves the forecast only 1/e as "
        "much as at first."
    )


def _rows(trace: GateTrace) -> list[list[object]]:
    return [
        [layer + 1, name, *LECTURE[name], *values.mean(1).tolist()]
        for layer, gates in enumerate(trace.layers)
        for name, values in gates.items()
    ]


def _figure(trace: GateTrace, layer: int, times: list[str], vocabulary: tuple[str, ...]) -> go.Figure:
    """The values, or symbols of a vocabulary, and below them the gates of one layer."""
    figure = make_subplots(2, 1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.4, 0.6])
    look = {"mode": "markers", "name": "symbol", "marker": {"color": INK, "size": 4}} if vocabulary else {
        "mode": "lines", "name": "value", "line": {"color": INK, "width": 1.5}
    }  # fmt: skip
    figure.add_scatter(x=times, y=plain(trace.values), **look, row=1, col=1)
    for k, (name, (mean, low, high)) in enumerate(trace.layers[layer].items()):
        colour, edge = PALETTE[k], {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
        figure.add_scatter(x=times, y=plain(low), **edge, row=2, col=1)
        figure.add_scatter(x=times, y=plain(high), fill="tonexty", fillcolor=faint(colour, 0.15), **edge, row=2, col=1)
        own = {"color": colour, "width": 2}
        figure.add_scatter(x=times, y=plain(mean), mode="lines", name=f"{name} gate", line=own, row=2, col=1)
    dress(figure, 460, showlegend=True, legend=BELOW)
    figure.update_layout(margin={"t": 40, "l": 60})
    figure.update_yaxes(title={"text": "symbol" if vocabulary else "value"}, row=1, col=1)
    if 0 < len(vocabulary) <= MOST_NAMED:
        codes = list(range(len(vocabulary)))
        figure.update_yaxes(tickmode="array", tickvals=codes, ticktext=list(vocabulary), row=1, col=1)
    figure.update_yaxes(title={"text": "open"}, range=[0, 1], tickformat=".0%", row=2, col=1)
    return figure


def along_book(cell: str, hidden: int, steps: int, seed: int, progress: ProgressCallback) -> Shown:
    """A small network along four sentences of the children's book, which it was trained on.

    Raises InvalidInput for a cell without gates.
    """
    if not GATES[cell]:
        raise InvalidInput(f"an {cell} has no gates; choose another --cell")
    found = unroll(book_network(cell, hidden, steps, seed, progress), STORY)
    words = [own.word for own in found.steps]
    opened = {name: np.stack([own.gates[name] for own in found.steps], 1) for name in LECTURE
              if name in found.steps[0].gates}  # fmt: skip
    names = [f"{k}. {SPOKEN[WORDS.index(word)]}" for k, word in enumerate(words, 1)]
    rows = [[1, name, *LECTURE[name], float(gate.mean()), *np.quantile(gate, (0.1, 0.9)).tolist()]
            for name, gate in opened.items()]  # fmt: skip
    groups = {"names": [w[0].isupper() for w in words], "saw": [w == "saw" for w in words],
              "full stops": [w == "." for w in words]}  # fmt: skip
    by_word = [[name, *(float(gate[:, np.array(own)].mean()) for own in groups.values())]
               for name, gate in opened.items()]  # fmt: skip
    means = {f"{name} gate": gate.mean(0).tolist() for name, gate in opened.items()}
    figure = lines(names, means, "word", "open, mean over the units")
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    return Shown(
        "gates",
        "Gates along the children's book",
        [ShownTable(f"Gates over “{STORY}”", COLUMNS, rows),
         ShownTable("Open on average at", ["gate", *groups], by_word)],
        ["A gate is a number between 0 (nothing passes) and 1 (all does), one for each unit.",
         "In a tenth of all units and words it is below the number under 10 %, in a tenth above that under 90 %.",
         "At a full stop the story so far is of no more use: see whether less of the memory is kept there."],
        [Drawn(figure, "How far each gate is open, word by word.")],
        f"rollcast lab gates --cell {cell} --hidden {hidden} --train {steps} --seed {seed}",
    )  # fmt: skip
