import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats.batches import ROW
from data.formats.dialect import Dialect, Recognised
from data.reading.numbers import MISSING, NumberReader


def reader(separator: str | None = ",", **options) -> NumberReader:
    return NumberReader(Dialect(**options), Recognised(separator=separator))


def read(values: list[str | None], separator: str | None = ",", **options) -> list[float | None] | None:
    """The numbers of one column; None where it does not hold numbers."""
    frame = pl.DataFrame({ROW: range(2, len(values) + 2), "y": values})
    numbers = reader(separator, **options).read(frame, ["y"], "plant.csv")
    return numbers["y"].to_list() if numbers else None


# --- decimal signs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", None])
@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["19,84", "20"], [19.84, 20]),
        (["1.299,99", "7,5"], [1299.99, 7.5]),
        (["1.299.000", "1.299"], [1_299_000, 1299]),
        (["0,125", "1,250"], [0.125, 1.25]),
        (["-1,5E+03", "+,5"], [-1500, 0.5]),
        (["1 299,99", "1\u00a0299,99", "1\u202f299,99"], [1299.99] * 3),
        (["1'299.99", "1’299.99"], [1299.99] * 2),
        (["1,299.99", "1,299"], [1299.99, 1299]),
        (["1,299,000", "5"], [1_299_000, 5]),
        (["20.5", "1.299"], [20.5, 1.299]),
        (["0.299", "0.300"], [0.299, 0.3]),
        (["1e5", "-.5", "12"], [1e5, -0.5, 12]),
    ],
)
def test_the_sign_by_which_every_value_is_a_number_is_the_decimal_sign(words, numbers, separator):
    assert read(words, separator) == numbers


@pytest.mark.parametrize(
    "words", [["19,84", "19.84"], ["1.29,99"], ["12.34.56"], ["1,2,3"], ["1,29.5"], ["5 kg"], ["01.02.2024"], ["10:30"]]
)
def test_what_fits_neither_sign_is_no_number(words):
    assert read(words, ";") is None


def test_only_a_file_with_semicolons_asks_what_1_299_means():
    assert read(["1.299", "1.300"], ",") == [1.299, 1.3]
    assert read(["1.299", "1.300"], "\t") == [1.299, 1.3]
    for words in (["1.299", "1.300"], ["1.299", "850"]):
        with pytest.raises(InvalidInput) as asked:
            read(words, ";")
        assert str(asked.value) == (
            "plant.csv, column 'y', row 2: '1.299' is 1299 with a decimal comma (--decimal ,) or 1.299 with a decimal "
            "point (--decimal .); say which"
        )
    assert read(["1.299", "1.300"], ";", decimal=",") == [1299, 1300]
    assert read(["1.299", "1.300"], ";", decimal=".") == [1.299, 1.3]


def test_1_comma_299_is_a_decimal_comma_beside_semicolons_and_between_thousands_beside_commas():
    assert read(["1,299", "1,300"], ";") == [1.299, 1.3]
    assert read(["1,299", "1,300"], ",") == [1299, 1300]
    with pytest.raises(InvalidInput, match=r"'1,299' is 1.299 with a decimal comma .* or 1299 with a decimal point"):
        read(["1,299", "1,300"], "\t")


def test_the_other_columns_of_the_file_say_which_sign_it_has():
    frame = pl.DataFrame({ROW: [2, 3], "y": ["1.299", "1.300"], "z": ["0,5", "0,75"]})
    assert reader(";").read(frame, ["y", "z"], "")["y"].to_list() == [1299, 1300]
    frame = frame.with_columns(z=pl.Series(["0.5", "0.75"]))
    assert reader(";").read(frame, ["y", "z"], "")["y"].to_list() == [1.299, 1.3]


def test_a_sign_that_was_found_holds_for_later_batches():
    column = reader(";")
    batches = [["7", "8"], ["19,84", "9"], ["1.299", "1.300"], ["20.5", "1"]]
    read_batches = [
        column.read(pl.DataFrame({ROW: [2, 3], "y": words}), ["y"], "plant.csv").get("y") for words in batches
    ]
    assert [batch.to_list() for batch in read_batches[:3]] == [[7, 8], [19.84, 9], [1299, 1300]]
    assert read_batches[3] is None
    error = column.not_a_number(pl.DataFrame({ROW: [8, 9], "y": batches[3]}), "y", "plant.csv")
    assert str(error).startswith("plant.csv, column 'y', row 8: '20.5' is not a number")


def test_a_given_sign_is_obeyed():
    assert read(["19.84"], decimal=",") is None
    assert read(["19,84"], decimal=".") is None
    assert read(["1,299"], ";", decimal=".") == [1299]


# --- missing values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    ["unavailable", "unknown", "n.a.", "N/A", "#N/A N/A", "#VALUE!", "#DIV/0!", "nil", "NULL", "None", "missing", "?",
     "-", "..", r"\N", "<NA>", "NaT", " NA ", ""],
)  # fmt: skip
def test_the_usual_words_for_a_missing_value_need_no_option(word):
    assert read(["1.5", word, None]) == [1.5, None, None]
    assert read(["1,5", word, None], ";") == [1.5, None, None]


def test_words_are_missing_values_in_any_case():
    assert read([word.upper() for word in MISSING] + ["2"])[-2:] == [None, 2]


def test_further_words_are_given():
    assert read(["1.5", "bad"]) is None
    assert read(["1.5", "BAD ", "off"], missing=("bad", "off")) == [1.5, None, None]


def test_a_number_may_mean_a_missing_value():
    assert read(["1.5", "-999", "-999.0"], missing=("-999",)) == [1.5, None, None]
    assert read(["1,5", "-999,9"], ";", missing=("-999,9",)) == [1.5, None]
    numbers = pl.DataFrame({ROW: [1, 2], "y": [3, -999]})
    assert reader(None, missing=("-999",)).read(numbers, ["y"], "")["y"].to_list() == [3, None]


def test_the_words_that_were_read_as_missing_are_noted():
    frame = pl.DataFrame({ROW: [2, 3, 4, 5], "y": ["1", "unknown", "", "#N/A"]})
    found = reader()
    found.read(frame, ["y"], "")
    assert found.notes == ("missing values written as '#N/A', 'unknown'",)


def test_a_column_of_words_is_not_a_column_of_missing_numbers():
    assert read(["unknown", "hall", "unknown"]) is None


# --- amounts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (["$1,140.50", "$7", "-$2.5", "$-3", "8"], [1140.5, 7, -2.5, -3, 8]),
        (["1.140,50 €", "7,25 €", None], [1140.5, 7.25, None]),
        (["£ 3.5", "n/a"], [3.5, None]),
    ],
)
def test_amounts_of_one_currency_are_numbers(words, numbers):
    assert read(words, ";") == numbers


@pytest.mark.parametrize("words", [["$1", "€2"], ["$", "$1"], ["$1$", "$2"], ["US$ 3", "$4"]])
def test_amounts_that_mean_several_things_are_none(words):
    assert read(words) is None
