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
