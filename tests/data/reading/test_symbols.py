"""Symbols from files: codes and vocabulary, what is refused, and texts by character and by word."""

import polars as pl
import pytest

from data.errors import InvalidInput
from data.text_symbols import CHARACTER, WORD, joined, split
from tests.support.intake_kit import conformed

HEAD = "unique_id,ds,y\n"


def written(folder, text, name="states.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def codes(found):
    return found.frame["y"].to_list()


def test_codes_are_places_in_the_sorted_vocabulary_and_an_empty_cell_is_missing(tmp_path):
    source = written(tmp_path, HEAD + 'a,0,run\na,1,\na,2,"  idle "\na,3,run\nb,0,.\nb,1,none\n')
    found = conformed(source, kind="symbols")
    assert found.vocabulary == (".", "idle", "none", "run")  # only an empty cell is missing
    assert codes(found) == [3.0, None, 1.0, 3.0, 0.0, 2.0]
    assert (found.report.symbols, found.report.nulls, found.report.covariates) == (4, 1, ())


def test_parquet_of_words_categories_and_booleans_is_read_and_fractions_are_not(tmp_path):
    times = {"t": [0, 1, 2, 3]}
    for name, values in {
        "words": pl.Series(["b", "a", None, "b"]),
        "kinds": pl.Series(["b", "a", None, "b"], dtype=pl.Categorical),
    }.items():
        pl.DataFrame({**times, "y": values}).write_parquet(tmp_path / f"{name}.parquet")
        found = conformed(tmp_path / f"{name}.parquet", kind="symbols")
        assert (found.vocabulary, codes(found)) == (("a", "b"), [1.0, 0.0, None, 1.0])
    pl.DataFrame({**times, "y": [True, False, True, None]}).write_parquet(tmp_path / "flags.parquet")
    assert conformed(tmp_path / "flags.parquet", kind="symbols").vocabulary == ("false", "true")
    pl.DataFrame({**times, "y": [0.5, 1.0, 2.0, 1.0]}).write_parquet(tmp_path / "numbers.parquet")
    with pytest.raises(InvalidInput, match="it holds Float64, not symbols"):
        conformed(tmp_path / "numbers.parquet", kind="symbols")


def test_the_column_of_symbols_is_the_one_beside_series_and_time_or_it_is_asked_for(tmp_path):
    source = written(tmp_path, "date,dinner,cook\n2024-01-01,pizza,Ann\n2024-01-02,sushi,Bob\n2024-01-03,pizza,Ann\n")
    with pytest.raises(InvalidInput, match="It could be dinner, cook; name it with --target-col"):
        conformed(source, kind="symbols")
    found = conformed(source, kind="symbols", target_col="dinner")
    assert (found.vocabulary, found.report.columns_ignored) == (("pizza", "sushi"), ("cook",))


def test_rows_that_clash_are_named_by_their_symbols(tmp_path):
    rows = [f"a,{step},{word}\n" for step in range(8) for word in ("on", "off")]
    with pytest.raises(
        InvalidInput, match=r"'on' in row 2 and 'off' in row 3.*--keep which value counts: last or first"
    ):
        conformed(written(tmp_path, HEAD + "".join(rows)), kind="symbols")
    assert codes(conformed(written(tmp_path, HEAD + "".join(rows)), kind="symbols", keep="first")) == [1.0] * 8


def test_a_state_that_lasts_is_no_constant_stretch(tmp_path):
    rows = "".join(f"a,{step},{'idle' if step < 90 else 'run'}\n" for step in range(100))
    assert conformed(written(tmp_path, HEAD + rows), kind="symbols").report.constant_stretches == 0


def test_a_symbol_may_be_64_characters_and_a_vocabulary_4096_symbols(tmp_path):
    assert conformed(written(tmp_path, f"{HEAD}a,0,{'x' * 64}\na,1,b\n"), kind="symbols").report.symbols == 2
    with pytest.raises(InvalidInput, match=r"row 3: .* has 65 characters; a symbol may have 64"):
        conformed(written(tmp_path, f"{HEAD}a,0,b\na,1,{'x' * 65}\n"), kind="symbols")
    many = "".join(f"a,{step},w{step}\n" for step in range(4097))
    with pytest.raises(InvalidInput, match="more than 4,096 different symbols"):
        conformed(written(tmp_path, HEAD + many), kind="symbols")


def test_a_text_is_one_series_of_characters_or_words(tmp_path):
    text = written(tmp_path, "Doug saw Jane.\nIt's a well-known dog, isn't it?\n", "book.txt")
    found = conformed(text, kind="symbols", by=CHARACTER)
    letters = "".join(found.vocabulary[int(code)] for code in codes(found))
    assert letters == text.read_text() and found.frame["ds"].to_list() == list(range(len(letters)))
    assert set(found.frame["unique_id"]) == {"book"} and found.report.frequency == "1"
    words = conformed(text, kind="symbols", by=WORD)
    assert [words.vocabulary[int(code)] for code in codes(words)][:8] == [
        "Doug", "saw", "Jane", ".", "It's", "a", "well-known", "dog",
    ]  # fmt: skip


def test_a_text_in_parts_is_read_like_the_whole(tmp_path, monkeypatch):
    text = written(tmp_path, "one two.\n" * 50, "a.txt")
    whole = conformed(text, kind="symbols", by=WORD)
    monkeypatch.setattr("data.formats.text_file.CELLS", 21)
    parts = conformed(text, kind="symbols", by=WORD)
    assert codes(parts) == codes(whole) and parts.frame["ds"].to_list() == list(range(150))


def test_what_is_no_utf8_is_refused_at_its_line(tmp_path):
    path = tmp_path / "latin.txt"
    path.write_bytes(b"one\ntwo \xe9\n" * 3)
    with pytest.raises(InvalidInput, match=r"row 1|row 2"):
        conformed(path, kind="symbols", by=WORD)


def test_words_are_joined_as_a_reader_expects():
    text = 'She said: "No (not yet)." Isn\'t it 3.5, or so?'
    assert split("a\nb", CHARACTER) == ["a", "\n", "b"] and joined(["a", " ", "b"], CHARACTER) == "a b"
    assert joined(split("Doug saw Jane. Jane saw Spot.", WORD), WORD) == "Doug saw Jane. Jane saw Spot."
    assert joined(["(", "no", ")", "!"], WORD) == "(no)!"
    assert "".join(split(text, WORD)) == text.replace(" ", "")
