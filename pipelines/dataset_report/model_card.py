"""The report's part on the model that serves: what it is, how it was made, what its weights are, what it cannot do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from data.errors import counted
from data.grid.stamps import format_moment
from forecasting.config import ModelConfig
from forecasting.rolling.bundle import Bundle
from forecasting.symbol_config import SymbolConfig
from pipelines.dataset_report import symbol_parts
from pipelines.dataset_report.found import DatasetNow
from pipelines.models import model_store
from pipelines.promotion import promotion_history
from pipelines.reports.model_facts import ORIGIN, SETTINGS
from pipelines.reports.report_content import Cell, Table, number, score_table
from states.past.effective_memories import EffectiveMemories

IN_ARTIFACT = {
    "lstm": ("input", "forget", "new", "output"),
    "gru": ("reset", "update", "new"),
    "rnn": ("new",),
}  # torch's
SUMS = ("weight_ih", "weight_hh")  # from the input, and from the hidden state


def content(found: DatasetNow) -> dict[str, Any] | None:
    """The model card; None where no model serves, or its artifact is damaged."""
    if found.promotion is None or found.champion is None:
        return None
    row = model_store.find(found.workspace, found.dataset, found.promotion.version)
    bundle = model_store.load(found.workspace, found.dataset, row.version)
    validation = row.metrics.get("validation")
    table_of = symbol_parts.validation_table if found.dataset.has_symbols else validation_table
    series = len(found.champion.contexts.series)
    return {
        "name": f"{row.kind} version {row.version}",
        "facts": facts(found, bundle),
        "reasons": [promotion_history.describe_decision(found.promotion), *(bundle.manifest.get("rule") or ())],
        "gates": gate_table(bundle),
        "validation": table_of(validation) if validation else None,
        "limits": limits_of(bundle.config, series),
    }


def facts(found: DatasetNow, bundle: Bundle) -> dict[str, str]:
    """Settings, size and origin of the version."""
    config, manifest = bundle.config.to_dict(), bundle.manifest
    assert found.promotion is not None  # noqa: S101  # `content` has looked
    values = {name.replace("_", " "): config[name] for name in SETTINGS if config.get(name)}
    values |= {"parameters": number(parameters(bundle)), "bytes": number(bundle.size)}
    values |= {
        f"training {name}" if name in ("steps", "seconds") else name: manifest[name]
        for name in ORIGIN
        if name in manifest
    }
    values |= memory_fact(found)
    values |= {"serves since": format_moment(found.promotion.decided_at), "digest": bundle.digest}
    return {name: f"{value:.1f}" if isinstance(value, float) else str(value) for name, value in values.items()}


def memory_fact(found: DatasetNow) -> dict[str, str]:
    """The effective memory of the recurrent layers; nothing for a model without them."""
    assert found.champion is not None  # noqa: S101  # `content` has looked
    steps = EffectiveMemories().measure(found.champion)
    if steps is None:
        return {}
    return {"effective memory": f"{steps:.1f} steps" if math.isfinite(steps) else "longer than 512 steps"}


def parameters(bundle: Bundle) -> int:
    """How many numbers of the network were fitted; of a baseline, those of its artifact."""
    own = {name: array for name, array in bundle.weights.items() if not name.startswith("fallback.")}
    return sum(array.size for array in (own or bundle.weights).values())


def gate_table(bundle: Bundle) -> Table | None:
    """Size of each gate's weights, layer by layer, and how far its bias alone opens it; None without gates."""
    gates = IN_ARTIFACT.get(bundle.config.kind, ())
    rows = []
    for layer in range(bundle.config.num_layers if gates else 0):
        parts = {name: np.split(bundle.weights[f"cells.{name}_l{layer}"], len(gates), -2) for name in SUMS}
        biases = [np.split(bundle.weights[f"cells.{name}_l{layer}"], len(gates), -1) for name in ("bias_ih", "bias_hh")]
        for k, gate in enumerate(gates):
            sizes = [f"{np.abs(parts[name][k]).mean():.4f}" for name in SUMS]
            opened = 1 / (1 + np.exp(-(biases[0][k] + biases[1][k]).astype(float)))
            count = sum(part[k].size for part in (*parts.values(), *biases))
            words = "–" if gate == "new" else f"{opened.mean():.1%}"
            rows.append([Cell(f"layer {layer + 1}, {gate}"), Cell(number(count)), *map(Cell, (*sizes, words))])
    heads = [
        "gate",
        "parameters",
        "mean |weight| of inputs",
        "mean |weight| of the hidden state",
        "open by its bias alone",
    ]
    return Table(heads, rows) if rows else None


def validation_table(metrics: dict[str, dict[str, Any]]) -> Table:
    """Scores of the validation tail; all models have the same origins, so that their number is left out."""
    scored = score_table({name: {"origins": 1, **row} for name, row in metrics.items()})
    return Table([scored.heads[0], *scored.heads[2:]], [[row[0], *row[2:]] for row in scored.rows])


def limits_of(config: ModelConfig | SymbolConfig, series: int) -> list[str]:
    """What the model cannot do, by its kind."""
    return symbol_parts.limits(config, series) if isinstance(config, SymbolConfig) else limits(config, series)


def limits(config: ModelConfig, series: int) -> list[str]:
    """What the model cannot do, in sentences."""
    other = config.fallback.replace("_", " ")
    ends = [f"{100 * level:g} %" for level in (config.levels[0], config.levels[-1])]
    said = [
        f"It forecasts 1 to {counted(config.horizon, 'step')} ahead, at levels between {ends[0]} and {ends[1]}. "
        "Levels beyond are refused, not guessed.",
        f"It was promoted over {series:,} series, and forecasts each from that series' own past alone: other series, "
        "prices, weather and plans are unknown to it.",
        f"A series with fewer than {counted(config.minimum, 'value')} is answered by {other} and marked as warming.",
        f"A series without a value for more than {counted(config.window, 'step')} is marked as silent; its forecast "
        "starts from its last value.",
        "An interval holds its share of values at each step by itself; nothing is said about several steps at once.",
        "After a change that its training part never showed, intervals widen only as live errors come in.",
    ]
    if config.memory:
        said.append(f"It remembers a cycle of {counted(config.memory, 'step')}; longer cycles are unknown to it.")
    return said
