import polars as pl
import pytest

from data.errors import InvalidInput
from data.formats import csv_file
from data.formats.batches import ROW
from data.formats.csv_file import read_csv
from data.formats.dialect import Dialect, Recognised, make_dialect
from tests.support.intake_kit import QUIRKS, conformed, rows_of, values_of


def read(path, **options) -> tuple[pl.DataFrame, Recognised]:
    found = Recognised()
    dialect = make_dialect(**({"separator": None, "decimal": None, "skip_lines": None, "missing": ()} | options))
    return pl.concat(read_csv(path, "plant.csv", dialect, found)), found


def written(tmp_path, content: str | bytes):
    path = tmp_path / "plant.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- separators -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "columns", "notes"),
    [
        ("ds,y\n2024-01-01,1.5\n", ["ds", "y"], []),
        ("ds;y\n2024-01-01;1,5\n", ["ds", "y"], ["separator ;"]),
        ("ds\ty\n2024-01-01\t1,5\n", ["ds", "y"], ["separator tab"]),
        ("ds|y\n2024-01-01|1.5\n", ["ds", "y"], ["separator |"]),
        ("ds;T (in, out)\n2024-01-01;1,5\n", ["ds", "T (in, out)"], ["separator ;"]),
        ("ds;a, b;c, d\n2024-01-01;1,5;2,5\n", ["ds", "a, b", "c, d"], ["separator ;"]),
        ('ds,"a;b;c"\n2024-01-01,1.5\n', ["ds", "a;b;c"], []),
        ("ds, y\n2024-01-01, 1.5\n", ["ds", "y"], []),
        ("y\n1.5\n", ["y"], []),
    ],
)
def test_the_separator_is_the_one_that_divides_header_and_rows_alike(tmp_path, content, columns, notes):
    frame, found = read(written(tmp_path, content))
    assert frame.columns == [ROW, *columns]
    assert found.notes == notes


def test_a_given_separator_is_used(tmp_path):
    path = written(tmp_path, "ds y;z\n2024-01-01 1.5\n")
    assert read(path, separator="space")[0].columns == [ROW, "ds", "y;z"]
    assert read(path, separator=";")[0].columns == [ROW, "ds y", "z"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": "::"}, "--separator '::' is not one sign"),
        ({"separator": "ö"}, "--separator 'ö' is not one sign"),
        ({"separator": '"'}, "is not one sign"),
        ({"decimal": ";"}, "--decimal ';' is not a decimal sign; give , or ."),
        ({"skip_lines": "3-2"}, "--skip-lines '3-2' does not count lines from 1"),
        ({"skip_lines": "0"}, "--skip-lines '0'"),
        ({"skip_lines": "two"}, "--skip-lines 'two'"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(tmp_path, options, message):
    with pytest.raises(InvalidInput) as refused:
        read(written(tmp_path, "ds,y\n2024-01-01,1\n"), **options)
    assert message in str(refused.value)


def test_excels_first_line_names_the_separator(tmp_path):
    assert read(written(tmp_path, "sep=|\r\nds|y;z\r\n2024-01-01|1\r\n"))[0].columns == [ROW, "ds", "y;z"]
    frame, found = read(written(tmp_path, "sep=\t\nds\ty\n2024-01-01\t1\n"))
    assert (frame[ROW].to_list(), found.notes) == ([3], ["the line sep=tab"])


def test_a_separator_at_the_end_of_every_row_is_no_column(tmp_path):
    for header in ("ds;y;", "ds;y"):
        frame, _ = read(written(tmp_path, f"{header}\n2024-01-01;1;\n2024-01-02;2;\n"))
        assert frame.columns == [ROW, "ds", "y"]


def test_a_row_with_more_fields_than_the_header_is_named_with_its_line(tmp_path):
    path = written(tmp_path, "sep=;\nunits\nds;y\n2024-01-01;1\n2024-01-02;2;3\n")
    with pytest.raises(InvalidInput, match="row 5: 3 fields where the header has 2"):
        read(path, skip_lines="2")


def test_text_in_utf_16_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(InvalidInput, match="row 1: this is text in UTF-16; save it as CSV UTF-8, or convert it"):
        read(written(tmp_path, "ds\ty\n2024-01-01\t1\n".encode("utf-16")))


# --- lines that are left out, and names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "lines", "rows"),
    [
        ("ds,y\ntime,degC\nn/a,n/a\n2024-01-01,1\n2024-01-02,2\n", "2-3", [4, 5]),
        ("Station,7\n\nds,y\n2024-01-01,1\n2024-01-02,2\n", "1-2", [4, 5]),
        ("Station 7, Berlin, 52.5, 13.4\nds,y\nunits\n2024-01-01,1\n2024-01-02,2\n", "1,3", [4, 5]),
        ("ds,y\n2024-01-01,1\nmaintenance,0\n2024-01-02,2\ntotal,3\n", "3,5-9", [2, 4]),
    ],
)
def test_lines_are_left_out_and_rows_keep_their_line_numbers(tmp_path, content, lines, rows):
    frame, _ = read(written(tmp_path, content), skip_lines=lines)
    assert frame.rows() == [(rows[0], "2024-01-01", "1"), (rows[1], "2024-01-02", "2")]


def test_a_header_cell_may_hold_line_breaks(tmp_path):
    frame, _ = read(written(tmp_path, 'ds,"y\n(degC)"\n2024-01-01,1\n'))
    assert frame.columns == [ROW, "ds", "y\n(degC)"]
    assert frame[ROW].to_list() == [3]


def test_columns_without_a_name_can_be_named_by_their_place(tmp_path):
    frame, found = read(written(tmp_path, ",y,\na,1,2\n"))
    assert frame.columns == [ROW, "column_1", "y", "column_3"]
    assert found.unnamed == ("column_1", "column_3")


# --- price downloads --------------------------------------------------------------------------------------------------

TWO_TICKERS = """Price,Close,Close,Volume
Ticker,AAA,BBB,AAA
Date,,,
2024-01-01,1,10,100
2024-01-02,2,20,200
"""


def test_three_header_lines_give_a_series_for_each_ticker(tmp_path):
    frame, found = read(written(tmp_path, TWO_TICKERS))
    assert frame.columns == [ROW, "Date", "unique_id", "Close", "Volume"]
    assert frame.rows() == [
        (4, "2024-01-01", "AAA", "1", "100"),
        (5, "2024-01-02", "AAA", "2", "200"),
        (4, "2024-01-01", "BBB", "10", None),
        (5, "2024-01-02", "BBB", "20", None),
    ]
    assert found.notes == ["three header lines (columns, tickers, name of the time)"]


def test_the_tickers_may_be_in_the_first_line(tmp_path):
    price, ticker, *rest = TWO_TICKERS.splitlines()
    swapped, _ = read(written(tmp_path, "\n".join([ticker, price, *rest])))
    assert swapped.equals(read(written(tmp_path, TWO_TICKERS))[0])


def test_a_table_that_begins_with_words_has_one_header_line(tmp_path):
    frame, found = read(written(tmp_path, "site,first,second\nhall,low,high\nroof,,\n"))
    assert frame.columns == [ROW, "site", "first", "second"]
    assert (len(frame), found.notes) == (2, [])


def test_a_price_download_asks_which_column_is_the_value():
    with pytest.raises(InvalidInput, match="It could be Close, High, Low, Open, Volume; name it with --target-col"):
        conformed(QUIRKS / "three_header_lines.csv")
    price = conformed(QUIRKS / "three_header_lines.csv", target_col="Close")
    assert (price.report.kept, price.report.series, price.report.frequency) == (200, 1, "1b")
    assert price.frame.row(0)[:3] == ("ZZZ", 1_704_153_600_000_000, 49.19488070447416)
    plain = {"target_col": "Close", "skip_lines": "2-3", "time_col": "Price"}
    assert values_of(QUIRKS / "three_header_lines.csv", **plain) == price.frame["y"].to_list()


# --- files of spreadsheets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "options", "rows", "first", "last", "recognised"),
    [
        (
            "decimal_comma_bom", {"tz": "UTC", "date_format": "%d.%m.%Y %H:%M"}, 300, 19.84, 19.90,
            ("a byte-order mark", "separator ;", "decimal comma"),
        ),
        (
            "decimal_comma_thousands", {"date_format": "%d.%m.%Y"}, 300, 1299.99, 2196.99,
            ("separator ;", "decimal comma", "a point between thousands"),
        ),
        ("excel_sep_line", {"tz": "UTC"}, 24, 20.5, 23.5, ("the line sep=;",)),
    ],
)  # fmt: skip
def test_the_report_says_what_was_recognised(file, options, rows, first, last, recognised):
    found = conformed(QUIRKS / f"{file}.csv", time_col="Zeit", **options)
    assert (found.report.kept, found.report.gaps) == (rows, 0)
    assert (found.frame["y"][0], found.frame["y"][-1]) == (first, last)
    assert found.report.recognised == recognised


