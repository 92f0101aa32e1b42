"""`rollcast lab compare`: five networks with equally many weights on a dataset of the user."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from data.errors import InvalidInput
from forecasting.baselines import is_baseline
from forecasting.config import NETWORKS, ModelConfig
from forecasting.evaluation.validation import validate
from forecasting.lab.equal_weights import equal_widths
from forecasting.panel import Panel
from forecasting.rolling.bundle import Bundle
from forecasting.rolling.roller import Roller
from pipelines.console import ProgressCallback
from pipelines.history.history import read_history
from pipelines.lab_reports.shown import Drawn, Shown, ShownTable
from pipelines.reports.charts import colour_of, dress
from pipelines.training.train import MOST_VALUES, load_libraries, quiet_lightning, validation_tail
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from forecasting.training.fit_network import TrainingSpec

TIMED = 200  # steps of one series that are timed


@dataclass(frozen=True)
class Contestant:
    """One network: its size, what its training took, its errors on the tail, and what a step of one series costs."""

    kind: str
    hidden: int
    weights: int
    seconds: float
    mase: float | None
    wql: float | None
    step_us: float


def experiment(
    workspace: Workspace, name: str, kinds: tuple[str, ...], weights: int | None, steps: int, seed: int,
    progress: ProgressCallback,
) -> Shown:  # fmt: skip
    """Train each kind for the same number of steps, and score it on the validation tail, which it has not seen."""
    for kind in kinds:
        if kind not in NETWORKS:
            raise InvalidInput(f"{kind!r} is not a network; choose among {', '.join(NETWORKS)}")
    load_libraries(workspace)
    quiet_lightning()
    from forecasting.training.fit_network import TrainingSpec

    history = read_history(workspace, name, MOST_VALUES)
    if history.dataset.has_symbols:
        raise InvalidInput(f"{name!r} has symbols; `rollcast backtest {name}` compares networks of symbols")
    panel, tail = history.panel, validation_tail(history, history.panel)
    spec = TrainingSpec(kinds[0], history.dataset.season, history.dataset.horizon, steps=steps, seed=seed)
    past = panel.head(panel.lengths - tail)
    sized = same_size(past, kinds, spec, weights)
    found: list[Contestant] = []
    scores: dict[str, dict[str, float | None]] = {}
    for place, config in enumerate(sized):
        progress(place, len(sized), config.kind)
        contestant, scores = contest(panel, past, tail, config, spec, steps)
        found.append(contestant)
    baselines = [[kind, *4 * [None], row.get("mase"), row.get("wql"), None]
                 for kind, row in scores.items() if is_baseline(kind)]  # fmt: skip
    columns = ["model", "hidden", "weights", "steps", "seconds", "mase", "wql", "µs a step"]
    rows = [
        [own.kind, own.hidden, own.weights, steps, own.seconds, own.mase, own.wql, own.step_us]
        for own in sorted(found, key=lambda own: own.mase if own.mase is not None else np.inf)
    ]
    best = rows[0]
    return Shown(
        "compare",
        f"Networks of one size on {name}",
        [ShownTable(f"{name}: validation tail, {steps} training steps each", columns, [*rows, *baselines])],
        [f"{best[0]} has the lowest MASE of the networks; all have {min(own.weights for own in found):,} to "
         f"{max(own.weights for own in found):,} weights, heads included.",
         "One network each, one seed and no calibration: `rollcast backtest` compares what would serve."],
        [Drawn(_figure(found), "Error against time of training; the size of a mark is the cost of a step.")],
        f"rollcast lab compare {name} --models {','.join(kinds)} --steps {steps} --seed {seed}",
    )  # fmt: skip


def same_size(past: Panel, kinds: tuple[str, ...], spec: TrainingSpec, weights: int | None) -> list[ModelConfig]:
    """The settings of each kind as the rule chooses them, but for the width, which gives all the same weights: those
    of the first kind, or `weights`."""
    from forecasting.networks.networks import Network
    from forecasting.training.auto_config import choose

    usual = {kind: choose(past, kind, spec.season, spec.horizon).config for kind in kinds}

    def count(kind: str, width: int) -> int:
        network = Network(replace(usual[kind], hidden_size=width))
        return sum(own.numel() for own in network.parameters() if own.requires_grad)

    target = weights or count(kinds[0], usual[kinds[0]].hidden_size)
    widths = equal_widths(kinds, count, target)
    return [replace(usual[kind], hidden_size=width) for kind, width in widths.items()]


def contest(
    panel: Panel, past: Panel, tail: np.ndarray, config: ModelConfig, spec: TrainingSpec, steps: int
) -> tuple[Contestant, dict[str, dict[str, float | None]]]:
    """Train, score and time one network; its scores stand beside those of the baselines."""
    from forecasting.training.fit_network import fit_single

    began = time.monotonic()
    bundle = fit_single(past, config, replace(spec, kind=config.kind), steps)
    seconds = time.monotonic() - began
    scores = validate([bundle], panel, tail, spec.season, spec.horizon).summary()
    own = scores[config.kind]
    weights = sum(w.size for name, w in bundle.weights.items() if not name.startswith("fallback."))
    if config.memory:
        weights -= bundle.weights["head.skip.weight"].size  # not trained there
    timed = step_cost(bundle, past)
    return Contestant(config.kind, config.hidden_size, weights, seconds, own["mase"], own["wql"], timed), scores


def step_cost(bundle: Bundle, past: Panel) -> float:
    """Microseconds in which one value of one series is folded in, median."""
    roller, config = Roller(bundle), bundle.config
    series = past.select(np.array([int(past.lengths.argmax())]))
    state, row = roller.start(series.tail_matrix(config.context), series.last), np.arange(1)
    value, taken = series.series(0)[-1:], []
    for step in range(TIMED):
        began = time.perf_counter()
        roller.fold(state, row, series.last + step + 1, value)
        taken.append(time.perf_counter() - began)
    return float(1e6 * np.median(taken))


def _figure(found: list[Contestant]) -> go.Figure:
    figure = go.Figure()
    for own in found:
        figure.add_scatter(
            x=[own.seconds],
            y=[own.mase],
            mode="markers+text",
            text=[own.kind],
            textposition="top center",
            name=own.kind,
            marker={"color": colour_of(own.kind), "size": [8 + 30 * own.step_us / max(o.step_us for o in found)]},
            hovertemplate=f"{own.kind}: MASE %{{y:.3f}}, %{{x:.1f}} s, {own.step_us:.0f} µs a step<extra></extra>",
        )
    dress(figure, 380, showlegend=False)
    figure.update_layout(hovermode="closest", margin={"l": 64})
    figure.update_xaxes(title={"text": "seconds of training", "standoff": 8}, rangemode="tozero")
    figure.update_yaxes(title={"text": "MASE on the validation tail", "standoff": 8})
    return figure
