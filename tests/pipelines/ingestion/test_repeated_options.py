"""A source that was ingested before, and is given again with other options."""

from dataclasses import replace

import pytest

from data.errors import InvalidInput
from data.formats.options import SourceOptions
from pipelines.deletion.undo import undo
from pipelines.ingestion.ingest import ingest
from tests.support.loop_kit import workspace_at

FIRST = SourceOptions(target_col="y", decimal=".")


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "plant.csv").write_text("day,noon,y\n" + "".join(f"2024-01-{d:02},{d},{d}.5\n" for d in range(1, 20)))
    (tmp_path / "home").mkdir()
    workspace = workspace_at(tmp_path / "home")
    ingest(workspace, str(tmp_path / "plant.csv"), "plant", FIRST)
    return workspace


def again(workspace, tmp_path, **options):
    return ingest(workspace, str(tmp_path / "plant.csv"), "plant", replace(FIRST, **options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keep": "mean"}, "--keep mean (was not given)"),
        ({"decimal": ","}, "--decimal , (was .)"),
        ({"time_col": "noon"}, "--time-col noon (was day)"),
        ({"id_col": "noon"}, "--id-col noon (was not given)"),
        ({"date_format": "%Y-%d-%m"}, "--date-format %Y-%d-%m (was not given)"),
        ({"skip_lines": "2", "na": ("-9",)}, "--skip-lines 2 (was not given), --na -9 (was not given)"),
    ],
)
def test_other_options_are_named_with_what_to_do(workspace, tmp_path, options, said):
    for dry_run in (False, True):
        with pytest.raises(InvalidInput) as refused:
            ingest(workspace, str(tmp_path / "plant.csv"), "plant", replace(FIRST, **options), dry_run=dry_run)
        assert f"with other options: {said}; " in str(refused.value)
        assert "`rollcast ingest undo plant --number 1`" in str(refused.value)


def test_the_same_options_and_those_that_say_what_was_found_repeat_it(workspace, tmp_path):
    for options in ({}, {"time_col": "day"}, {"season": 7}):
        found = again(workspace, tmp_path, **options)
        assert (found.repeated, found.added, "options" in found.report) == (True, 0, False)


def test_a_source_that_grew_is_not_read_by_other_columns_of_ids(workspace, tmp_path):
    """Its series would be stored once more, under other names."""
    with (tmp_path / "plant.csv").open("a") as source:
        source.write("2024-01-20,20,20.5\n")
    with pytest.raises(InvalidInput, match="with other options: --id-col noon \\(was not given\\); to read it anew"):
        again(workspace, tmp_path, id_col="noon")
    assert again(workspace, tmp_path).added == 1


def test_after_an_undo_the_other_options_count(workspace, tmp_path):
    undo(workspace, "plant", 1)
    assert again(workspace, tmp_path, date_format="%Y-%m-%d").added == 19