def test_an_ordinary_file_says_nothing_of_how_it_is_written(tmp_path):
    assert conformed(written(tmp_path, "ds,y\n2024-01-01,1.5\n2024-01-02,2.5\n")).report.recognised == ()


def test_a_file_in_many_batches_is_read_like_one(tmp_path, monkeypatch):
    lines = [f"2024-{month:02}-{day:02};{month}.000,{day:02};" for month in range(1, 13) for day in range(1, 29)] * 5
    path = written(tmp_path, "sep=;\r\nds;y\r\n" + "\r\n".join(lines) + "\r\n")
    whole = rows_of(path, freq="1d")
    monkeypatch.setattr("data.formats.batches.CELLS", 2)
    assert sum(1 for _ in csv_file.read_csv(path, "plant.csv", Dialect(), Recognised())) > 1
    assert rows_of(path, freq="1d") == whole
    assert whole[0] == ("plant", "2024-01-01T00:00:00", 1000.01)


@pytest.mark.parametrize(
    ("lines", "skipped"),
    [
        (["Station 12", "ds,y"], "1"),
        (["Station 12; north", "Made on 2024-02-01", "", "ds;y;z"], "1-3"),
        (["# a comment, with, commas", "# x", "ds,y"], "1-2"),
    ],
)
def test_lines_before_the_table_are_named_with_the_option_that_leaves_them_out(tmp_path, lines, skipped):
    separator = ";" if ";" in lines[-1] else ","
    rows = [separator.join([f"2024-01-0{day}", *["1"] * lines[-1].count(separator)]) for day in range(1, 6)]
    path = written(tmp_path, "\n".join([*lines, *rows]) + "\n")
    with pytest.raises(InvalidInput, match=f"give --skip-lines {skipped}$"):
        read(path)
    assert read(path, skip_lines=skipped)[0].height == 5


def test_an_empty_first_line_is_named_with_the_option_that_leaves_it_out(tmp_path):
    path = written(tmp_path, "\nds,y\n2024-01-01,1\n")
    with pytest.raises(InvalidInput, match=r"the first line is empty.*give --skip-lines 1$"):
        read(path)
    assert read(path, skip_lines="1")[0].height == 1
