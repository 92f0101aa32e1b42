"""The pages that promise to run do, and print what they show."""

import contextlib
import io

import pytest

from tests.support.page_kit import check_shown, is_same, steps_of


@pytest.mark.usefixtures("short_collections")
def test_the_cells_of_the_python_page_print_what_it_shows(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    steps = list(steps_of(root / "docs" / "python.md", "python"))
    assert len(steps) == 6
    names: dict[str, object] = {}
    for step in steps:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(step.code, names)  # noqa: S102 the page's own cells
        assert step.shown
        for shown in step.shown:
            check_shown(shown, printed.getvalue())
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_of_pages_finds_what_differs():
    assert is_same("│ a ┆ 12 ┆ 3.50 │", "│ a ┆   12 ┆ 3.61 │")
    assert is_same("took … s, ────", "took 12 s, ─────────")
    assert not is_same("│ a ┆ 12 ┆ 3.50 │", "│ a ┆ 13 ┆ 3.50 │")
    assert not is_same("│ a ┆ 12 ┆ 3.50 │", "│ a ┆ 12 ┆ 5.50 │")
    check_shown("one\n…\nfour\n", "one\ntwo\nfour\n")
    with pytest.raises(AssertionError, match="not printed: two"):
        check_shown("four\ntwo\n", "one\ntwo\nfour\n")
