import polars as pl
import pytest

from data.errors import InvalidInput
from tests.support.intake_kit import QUIRKS, conformed, read_source, rows_of

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03"]


def written(tmp_path, header: str, *columns: list, separator: str = ","):
    path = tmp_path / "plant.csv"
    rows = [separator.join(map(str, row)) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


# --- columns without a name -------------------------------------------------------------------------------------------


def test_an_unnamed_column_of_dates_is_the_time():
    found = conformed(QUIRKS / "unnamed_date_index.csv").report
    assert (found.kept, found.frequency, found.first, found.target_column) == (200, "1d", "2024-01-01", "close")
    assert found.recognised == ("the column without a name is the time",)


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("counts", [[0, 1, 2], [1, 2, 3], [2, 0, 1]])
def test_an_unnamed_column_that_counts_the_rows_is_left_out(tmp_path, name, counts):
    found = conformed(written(tmp_path, f"{name},date,close", counts, DAYS, [5, 6, 7])).report
    assert (found.target_column, found.covariates, found.columns_ignored) == ("close", (), ())
    assert found.recognised == ("left out a column without a name, which counts the rows",)


def test_an_unnamed_column_of_measurements_is_kept(tmp_path):
    found = conformed(written(tmp_path, ",date,y", [4, 4, 9], DAYS, [5, 6, 7])).report
    assert found.covariates == ("column_1",)


def test_an_unnamed_column_can_be_named_by_its_place(tmp_path):
    path = written(tmp_path, ",y", [0, 1, 2], [5, 6, 7])
    with pytest.raises(InvalidInput, match="which column is the time\\? It has column_1, y"):
        conformed(path)
    assert conformed(path, time_col="column_1").report.last == 2
    ids = written(tmp_path, ",date,y", ["a", "b", "a"], DAYS, [5, 6, 7])
    assert conformed(ids, id_col="column_1", freq="1d").report.series == 2


# --- wide tables ------------------------------------------------------------------------------------------------------

WIDE = [
    ("s1", "2024-01-01T00:00:00", 1.5),
    ("s1", "2024-01-02T00:00:00", None),
    ("s1", "2024-01-03T00:00:00", 3.5),
    ("s2", "2024-01-01T00:00:00", 10.0),
    ("s2", "2024-01-02T00:00:00", 20.0),
    ("s2", "2024-01-03T00:00:00", 30.0),
]


def test_every_column_but_the_time_is_a_series(tmp_path):
    path = written(tmp_path, "ds,s1,s2", DAYS, [1.5, "", 3.5], [10, 20, 30])
    with pytest.raises(InvalidInput, match=r"It could be s1, s2; name it with --target-col, or say --wide '\*'"):
        conformed(path)
    assert rows_of(path, wide="*") == WIDE
    semicolons = written(tmp_path, "Tag;s1;s2", DAYS, ["1,5", "", "3,5"], [10, 20, 30], separator=";")
    assert rows_of(semicolons, wide="*", time_col="Tag") == WIDE


def test_a_wide_table_is_unfolded_in_every_format_and_batch(tmp_path, monkeypatch):
    frame = pl.DataFrame({"ds": DAYS, "s1": [1.5, None, 3.5], "s2": [10, 20, 30]})
    frame.write_parquet(tmp_path / "wide.parquet")
    assert rows_of(tmp_path / "wide.parquet", wide="*") == WIDE
    monkeypatch.setattr("data.formats.batches.CELLS", 1)
    assert rows_of(tmp_path / "wide.parquet", wide="*") == WIDE


def test_only_the_named_columns_are_series_and_the_others_repeat(tmp_path):
    path = written(tmp_path, "ds,s1,s2,outside,note", DAYS, [1.5, "", 3.5], [10, 20, 30], [7, 8, 9], ["a", "b", "c"])
    found = conformed(path, wide="s1, s2")
    assert found.frame.select("unique_id", "y", "outside").rows()[2:4] == [("s1", 3.5, 9.0), ("s2", 10.0, 7.0)]
    assert (found.report.covariates, found.report.columns_ignored) == (("outside",), ("note",))


def test_a_wide_table_may_have_a_column_of_ids(tmp_path):
    path = written(tmp_path, "ds,shop,apples,pears", DAYS, ["a", "a", "a"], [1, 2, 3], [4, 5, 6])
    found = conformed(path, wide="apples,pears", id_col="shop", target_col="sold").report
    assert (found.series, found.id_column, found.target_column) == (2, "shop", "sold")
    assert {row[0] for row in rows_of(path, wide="apples,pears", id_col="shop")} == {"a/apples", "a/pears"}


@pytest.mark.parametrize(
    ("wide", "message"),
    [
        ("s1,s9", "column 's9': there is no such column; it has ds, s1, note"),
        ("*", "column 'note': it does not hold numbers; name the columns that are series, as in --wide s1,s2"),
    ],
)
def test_a_column_that_is_no_series_is_named(tmp_path, wide, message):
    with pytest.raises(InvalidInput) as refused:
        conformed(written(tmp_path, "ds,s1,note", DAYS, [1, 2, 3], ["a", "b", "c"]), wide=wide)
    assert message in str(refused.value)


# --- ids of whole floats ----------------------------------------------------------------------------------------------


def ids_of(source) -> list[str]:
    return sorted({row[0] for row in rows_of(source, freq="1d")})


def test_ids_that_are_all_whole_floats_lose_their_point(tmp_path):
    path = written(tmp_path, "unique_id,ds,y", ["1.0", "2.0", "10.0"], DAYS, [5, 6, 7])
    assert ids_of(path) == ["1", "10", "2"]
    assert conformed(path, freq="1d").report.recognised == ("ids of unique_id without .0",)
    pl.read_csv(path).write_parquet(tmp_path / "floats.parquet")
    assert ids_of(tmp_path / "floats.parquet") == ["1", "10", "2"]


@pytest.mark.parametrize(
    "ids", [["1.0", "2", "10.0"], ["1.0", "2.0", "2.5"], ["1.0", "001", "3.0"], ["1.00", "2", "3"]]
)
def test_in_a_mixed_column_each_spelling_is_an_id(tmp_path, ids):
    assert ids_of(written(tmp_path, "unique_id,ds,y", ids, DAYS, [5, 6, 7])) == sorted(ids)


def test_an_id_of_another_spelling_counts_wherever_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("data.formats.batches.CELLS", 1)
    ids = ["1.0"] * 2_500 + ["2"]
    stamps = [f"{year:04}-01-01" for year in range(1000, 3501)]
    path = written(tmp_path, "unique_id,ds,y", ids, stamps, range(2501))
    assert {name for _, part in read_source(path).parts() for name in part["unique_id"]} == {"1.0", "2"}


def test_five_spellings_of_an_id_are_five_series():
    assert ids_of(QUIRKS / "leading_zero_ids.csv") == [" 1", "001", "01", "1", "1.0"]


# --- words for missing values -----------------------------------------------------------------------------------------


def test_words_of_home_automation_are_missing_values():
    options = {"id_col": "entity_id", "time_col": "last_changed", "target_col": "state"}
    intake = read_source(QUIRKS / "home_automation_history.csv", **options)
    assert (intake.read, intake.nulls) == (500, 10)
    assert intake.recognised == ["missing values written as 'unavailable', 'unknown'"]
