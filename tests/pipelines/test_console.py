"""Progress where there is no terminal."""

import pytest

from pipelines import console


@pytest.fixture
def seconds(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_without_a_terminal_progress_is_a_line_every_ten_seconds(seconds, capsys):
    with console.progress("ingest plant") as on_progress:
        for second in range(1, 31):
            seconds[0] = 100.0 + second
            on_progress(second, 40, f"{second:,}000 rows read")
    assert capsys.readouterr().err.splitlines() == [
        "ingest plant: 25%, 10000 rows read",
        "ingest plant: 50%, 20000 rows read",
        "ingest plant: 75%, 30000 rows read",
    ]


def test_quick_work_prints_nothing_and_an_unknown_total_no_share(seconds, capsys):
    with console.progress("train plant") as on_progress:
        on_progress(0, 0, "starting")
        seconds[0] += 9.9
        on_progress(1, 0, "still")
        assert capsys.readouterr().err == ""
        seconds[0] += 0.2
        on_progress(2, 0, "on the way")
    assert capsys.readouterr().err == "train plant: on the way\n"


def test_a_piped_table_breaks_no_stamp_however_many_columns_there_are(capsys):
    stamp = "2026-01-01T00:00:00.000000Z"
    console.print_table([f"c{i}" for i in range(8)], [[stamp] * 8, [stamp] * 8])
    lines = capsys.readouterr().out.splitlines()
    assert [line.count(stamp) for line in lines if stamp in line] == [8, 8]


def test_a_piped_table_still_breaks_long_text_between_words(capsys):
    console.print_table(["name", "at", "why"], [["a", "2026-01-01T00:00:00Z", "many words " * 60]])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= console.PIPED_WIDTH
    assert sum("many" in line for line in lines) > 3


def test_a_piped_table_cuts_nothing_beside_a_long_path(capsys):
    row = ["a change of clocks skips or repeats its local time", 1, "/a/long/path" * 12, "some words", 4]
    console.print_table(["rejected for", "rows", "first in", "words", "row"], [row])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "clocks" in line]
    assert all(str(value) in line for value in row)
