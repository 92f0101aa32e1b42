"""Small trainings of symbols: what a lane reads, that a short one learns, and that steps are reproducible."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from data.errors import InvalidInput
from forecasting.panel import Panel
from forecasting.recurrent_options import RecurrentOptions
from forecasting.symbol_config import SymbolConfig
from forecasting.symbols.symbol_defaults import SymbolDefaults
from forecasting.symbols.symbol_evaluation import validate_symbols
from forecasting.symbols.symbol_lanes import SymbolLanes, tail_pieces
from forecasting.symbols.symbol_training import SymbolSpec, fit_symbols

DISHES = ("pizza", "sushi", "waffles")
NAN = np.nan


def turns(days: int, unwritten: float = 0.3) -> Panel:
    """Dishes in turn, some unwritten."""
    codes = np.arange(days, dtype=np.float64) % 3
    codes[np.random.default_rng(0).random(days) < unwritten] = NAN
    return Panel.of([codes])


def spec(panel: Panel, kind: str = "lstm", steps: int = 120) -> SymbolSpec:
    few = SymbolDefaults(chunk=16, lanes=6)
    return SymbolSpec(kind, DISHES, 3, panel.lengths // 5, steps=steps, sizes={"hidden_size": 16}, defaults=few)


def test_lanes_go_on_where_they_were_and_targets_are_the_next_symbols() -> None:
    panel = Panel.of([np.arange(100.0), np.arange(100.0, 120.0)])
    stream = iter(SymbolLanes(panel, lanes=4, steps=8, seed=0))
    before = next(stream)
    for _ in range(30):
        chunk = next(stream)
        for lane in np.flatnonzero(~chunk.fresh.numpy()).tolist():
            assert chunk.codes[lane, 0] == before.targets[lane, -1]
        counted = chunk.targets >= 0
        assert_array_equal(chunk.targets[counted], chunk.codes[counted] + 1)
        before = chunk


def test_the_tail_is_evaluated_once_and_only_the_tail() -> None:
    panel = Panel.of([np.arange(700.0), np.arange(700.0, 800.0)])
    seen: list[float] = []
    for chunk in tail_pieces(panel, np.array([200, 30]), warm=16, most=10_000, batch=2):
        seen += chunk.targets[chunk.targets >= 0].tolist()
    assert sorted(seen) == [*range(500, 700), *range(770, 800)]


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "lecture"])
def test_a_short_training_beats_both_baselines_on_days_it_never_saw(kind: str) -> None:
    panel = turns(400)
    fitted = fit_symbols(panel, spec(panel, kind))
    scores = validate_symbols({kind: fitted.bundle}, panel, panel.lengths // 5)
    assert scores[kind].log_loss < 0.8 * min(scores["frequency"].log_loss, scores["last_symbol"].log_loss)
    assert len(scores[kind].units()) == len(scores["frequency"].units())


def test_options_change_how_layers_start_and_stay_in_the_artifact() -> None:
    panel, usual = turns(400), RecurrentOptions()
    options = RecurrentOptions("orthogonal", 3.0, input_dropout=0.1, truncate=32)
    plain, own = (fit_symbols(panel, replace(spec(panel, steps=1), options=given)) for given in (usual, options))
    assert "options" not in plain.bundle.config.to_dict() and own.bundle.config.options == options
    width, bias = 16, own.bundle.weights["cells.bias_ih_l0"] + own.bundle.weights["cells.bias_hh_l0"]
    assert np.allclose(bias[width : 2 * width], 3.0, atol=0.05)  # but for one training step
    block = own.bundle.weights["cells.weight_hh_l0"][:width]
    assert np.allclose(block @ block.T, np.eye(width), atol=0.1)
    assert (plain.bundle.manifest["chunk"], own.bundle.manifest["chunk"]) == (16, 32)
    assert SymbolConfig.from_dict(own.bundle.config.to_dict()) == own.bundle.config


@pytest.mark.parametrize("kind", ["gru", "peephole", "coupled"])
def test_a_network_with_options_still_learns(kind: str) -> None:
    panel = turns(400)
    options = RecurrentOptions("orthogonal", None if kind == "gru" else "chrono", input_dropout=0.1)
    fitted = fit_symbols(panel, replace(spec(panel, kind), options=options))
    scores = validate_symbols({kind: fitted.bundle}, panel, panel.lengths // 5)
    assert scores[kind].log_loss < 0.8 * scores["last_symbol"].log_loss


def test_the_same_steps_give_the_same_model_to_the_bit() -> None:
    panel = turns(200)
    one, other = (fit_symbols(panel, spec(panel, steps=12)).bundle for _ in range(2))
    assert one.digest == other.digest
    assert one.manifest["steps"] == 12


def test_the_kernel_validates_as_torch_does() -> None:
    panel = turns(600, unwritten=0.0)
    fitted = fit_symbols(panel, spec(panel, steps=30))
    loss = validate_symbols({"lstm": fitted.bundle}, panel, panel.lengths // 5)["lstm"].log_loss
    assert loss == pytest.approx(min(loss for _, loss in fitted.losses), abs=0.02)  # torch warms pieces up shortly


def test_too_few_symbols_are_refused() -> None:
    panel = Panel.of([np.array([0.0, 1.0, 2.0])])
    with pytest.raises(InvalidInput, match="too few symbols for a network"):
        fit_symbols(panel, SymbolSpec("lstm", DISHES, 3, np.array([1])))
