import pytest

from data import errors
from data.errors import InvalidInput, RollcastError, UnknownDataset, counted, first_line


def test_a_wrong_input_says_where_it_is_before_it_says_what_it_is():
    error = InvalidInput("'abc' is not a number; correct it", source="plant.csv", column="y", row=7)
    assert str(error) == "plant.csv, column 'y', row 7: 'abc' is not a number; correct it"
    assert (error.source, error.column, error.row, error.pointer) == ("plant.csv", "y", 7, None)


def test_an_unknown_dataset_lists_the_known_ones():
    assert "known: plant, prices" in str(UnknownDataset("plnt", ["plant", "prices"]))
    assert "9 and 2 more)" in str(UnknownDataset("plnt", [str(number) for number in range(12)]))


@pytest.mark.parametrize(
    ("kind", "code"), [("InvalidInput", 2), ("NotFound", 2), ("Conflict", 2), ("GateRefused", 3), ("Unavailable", 1)]
)
def test_each_kind_of_error_has_its_exit_code(kind, code):
    family = getattr(errors, kind)
    assert family.exit_code == code
    assert all(child.exit_code == code for child in family.__subclasses__())


def test_every_error_is_in_the_tree_of_the_module_docstring():
    family = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, RollcastError)}
    assert all(name in errors.__doc__ for name in family)


@pytest.mark.parametrize(
    ("text", "line"),
    [("\n a.b is gone\n  at line 7", "a.b is gone"), ("", "no reason given"), (" \n", "no reason given")],
)
def test_the_first_line_of_an_error_is_its_reason(text, line):
    assert first_line(ValueError(text)) == line


def test_a_reason_is_cut_where_it_is_long():
    error = ValueError("x" * 300)
    assert len(first_line(error)) == 200
    assert len(first_line(error, longest=None)) == 300


@pytest.mark.parametrize(("count", "words"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1200, "1,200 rows")])
def test_a_number_has_its_noun_in_the_right_form(count, words):
    assert counted(count, "row") == words
    assert counted(count, "series", "series") == f"{count:,} series"
