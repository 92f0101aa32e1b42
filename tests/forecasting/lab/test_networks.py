"""Small trainings of the lab: words, dinner, one prediction unrolled, and the ways to show a forecast."""

import numpy as np
import pytest

from data.errors import InvalidInput
from forecasting.lab.book import KINDS, STOP, WORDS, book, mistakes
from forecasting.lab.dinner import Diary, dinners
from forecasting.lab.equal_weights import equal_widths
from forecasting.lab.predict_modes import AHEAD, predict_modes, sine
from forecasting.lab.unroll import junctions, unroll
from forecasting.lab.word_network import WordNetwork, train_words, weights_of

CELLS = ("rnn", "gru", "lstm", "peephole", "coupled")


@pytest.fixture(scope="module")
def network() -> WordNetwork:
    return train_words("lstm", 12, book(1_000, 0), len(WORDS), steps=400, seed=0)


def test_equal_weights_differ_by_at_most_five_per_cent_heads_included() -> None:
    widths = equal_widths(CELLS, lambda cell, width: weights_of(cell, width, 5), 1_000)
    counts = {cell: weights_of(cell, width, 5) for cell, width in widths.items()}
    assert all(950 <= count <= 1_050 for count in counts.values()), counts
    with pytest.raises(InvalidInput, match="no lstm has 100 weights within 5%"):
        equal_widths(("lstm",), lambda cell, width: weights_of(cell, width, 5), 100)


def test_a_network_with_a_memory_writes_better_sentences_than_the_chain(network: WordNetwork) -> None:
    text = network.write(STOP, 400, rows=10, seed=1)
    counted = {kind: sum(mistakes(row)[kind] for row in text) for kind in KINDS}
    assert counted["right"] > 0.85 * sum(counted.values())
    assert network.count == weights_of("lstm", 12, 5)


def test_what_is_written_is_drawn_from_the_chances(network: WordNetwork) -> None:
    chances = network.chances(np.full((1, 1), STOP))[0, 0]
    first = network.write(STOP, 1, rows=10_000, seed=0)[:, 0]
    expected = 10_000 * chances
    seen = expected > 5
    statistic = ((np.bincount(first, minlength=5) - expected)[seen] ** 2 / expected[seen]).sum()
    assert statistic < 13.3  # χ² of four degrees of freedom, p = 0.01


def test_the_junctions_of_an_unrolled_step_add_up(network: WordNetwork) -> None:
    found = unroll(network, "Jane saw Spot. Doug saw")
    assert [own.word for own in found.steps] == ["Jane", "saw", "Spot", ".", "Doug", "saw"]
    names, numbers = junctions("lstm", found.steps[-1])
    column = dict(zip(names, numbers.T, strict=True))
    np.testing.assert_allclose(column["f × c"] + column["i × g"], column["plus: c'"], atol=1e-5)
    np.testing.assert_allclose(column["o"] * np.tanh(column["plus: c'"]), column["o × tanh c' = h'"], atol=1e-5)
    assert found.steps[-1].likeliest in ("Doug", "Jane", "Spot")
    with pytest.raises(ValueError, match="'Rex' is not in the book"):
        unroll(network, "Rex saw")


def test_dinner_follows_from_yesterday_and_not_from_the_calendar() -> None:
    found = dinners(days=730, unwritten=0.3, seed=0)
    assert found.by_yesterday >= 0.99
    assert 0.25 < found.by_calendar < 0.45
    assert 0.25 < found.unwritten < 0.35
    assert found.longest >= 4  # days in a row that were bridged by predictions alone


def test_a_diary_repeats_after_three_days_and_its_calendar_after_seven() -> None:
    diary = Diary.drawn(100, 0.3, seed=1)
    assert (diary.eaten[3:] == diary.eaten[:-3]).all()
    assert (diary.calendar[7:, :7] == diary.calendar[:-7, :7]).all()
    assert diary.calendar[:, :7].sum() == diary.calendar[:, 7:19].sum() == 100


def test_a_sine_can_be_forecast_from_its_own_forecasts_and_a_random_walk_cannot() -> None:
    wave = predict_modes("sine", sine(1_200), steps=150)
    assert wave.scores[0].skill > 0.9 and wave.scores[1].skill > 0.5
    assert wave.sequences.shape == (240 // AHEAD, AHEAD)
    walk = predict_modes("walk", np.cumsum(np.random.default_rng(0).standard_normal(1_200)), steps=150)
    assert walk.scores[0].skill < 0.1
    assert walk.scores[0].direction == pytest.approx(0.5, abs=0.12)
    with pytest.raises(ValueError, match="100 values are too few"):
        predict_modes("short", np.zeros(100))
