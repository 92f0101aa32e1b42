"""`rollcast lab weights`: the lecture's counting exercise, matrix by matrix."""

from __future__ import annotations

import plotly.graph_objects as go

from forecasting.lab.weight_count import COUNTED, Sizes, WeightCount, count_weights
from pipelines.lab_reports.pictures import stacked
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable


def experiment(sizes: Sizes, shown: str) -> Shown:
    """Every network in one row, and one of them matrix by matrix."""
    kinds = (*COUNTED, *(() if shown in COUNTED else (shown,)))
    counts = [count_weights(kind, sizes) for kind in kinds]
    own = next(count for count in counts if count.kind == shown)
    summary = [[count.kind, count.formula, count.total, count.tensors] for count in counts]
    formula = "formula for one layer"
    parts = [[part.layer, part.part, part.formula, part.numbers, part.weights] for part in own.parts]
    said = [
        f"I = {sizes.inputs} inputs, D = {sizes.hidden} hidden units, {sizes.layers} "
        f"layer{'s' if sizes.layers > 1 else ''}, O = {sizes.outputs} outputs.",
        "Between two hidden units of a recurrent layer there is an arrow each way: a line with two heads counts as two "
        "weights, and a unit's arrow to itself as one, so that D units have D · D.",
        "torch keeps two biases for each gate, one beside the inputs and one beside the hidden state; only their sum "
        "matters.",
    ]
    command = f"rollcast lab weights --inputs {sizes.inputs} --hidden {sizes.hidden} --layers {sizes.layers}"
    return Shown(
        "weights",
        "How many weights a network has",
        [
            ShownTable("Networks", ["network", formula, "by the formula", "in torch's tensors"], summary),
            ShownTable(f"{shown}, matrix by matrix", ["layer", "part", "formula", "numbers", "weights"], parts),
        ],
        said,
        [Drawn(_bars(counts), "Where the weights of each network lie.")],
        f"{command} --outputs {sizes.outputs} --cell {shown}",
    )


GROUPS = ("from the input", "from the hidden state", "biases", "to the outputs")


def _bars(counts: list[WeightCount]) -> go.Figure:
    found = {group: [0.0] * len(counts) for group in GROUPS}
    for place, count in enumerate(counts):
        for part in count.parts:
            found[_group(part.layer, part.part)][place] += part.weights
    return stacked([count.kind for count in counts], found, "weights")


def _group(layer: str, part: str) -> str:
    if "bias" in part:
        return "biases"
    if layer == "output":
        return "to the outputs"
    return "from the hidden state" if part.endswith("from the hidden state") or "peephole" in part else "from the input"
