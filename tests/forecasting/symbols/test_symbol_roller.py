"""Every model of symbols: however a series is cut into pieces and batches, its state and its draws are the same."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from scipy import stats

from forecasting.kinds import model_of
from forecasting.rolling.bundle import Bundle, from_bytes, to_bytes
from forecasting.rolling.state import STATE_ANEW
from forecasting.symbols.symbol_baselines import PREFIX, codes_of
from forecasting.symbols.symbol_network import SymbolNetwork
from forecasting.symbols.symbol_roller import SymbolRoller, SymbolState
from tests.support.symbol_networks import LETTERS, symbol_model, symbol_series

MODELS = {
    "lstm": symbol_model("lstm"),
    "lstm, two layers": symbol_model("lstm", layers=2),
    "gru, embedded": symbol_model("gru", embedding=3),
    "gru, two members": symbol_model("gru", layers=2, members=2),
    "rnn": symbol_model("rnn"),
    "rnn, three layers": symbol_model("rnn", layers=3),
    "peephole": symbol_model("peephole"),
    "peephole, two layers and members": symbol_model("peephole", layers=2, members=2),
    "coupled": symbol_model("coupled"),
    "coupled, embedded, two layers": symbol_model("coupled", embedding=3, layers=2),
    "lecture": symbol_model("lecture"),
    "lecture, embedded, two members": symbol_model("lecture", embedding=2, members=2),
    "frequency": symbol_model("frequency"),
    "last_symbol": symbol_model("last_symbol"),
}
SINGLE = [name for name, bundle in MODELS.items() if bundle.config.hidden_size and bundle.config.members == 1]
ONLY = np.array([0])


@pytest.fixture(params=MODELS)
def roller(request: pytest.FixtureRequest) -> SymbolRoller:
    found = model_of(MODELS[request.param])
    assert isinstance(found, SymbolRoller)
    return found


def folded(roller: SymbolRoller, values: np.ndarray, begin: int = 0, state: SymbolState | None = None) -> SymbolState:
    """One series folded at once from step `begin` on."""
    state = state or roller.empty(1)
    roller.fold(state, np.zeros(len(values), np.int64), begin + np.arange(len(values)), values)
    return state


def same(one: SymbolState, other: SymbolState, row: int = 0) -> None:
    for name, array in one.arrays.items():
        assert_array_equal(array[0], other.arrays[name][row], err_msg=name)


def test_pieces_of_any_length_give_the_state_of_the_whole_series(roller: SymbolRoller) -> None:
    values = symbol_series(90)
    whole = folded(roller, values)
    for size in (1, 7, 40):
        state = None
        for begin in range(0, len(values), size):
            state = folded(roller, values[begin : begin + size], begin, state)
        assert state is not None
        same(whole, state)


def test_a_series_has_the_same_bits_in_any_batch(roller: SymbolRoller) -> None:
    series = [symbol_series(40, seed=seed) for seed in range(35)]
    rows = np.repeat(np.arange(35), 40)
    state = roller.empty(35)
    roller.fold(state, rows, np.tile(np.arange(40), 35), np.concatenate(series))
    for row in (0, 17, 34):
        same(folded(roller, series[row]), state, row)


def test_starting_from_a_context_is_folding_it(roller: SymbolRoller) -> None:
    values = symbol_series(60)
    context = np.full((1, roller.config.context), np.nan)
    context[0, -60:] = values
    state, whole = roller.start(context, np.array([59])), folded(roller, values)
    assert whole.imputed[0] == np.isnan(values).sum()
    whole.imputed[:] = 0  # of a context they are not counted
    same(whole, state)


@pytest.mark.parametrize("name", SINGLE)
def test_a_network_in_torch_over_the_whole_sequence_gives_the_same_probabilities(name: str) -> None:
    bundle, values = MODELS[name], symbol_series(120)
    roller, network = SymbolRoller(bundle), SymbolNetwork(bundle.config)
    own = {key: torch.from_numpy(w) for key, w in bundle.weights.items() if not key.startswith(PREFIX)}
    network.load_state_dict(own)
    usual = torch.from_numpy(roller.empty(1).probabilities)
    codes = torch.from_numpy(codes_of(values).astype(np.int64))[None]
    with torch.no_grad():
        _, state, p = network(codes, network.fresh(1), usual)
    rolled = folded(roller, values)
    np.testing.assert_allclose(rolled.probabilities, p.numpy(), atol=1e-6)
    for array, part in zip((rolled.hidden, rolled.carry), state, strict=False):
        np.testing.assert_allclose(array[0], part.numpy()[:, 0], atol=1e-5)


@pytest.mark.parametrize("name", SINGLE)
def test_a_sequence_without_a_missing_symbol_is_read_at_once_in_torch(name: str) -> None:
    bundle = MODELS[name]
    network = SymbolNetwork(bundle.config)
    codes = torch.from_numpy(symbol_series(30, missing=0).astype(np.int64))[None]
    p = torch.full((1, 4), 0.25)
    whole, _, last = network(codes, network.fresh(1), p)
    parts, carried = [], (network.fresh(1), p)
    for step in range(30):
        logits, *carried = network(codes[:, step : step + 1], *carried)
        parts.append(logits)
    torch.testing.assert_close(whole, torch.cat(parts, 1))
    torch.testing.assert_close(last, carried[1])


def test_a_missing_symbol_is_replaced_by_the_networks_own_probabilities() -> None:
    """The product with the input weights is linear: the mean state input of all symbols, weighted."""
    roller = model_of(MODELS["rnn"])
    state = folded(roller, np.array([1.0, 2.0]))
    p, hidden = state.probabilities[0].astype(float), state.hidden[0, 0].astype(float)
    weights = {name: w.astype(float) for name, w in MODELS["rnn"].weights.items()}
    folded(roller, np.array([np.nan]), 2, state)
    bias = weights["cells.bias_ih_l0"] + weights["cells.bias_hh_l0"]
    after = np.tanh(weights["cells.weight_ih_l0"] @ p + weights["cells.weight_hh_l0"] @ hidden + bias)
    np.testing.assert_allclose(state.hidden[0, 0], after, atol=1e-6)


def test_the_lectures_network_has_no_hidden_state() -> None:
    state = model_of(MODELS["lecture"]).empty(3)
    assert state.hidden.size == state.carry.size == 0


def test_a_silence_longer_than_the_context_begins_anew(roller: SymbolRoller) -> None:
    before = folded(roller, np.array([0.0, 1.0]))
    roller.fold(before, ONLY, np.array([3 + roller.config.context]), np.array([3.0]))
    fresh = folded(roller, np.array([3.0]))
    assert_array_equal(before.probabilities, fresh.probabilities)
    assert (before.reanchored[0], before.observed[0]) == (1, 1)


def test_a_value_that_begins_anew_forgets_what_came_before(roller: SymbolRoller) -> None:
    state = folded(roller, np.array([0.0, 1.0, 2.0]))
    roller.fold(state, ONLY, np.array([3]), np.array([3.0]), anew=np.array([STATE_ANEW], np.int8))
    assert_array_equal(state.probabilities, folded(roller, np.array([3.0])).probabilities)


def test_a_code_outside_of_the_vocabulary_is_refused(roller: SymbolRoller) -> None:
    with pytest.raises(ValueError, match="outside of the vocabulary of 4 symbols"):
        folded(roller, np.array([4.0]))


def test_probabilities_sum_to_one_at_every_step_and_the_first_step_is_exact(roller: SymbolRoller) -> None:
    state = folded(roller, symbol_series(30))
    p = roller.marginals(state, ONLY, 6, paths=50, seeds=[9])
    np.testing.assert_allclose(p.sum(2), 1, atol=1e-5)
    np.testing.assert_allclose(p[0, 0], state.probabilities[0], atol=1e-7)
    assert_array_equal(p, roller.marginals(state, ONLY, 6, paths=50, seeds=[9]))
    assert_array_equal(roller.forecast(state, ONLY)[0, 0], state.probabilities[0].astype(np.float64))


def test_more_paths_come_near_to_the_exact_marginals() -> None:
    """Of the last symbol the second step is known: the sum over what comes first."""
    roller = model_of(MODELS["lstm"])
    state = folded(roller, symbol_series(30))
    exact = np.zeros(4)
    for code in range(4):
        later = state.take(ONLY)
        folded(roller, np.array([float(code)]), 30, later)
        exact += state.probabilities[0, code] * later.probabilities[0]
    p = roller.marginals(state, ONLY, 2, paths=20_000)
    np.testing.assert_allclose(p[0, 1], exact, atol=0.01)


def test_what_has_come_up_can_only_grow(roller: SymbolRoller) -> None:
    state = folded(roller, symbol_series(30))
    came, p = (read(state, ONLY, 8, paths=200) for read in (roller.arrivals, roller.marginals))
    assert (np.diff(came, axis=1) >= -1e-9).all()
    np.testing.assert_allclose(came[:, 0], p[:, 0])
    assert came.max() <= 1 + 1e-5


def test_ten_thousand_first_symbols_follow_the_printed_probabilities(roller: SymbolRoller) -> None:
    state = folded(roller, symbol_series(30))
    p = roller.forecast(state, ONLY)[0, 0]
    drawn = roller.continuations(state, 0, 10_000, 1, seed=5)[:, 0]
    counts = np.bincount(drawn, minlength=4)
    assert stats.chisquare(counts, 10_000 * p / p.sum()).pvalue > 0.01


def test_a_temperature_below_one_prefers_likely_symbols_and_above_one_rare_ones() -> None:
    roller = model_of(MODELS["lstm"])
    state = folded(roller, symbol_series(30))
    p = roller.forecast(state, ONLY)[0, 0]
    for temperature in (0.3, 3.0):
        drawn = roller.continuations(state, 0, 20_000, 1, temperature, seed=5)[:, 0]
        wanted = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
        np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20_000, wanted, atol=0.015)


def test_a_continuation_reads_the_prime_first_and_leaves_the_state_alone(roller: SymbolRoller) -> None:
    state = folded(roller, symbol_series(30))
    before = {name: array.copy() for name, array in state.arrays.items()}
    primed = roller.continuations(state, 0, 3, 5, seed=1, prime=[2, 0])
    for name, array in before.items():
        assert_array_equal(array, state.arrays[name])
    assert_array_equal(primed, roller.continuations(folded(roller, np.array([2.0, 0.0]), 30, state), 0, 3, 5, seed=1))


def test_reading_on_gives_the_probabilities_that_a_fold_gives(roller: SymbolRoller) -> None:
    values = symbol_series(50)
    state, ledger = folded(roller, values[:20]), roller.ledger(1)
    given, sums = roller.read_on(state, codes_of(values[20:])[None])
    expected = []
    for step in range(20, 50):
        p = state.probabilities[0].copy()
        roller.fold(state, ONLY, np.array([step]), values[step : step + 1], ledger, values[step : step + 1])
        expected.append(np.nan if np.isnan(values[step]) else p[int(values[step])])
    np.testing.assert_allclose(given[0], expected, atol=1e-7)
    np.testing.assert_allclose(sums, ledger.sums, atol=1e-9)


def test_an_artifact_of_symbols_is_read_back_as_it_was(roller: SymbolRoller) -> None:
    for bundle in MODELS.values():
        again: Bundle = from_bytes(to_bytes(bundle), bundle.digest)
        assert (again.config, again.fingerprint) == (bundle.config, bundle.fingerprint)
        assert again.config.vocabulary == LETTERS


def test_gates_are_those_of_the_next_step_and_a_recorder_takes_them_down() -> None:
    roller = model_of(MODELS["lstm, two layers"])
    values = symbol_series(20)
    (first, second) = roller.gates(folded(roller, values[:-1]), 0, values[-1])
    recording = roller.inspection().record(5)
    state = recording.roller.empty(1)
    recording.roller.fold(state, np.zeros(20, np.int64), np.arange(20), values)
    trace = recording.trace()
    assert trace.steps.tolist() == [15, 16, 17, 18, 19]
    assert trace.layers[0]["forget"][0, -1] == pytest.approx(first["forget"].mean(), abs=1e-6)
    assert trace.layers[1]["output"][0, -1] == pytest.approx(second["output"].mean(), abs=1e-6)
    assert_array_equal(recording.probabilities()[-1], state.probabilities[0])
    same(folded(roller, values), state)
