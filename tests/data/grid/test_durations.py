import pytest

from data.errors import InvalidInput
from data.grid.durations import DAY, HOUR, MINUTE, SECOND, WEEK, YEAR, default_horizon, default_season, parse_frequency


def test_lengths_of_time_are_counted_in_microseconds():
    assert (SECOND, MINUTE, HOUR) == (1_000_000, 60_000_000, 3_600_000_000)
    assert (DAY, WEEK, YEAR) == (86_400_000_000, 604_800_000_000, 31_556_952_000_000)


@pytest.mark.parametrize(
    ("text", "freq"),
    [
        ("5m", "5m"), ("15min", "15m"), ("T", "1m"), ("H", "1h"), ("60m", "1h"), ("24h", "24h"), ("D", "1d"),
        ("7D", "1w"), ("W-SUN", "1w"), ("MS", "1mo"), ("month", "1mo"), ("3mo", "1q"), ("QE-DEC", "1q"), ("Y", "1y"),
        ("B", "1b"), ("1", "1"), (" 12 ", "12"), ("NASDAQ", "XNYS"), ("XNYS", "XNYS"),
    ],
)  # fmt: skip
def test_a_frequency_has_many_words_and_one_spelling(text, freq):
    assert parse_frequency(text) == freq


@pytest.mark.parametrize("word", ["", "0", "0m", "-1", "5x", "five minutes", "XXXX", "1e3", "m5", "None"])
def test_an_unknown_frequency_is_refused_with_what_is_accepted(word):
    with pytest.raises(InvalidInput, match=r"5m, 1h, 1d, 1b \(weekdays\)"):
        parse_frequency(word)


@pytest.mark.parametrize(
    ("freq", "season", "horizon"),
    [
        ("5m", 288, 72), ("1h", 24, 48), ("1d", 7, 14), ("1b", 1, 10), ("XNYS", 1, 10), ("1w", 1, 13),
        ("1mo", 12, 18), ("1q", 4, 8), ("1y", 1, 6), ("1", 1, 12), ("7m", 1, 12),
    ],
)  # fmt: skip
def test_each_frequency_has_its_usual_season_and_horizon(freq, season, horizon):
    assert default_season(freq) == season
    assert default_horizon(freq, season) == horizon
