"""Commands that were renamed work under both names; the old one adds one line of warning on standard error."""

import json

import pytest

from pipelines import cli


@pytest.fixture
def rollcast(capsys):
    """Run one command line in this process: exit code, standard output, lines on standard error."""

    def run(line: str) -> tuple[int, str, list[str]]:
        capsys.readouterr()
        code = cli.run(line.split())
        printed = capsys.readouterr()
        return code, printed.out, printed.err.splitlines()

    return run


@pytest.fixture
def served(rollcast, tmp_path):
    """Dataset `d`, served by the baseline naive."""
    raw = tmp_path / "raw.csv"
    raw.write_text("unique_id,ds,y\n" + "".join(f"a,{step},{step % 5}\n" for step in range(1, 60)))
    for line in (f"ingest {raw} --dataset d --season 5 --horizon 3", "train d --model naive", "promote d"):
        code, _, printed = rollcast(line)
        assert code == 0, printed


def warning(old: str, new: str) -> str:
    return f"rollcast: `{old}` is called `{new}` now; the old spelling goes with the next release"


def without_number(out: str) -> dict:
    """A printed record but for the number of the issue, which counts up."""
    return {name: value for name, value in json.loads(out).items() if name != "issue"}


def test_jobs_work_is_jobs_run(rollcast):
    code, out, printed = rollcast("jobs run --json")
    assert (code, json.loads(out)) == (0, {"done": []})
    assert rollcast("jobs work --json") == (code, out, [*printed, warning("jobs work", "jobs run")])


def test_pipelines_runs_is_runs_list(rollcast):
    code, out, printed = rollcast("runs list --limit 5 --json")
    assert (code, json.loads(out)) == (0, [])
    old = rollcast("pipelines runs --limit 5 --json")
    assert old == (code, out, [*printed, warning("pipelines runs", "runs list")])
    assert rollcast("pipelines runs --limit 0")[0] == 2


def test_shadow_with_the_option_stop_is_shadow_stop(rollcast, served):
    code, out, printed = rollcast("shadow stop d")
    assert (code, out) == (2, "") and "rolls in shadow" in printed[0]
    assert rollcast("shadow d --stop") == (code, out, [warning("shadow NAME --stop", "shadow stop NAME"), *printed])


def test_shadow_takes_a_dataset_that_is_called_stop(rollcast):
    for line in ("shadow stop", "shadow stop stop"):
        code, _, printed = rollcast(line)
        assert code == 2 and "'stop'" in printed[0], line


@pytest.mark.parametrize(("line", "words"), [("shadow", "'NAME'"), ("shadow end d", "unexpected extra argument (d)")])
def test_shadow_with_too_few_or_too_many_words_is_wrong_usage(rollcast, line, words):
    code, out, printed = rollcast(line)
    assert (code, out, len(printed)) == (2, "", 1)
    assert words in printed[0]


def test_forecast_anew_is_forecast_restart(rollcast, served):
    code, out, printed = rollcast("forecast d --lake --restart --json")
    assert code == 0, printed
    old_code, old_out, old_printed = rollcast("forecast d --lake --anew --json")
    assert (old_code, without_number(old_out)) == (code, without_number(out))
    assert old_printed == [warning("forecast --anew", "forecast --restart"), *printed]
    code, out, printed = rollcast("forecast d --restart")
    assert (code, out) == (2, "") and "--restart works only with --lake" in printed[0]


@pytest.mark.parametrize(
    ("line", "hidden"),
    [("jobs --help", "work"), ("pipelines --help", "runs"), ("shadow --help", "--stop"), ("forecast --help", "--anew")],
)
def test_help_does_not_show_the_old_spelling(rollcast, line, hidden):
    code, out, _ = rollcast(line)
    assert code == 0
    assert hidden not in out
