"""The messy files of the tutorial: the same each time, and never over files of the user."""

import pytest

from data.errors import InvalidInput
from pipelines.demo.tutorial_files import write_files


def test_the_files_are_the_same_each_time(tmp_path):
    first, second = write_files(tmp_path / "one"), write_files(tmp_path / "two")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_february_holds_what_goes_wrong_in_a_month(tmp_path):
    lines = write_files(tmp_path / "bakery")[0].read_text(encoding="utf-8").splitlines()[1:]
    assert len(lines) == 2143
    assert len(lines) - len(set(lines)) == 60  # sent twice
    assert sum(line.endswith(";-127,0") for line in lines) == 3
    assert [line for line in lines if line.startswith("01.01.1970")] == ["01.01.1970 00:00;oven;30,0"]


def test_a_folder_that_exists_is_left_alone(tmp_path):
    (tmp_path / "next").mkdir()
    with pytest.raises(InvalidInput, match="exists already; name another folder"):
        write_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["next"]
