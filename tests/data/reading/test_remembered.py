"""Columns that a dataset remembers, looked for in each table."""

import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from data.reading.columns import Roles
from data.reading.memory import SourceMemory
from data.reading.remembered import learn, recall_columns, recall_format, with_dialect

MEMORY = SourceMemory(id_columns=("store", "item"), time_columns=("day",), target_column="value")
NAMES = ["store", "item", "day", "value", "price"]


def recalled(names, target="sales", memory=MEMORY, **options):
    return recall_columns(SourceOptions(**options), memory, target, names, "next.csv")


def test_what_is_remembered_stands_for_options_that_were_not_given():
    found = recalled(NAMES)
    assert (found.id_col, found.time_col, found.target_col) == ("store,item", "day", "value")
    given = recalled(NAMES, time_col="price", target_col="price")
    assert (given.time_col, given.target_col) == ("price", "price")


@pytest.mark.parametrize(
    ("lacking", "told"),
    [
        ("store", "column 'store': .* names the dataset's series; it has item, day, value, price; .* --series NAME"),
        ("day", "column 'day': .* is the dataset's time; .* with --time-col"),
        ("value", "column 'sales': .* is the dataset's target; .* --target-col NAME --as sales"),
    ],
)
def test_a_table_that_lacks_a_remembered_column_is_refused_with_its_name(lacking, told):
    with pytest.raises(InvalidInput, match=told):
        recalled([name for name in NAMES if name != lacking])


def test_the_target_is_found_under_the_name_of_the_first_source_and_of_the_dataset():
    assert recalled([*NAMES, "sales"]).target_col == "value"
    assert recalled(["store", "item", "day", "sales"]).target_col == "sales"
    assert recalled(["store", "item", "day", "amount"], rename="sales").target_col is None  # the only number is taken


def test_a_series_that_is_named_needs_no_column_of_ids():
    assert recalled(["day", "value"], series="a").id_col is None


def test_a_dataset_of_before_remembers_its_target_alone():
    found = recalled(["ds", "sales"], memory=SourceMemory())
    assert (found.id_col, found.time_col, found.target_col) == (None, None, "sales")
    with pytest.raises(InvalidInput, match="column 'sales': there is no such column"):
        recalled(["ds", "price"], memory=SourceMemory())


def test_a_watermark_is_read_in_the_remembered_form_where_it_has_it():
    dotted, unix = SourceMemory(date_format="%d.%m.%Y"), SourceMemory(date_format="s")
    assert (recall_format("31.12.2024", dotted), recall_format("2024-12-31", dotted)) == ("%d.%m.%Y", None)
    assert (recall_format("1700000000", unix), recall_format("2024-12-31", unix)) == ("s", None)
    assert recall_format("2024-12-31", SourceMemory()) is None


def test_an_ingest_adds_to_the_memory_and_changes_only_the_rule_of_clashes():
    roles = Roles(("id",), ("t",), "y", None, (), ())
    first = learn(SourceMemory(), SourceOptions(keep="last", na=("?",)), roles, "degC", "%d.%m.%Y")
    assert (first.id_columns, first.time_columns, first.target_column) == (("id",), ("t",), "y")
    assert (first.date_format, first.keep, first.na, first.unit) == ("%d.%m.%Y", "last", ("?",), "degC")
    other = Roles((), ("when",), "value", None, (), ())
    second = learn(first, SourceOptions(time_col="when", date_format="s", keep="mean"), other, None, "s")
    assert second == SourceMemory(**{**vars(first), "keep": "mean"})
    assert SourceMemory.of(second.to_json()) == second


def test_a_source_without_ids_is_remembered_as_one():
    memory = learn(SourceMemory(), SourceOptions(), Roles((), ("t",), "y", None, (), ()), None, None)
    assert memory.id_columns == ()
    assert recalled(["unique_id", "t", "y"], "y", memory).id_col is None  # a later source may have them


def test_dialect_and_aggregation_are_filled_in():
    memory = SourceMemory(separator=";", decimal=",", skip_lines="2-3", na=("?",), wide="*", keep="sum", every="1h")
    found = with_dialect(SourceOptions(decimal="."), memory)
    assert (found.separator, found.decimal, found.skip_lines) == (";", ".", "2-3")
    assert (found.na, found.wide, found.keep, found.every) == (("?",), "*", "sum", "1h")
